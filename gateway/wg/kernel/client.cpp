#include "gateway/wg/kernel/client.hpp"

#include <linux/netlink.h>
#include <net/if.h>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"

namespace sanad::wg::kernel {
namespace {

constexpr std::uint32_t kMaxRepeats = 3;
// A part stays within a second-level cache, so that what is read of a peer is still there when it is looked at.
constexpr std::size_t kPartPeers = 512;
// A message of 32 KiB has 156 with two addresses each, and 292 with none.
constexpr std::size_t kPeersPerMessage = 300;

// All but the peers.
Device header_of(const Device& device) {
  Device header;
  header.name = device.name;
  header.ifindex = device.ifindex;
  header.public_key = device.public_key;
  header.listen_port = device.listen_port;
  header.fwmark = device.fwmark;
  return header;
}

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

// Hands over all parts but the last, which it returns.
Result<Snapshot> KernelClient::dump_once(const TakePart& take) {
  const Instant started = now();
  DumpParser parser{family_id_, kPartPeers + kPeersPerMessage};
  bool first = true;
  const auto part_of = [&](Device device, bool last) {
    Snapshot part;
    part.device = std::move(device);
    part.identity = "kernel:" + std::to_string(part.device.ifindex);
    part.started = started;
    part.finished = now();
    part.first = std::exchange(first, false);
    part.last = last;
    part.complete = !parser.interrupted();
    return part;
  };
  Bytes request = encode_get(family_id_, ifname_);
  const auto answered = exchange(request, [&](const netlink::Message& message) -> Result<bool> {
    auto finished = parser.feed(message);
    if (!finished || *finished || parser.device().peers.size() < kPartPeers) return finished;
    auto settled = parser.take_settled(kPartPeers + kPeersPerMessage);
    if (!settled) return settled.error();
    Device device = header_of(parser.device());
    device.peers = *std::move(settled);
    if (auto taken = take(part_of(std::move(device), false)); !taken) return taken.error();
    return false;
  });
  if (!answered) return answered.error();
  auto rest = std::move(parser).finish();
  if (!rest) return rest.error();
  return part_of(*std::move(rest), true);
}

Result<void> KernelClient::read(const TakePart& take) {
  const std::string context = "couldn't read device " + ifname_;
  for (std::uint32_t interruptions = 0;; ++interruptions) {
    if (!socket_) {
      if (auto connected = connect(); !connected) return std::move(connected.error()).within(context);
    }
    auto last = dump_once(take);
    if (!last) return std::move(last.error()).within(context);
    if (last->complete || interruptions == kMaxRepeats) {
      last->interruptions = interruptions;
      return take(*std::move(last));
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
