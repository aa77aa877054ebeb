#include "gateway/wg/device_client.hpp"

#include <iterator>

namespace sanad::wg {

Result<Snapshot> DeviceClient::snapshot() {
  Snapshot whole;
  auto done = read([&whole](Snapshot part) -> Result<void> {
    std::vector<Peer> peers = part.first ? std::vector<Peer>{} : std::move(whole.device.peers);
    peers.insert(peers.end(), std::make_move_iterator(part.device.peers.begin()),
                 std::make_move_iterator(part.device.peers.end()));
    whole = std::move(part);
    whole.device.peers = std::move(peers);
    whole.first = true;
    return {};
  });
  if (!done) return done.error();
  return whole;
}

}  // namespace sanad::wg
