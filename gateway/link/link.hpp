#pragma once
// The network interface a WireGuard device is: made or adopted, addressed, brought up. Everything here is idempotent
// except create and remove.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/ip.hpp"
#include "gateway/base/result.hpp"
#include "gateway/wg/kernel/netlink/socket.hpp"

namespace sanad::link {

struct LinkState {
  std::string name;
  std::uint32_t ifindex = 0;
  std::string kind;       // "wireguard" (kernel backend), "tun" (userspace backend), "" (hardware), others as the kernel says
  bool up = false;        // administratively
  std::uint32_t mtu = 0;  // bytes
  std::vector<InterfaceAddress> addresses;  // in the kernel's order, link-local ones included
};

// 1 to 15 of A-Z a-z 0-9 _ . - , but neither "." nor "..". Narrower than the kernel (net/core/dev.c, dev_valid_name),
// so that a name is safe in paths, rules and tables. invalid_argument, field "interface".
Result<void> check_interface_name(std::string_view name);

// The allowed IPs that need a route of their own: those outside every network of the interface, each once, in order.
// 0.0.0.0/0 and ::/0 are left out: a peer may be allowed everything, but never becomes this host's default route.
std::vector<IpPrefix> routes_needed(const std::vector<InterfaceAddress>& addresses, std::span<const IpPrefix> allowed_ips);

// Blocking; device worker thread only. Needs CAP_NET_ADMIN except for read() and host_addresses().
// All: permission_denied, io, corrupt, timeout (10 s without an answer); not_found when the named interface does not exist.
class LinkControl final {
 public:
  // Nothing when there is no such interface.
  Result<std::optional<LinkState>> read(const std::string& name);

  // conflict: the name is taken; unsupported: this kernel has no WireGuard. The kernel may load the module.
  Result<void> create_wireguard(const std::string& name);
  Result<void> remove(const std::string& name);

  // Makes the addresses exactly these, touching only what differs. Link-local ones (fe80::/10) that are not listed stay:
  // the kernel makes them itself. Not atomic: what is wrong is removed first, because removing the first IPv4 address of a
  // network takes the others of that network along.
  Result<void> set_addresses(const std::string& name, const std::vector<InterfaceAddress>& addresses);
  Result<void> set_mtu(const std::string& name, std::uint32_t mtu);  // invalid_argument: outside what the interface takes
  Result<void> set_up(const std::string& name, bool up);             // down removes the interface's routes, also ours

  // Makes our routes through the interface (main table, protocol kRouteProtocol) exactly these. Other routes are neither
  // changed nor replaced: one that is in the way is a conflict. The interface must be up; a link that went down lost them.
  Result<void> sync_routes(const std::string& name, const std::vector<IpPrefix>& destinations);

  // The global-scope addresses of this host, sorted, without those of the interfaces in `except`.
  Result<std::vector<IpAddress>> host_addresses(const std::vector<std::string>& except);

 private:
  Result<void> exchange(Bytes request, const netlink::Socket::Sink& sink);
  Result<void> command(Bytes request);
  Result<std::uint32_t> ifindex_of(const std::string& name);

  std::optional<netlink::Socket> socket_;
};

}  // namespace sanad::link
