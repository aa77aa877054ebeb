// Any bytes as what a kernel answers: to a dump of a WireGuard device, to a question about links, as link notices, as the end of
// an exchange. Never a crash or a read past the end; a device that is accepted is one that the rest may rely on.

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <cstdint>
#include <cstdlib>
#include <unordered_set>

#include "gateway/base/encoding.hpp"
#include "gateway/link/codec.hpp"
#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"
#include "gateway/wg/kernel/netlink/message.hpp"

namespace {

using namespace sanad;

void require(bool holds) {
  if (!holds) std::abort();
}

// What tracker and reconciler rely on, in an answer of whatever kind.
void check_device(const wg::Device& device, bool interrupted) {
  require(device.ifindex != 0 && !device.name.empty());
  std::unordered_set<wg::PublicKey> keys;
  for (const wg::Peer& peer : device.peers) {
    require(!peer.public_key.is_zero());
    require(keys.insert(peer.public_key).second);
    require(!interrupted || peer.has_counters);
    for (const IpPrefix& prefix : peer.allowed_ips) require(prefix.length() <= (prefix.address().is_v4() ? 32 : 128));
    if (peer.has_counters) require(peer.last_handshake.nsec >= 0 && peer.last_handshake.nsec < 1'000'000'000);
  }
}

// The family's id differs from boot to boot: that of the first message stands for ours, as the captures carry theirs.
std::uint16_t family_of(netlink::View bytes) {
  nlmsghdr header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  return header.nlmsg_type;
}

void feed_dump(netlink::View bytes) {
  wg::kernel::DumpParser parser{family_of(bytes)};
  while (true) {
    const auto message = netlink::take_message(bytes);
    if (!message) return;
    if (!*message) break;
    const auto fed = parser.feed(**message);
    if (!fed) return require(is_plain_text(fed.error().message));
    if (*fed) break;
  }
  const bool interrupted = parser.interrupted();
  if (const auto device = std::move(parser).finish()) check_device(*device, interrupted);
}

void feed_link(netlink::View bytes) {
  while (true) {
    const auto message = netlink::take_message(bytes);
    if (!message || !*message) return;
    if (const auto ending = netlink::read_ending(**message)) require(ending->error >= 0 && is_plain_text(ending->reason));
    if (const auto found = link::decode_link(**message); found && *found) require((*found)->ifindex != 0);
    (void)link::decode_address(**message);
    if (const auto found = link::decode_route(**message); found && *found)
      require((*found)->destination.length() <= ((*found)->destination.address().is_v4() ? 32 : 128));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  feed_dump({data, size});
  feed_link({data, size});
  return 0;
}
