#pragma once
// The kernel's WireGuard, spoken to over generic netlink.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/wg/device_client.hpp"
#include "gateway/wg/kernel/netlink/socket.hpp"

namespace sanad::wg::kernel {

// One socket, kept open: the kernel fills reads as large as the largest it has seen on it. After a failure the socket is
// replaced, because the rest of an answer may still be on its way. The identity is "kernel:<ifindex>".
class KernelClient final : public DeviceClient {
 public:
  // MAX_PEERS_PER_DEVICE in drivers/net/wireguard/messages.h: one more is ENOMEM.
  static constexpr std::size_t kMostPeers = 1U << 20;

  // Needs no device yet: a missing one is the not_found of read() and apply().
  // Errors: unsupported (no WireGuard in this kernel), permission_denied, invalid_argument (a name over 15 characters), io.
  static Result<std::unique_ptr<KernelClient>> open(std::string ifname);

  Result<void> read(const TakePart& take) override;
  Result<void> apply(const DeviceChange& change) override;

 private:
  explicit KernelClient(std::string ifname) : ifname_(std::move(ifname)) {}
  Result<void> connect();
  Result<void> exchange(Bytes& request, const netlink::Socket::Sink& sink);
  Result<Snapshot> dump_once(const TakePart& take);

  std::string ifname_;
  std::uint16_t family_id_ = 0;
  std::optional<netlink::Socket> socket_;
};

// Whether this kernel has WireGuard. Asking makes the kernel load the module when it can (module alias of the family).
// Errors: io, timeout.
Result<bool> kernel_wireguard_available();

}  // namespace sanad::wg::kernel
