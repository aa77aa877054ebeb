#pragma once
// A WireGuard interface in memory, behind the ports of the real one: keeps what it is told, counts what it is made to carry,
// breaks when told to. The device worker and the test may use it at the same time.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/service/backend_port.hpp"

namespace sanad::fakes {

class FakeInterface final : public service::DevicePort, public service::LinkPort {
 public:
  struct State {
    bool adopted = false;  // what start() says
    std::optional<Error> start_error;
    std::optional<Error> snapshot_error;
    std::optional<Error> read_error;  // looked at behind each part but the last
    std::optional<Error> apply_error;
    std::optional<Error> port_error;    // for changes of the listen port: nothing of them is done
    std::size_t most_peers = SIZE_MAX;  // one more is refused, what came before it is done
    bool complete = true;
    std::size_t part = 0;                 // peers in a part of a reading; 0: all in one
    std::function<void()> between_parts;  // runs on the device worker, without the lock
    int life = 1;                         // part of the identity
    bool exists = true;
    bool up = true;
    wg::PublicKey public_key;
    std::uint16_t listen_port = 0;
    std::map<wg::PublicKey, wg::Peer> peers;
    std::vector<IpPrefix> routes;    // as last wanted
    std::vector<std::string> calls;  // "start", "set K", "quiesce K", "remove K": what was done, in order
    int starts = 0;
    int snapshots = 0;
  };

  // Looks at or changes the state under its lock.
  template <class F>
  auto with(F&& look) {
    const std::lock_guard lock(mutex_);
    return look(state_);
  }

  // What a client does.
  void handshake(const wg::PublicKey& peer, std::uint64_t rx, std::uint64_t tx);
  void traffic(const wg::PublicKey& peer, std::uint64_t rx, std::uint64_t tx);
  // The device is replaced by an empty one.
  void reborn();

  Result<service::BackendStarted> start() override;
  Result<void> read(const wg::DeviceClient::TakePart& take) override;
  Result<BootTime> apply(const wg::DeviceChange& change) override;
  Result<void> destroy() override;
  void want(config::Interface settings, std::vector<IpPrefix> routes) override;
  Result<service::LinkNow> look() override;
  Result<service::LinkRepair> repair() override;

 private:
  Result<wg::Snapshot> snapshot();

  std::mutex mutex_;
  State state_;  // guarded by mutex_
};

}  // namespace sanad::fakes
