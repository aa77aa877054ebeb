#include "gateway/wg/kernel/client.hpp"

#include <linux/netlink.h>
#include <net/if.h>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"

namespace sanad::wg::kernel {
namespace {

constexpr std::uint32_t kMaxRepeats = 3;

}  // namespace

Result<std::unique_ptr<KernelClient>> KernelClient::open(std::string ifname) {
  if (ifname.empty() || ifname.size() >= IFNAMSIZ)
    return Error{Errc::invalid_argument, "an interface name has 1 to 15 characters", "interface"};
  std::unique_ptr<KernelClient> client{new KernelClient(std::move(ifname))};
  if (auto connected = client->connect(); !connected) return connected.error();
  return client;
}

Result<void> KernelClient::connect() {
  auto socket = netlink::Socket::open(NETLINK_GENERIC);
  if (!socket) return socket.error();
  const auto id = netlink::resolve_family(*socket, kFamilyName);
  if (!id && id.error().code == Errc::not_found)
    return Error{Errc::unsupported, "this kernel has no WireGuard", "",
                 "load the module (modprobe wireguard) or use the userspace backend"};
  if (!id) return id.error();
  family_id_ = *id;
  socket_.emplace(*std::move(socket));
  return {};
}

Result<void> KernelClient::exchange(Bytes& request, const netlink::Socket::Sink& sink) {
  auto answered = socket_->exchange(request, sink);
  wipe(request);
  if (!answered) socket_.reset();
  return answered;
}

Result<Snapshot> KernelClient::dump_once() {
  Snapshot snapshot;
  snapshot.started = now();
  DumpParser parser{family_id_, peers_at_last_};
  Bytes request = encode_get(family_id_, ifname_);
  const auto answered = exchange(request, [&parser](const netlink::Message& message) { return parser.feed(message); });
  if (!answered) return answered.error();
  snapshot.finished = now();
  snapshot.complete = !parser.interrupted();
  auto device = std::move(parser).finish();
  if (!device) return device.error();
  snapshot.device = *std::move(device);
  // And some that come until the next, so that the list is not copied for the sake of one.
  peers_at_last_ = snapshot.device.peers.size() + snapshot.device.peers.size() / 64;
  snapshot.identity = "kernel:" + std::to_string(snapshot.device.ifindex);
  return snapshot;
}

Result<Snapshot> KernelClient::snapshot() {
  const std::string context = "couldn't read device " + ifname_;
  for (std::uint32_t interruptions = 0;; ++interruptions) {
    if (!socket_) {
      if (auto connected = connect(); !connected) return std::move(connected.error()).within(context);
    }
    auto snapshot = dump_once();
    if (!snapshot) return std::move(snapshot.error()).within(context);
    if (snapshot->complete || interruptions == kMaxRepeats) {
      snapshot->interruptions = interruptions;
      return snapshot;
    }
  }
}

Result<void> KernelClient::apply(const DeviceChange& change) {
  const std::string context = "couldn't change device " + ifname_;
  if (!socket_) {
    if (auto connected = connect(); !connected) return std::move(connected.error()).within(context);
  }
  std::vector<Bytes> messages = encode_set(family_id_, ifname_, change);
  Result<void> outcome;
  for (Bytes& message : messages) {
    if (outcome) {
      outcome = exchange(message, [](const netlink::Message& answer) -> Result<bool> {
        const auto ending = netlink::read_ending(answer);
        if (!ending) return ending.error();
        if (ending->error != 0) return device_error(ending->error, ending->reason);
        return ending->finished;
      });
    }
    wipe(message);
  }
  if (!outcome) return std::move(outcome.error()).within(context);
  return {};
}

Result<bool> kernel_wireguard_available() {
  auto socket = netlink::Socket::open(NETLINK_GENERIC);
  if (!socket) return std::move(socket.error()).within("couldn't ask the kernel for WireGuard");
  const auto id = netlink::resolve_family(*socket, kFamilyName);
  if (!id && id.error().code == Errc::not_found) return false;
  if (!id) return id.error();
  return true;
}

}  // namespace sanad::wg::kernel
