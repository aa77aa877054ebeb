#pragma once
// Links, addresses and routes as rtnetlink bytes. Pure, any thread.
// Formats: include/uapi/linux/{rtnetlink,if_link,if_addr}.h, rtnetlink(7).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/ip.hpp"
#include "gateway/wg/kernel/netlink/message.hpp"

namespace sanad::link {

// Routes we made carry this protocol number, and only those are ever touched. 83 is nobody's in
// include/uapi/linux/rtnetlink.h and iproute2's rt_protos.
inline constexpr std::uint8_t kRouteProtocol = 0x53;

// What an RTM_NEWLINK or RTM_DELLINK says.
struct LinkRecord {
  std::string name;
  std::uint32_t ifindex = 0;
  std::string kind;  // IFLA_INFO_KIND: "wireguard", "tun", ... ; empty for hardware
  std::uint32_t mtu = 0;
  bool up = false;       // administratively (IFF_UP)
  bool removed = false;  // RTM_DELLINK
};

struct AddressRecord {
  std::uint32_t ifindex = 0;
  InterfaceAddress address;
  bool global = false;  // RT_SCOPE_UNIVERSE
};

struct RouteRecord {
  std::uint32_t ifindex = 0;  // 0 when the route has none (blackhole) or several (multipath)
  IpPrefix destination;
  std::uint8_t protocol = 0;
  std::uint32_t table = 0;
};

// Each returns nothing for a message of another type, corrupt for one that breaks its format.
// Bridge-family link messages are of another type too: their RTM_DELLINK means "left the bridge", not "gone".
Result<std::optional<LinkRecord>> decode_link(const netlink::Message& message);
Result<std::optional<AddressRecord>> decode_address(const netlink::Message& message);  // RTM_NEWADDR
Result<std::optional<RouteRecord>> decode_route(const netlink::Message& message);      // RTM_NEWROUTE

Bytes encode_get_link(std::string_view name);
Bytes encode_create_link(std::string_view name, std::string_view kind);
Bytes encode_remove_link(std::string_view name);
Bytes encode_set_mtu(std::string_view name, std::uint32_t mtu);
Bytes encode_set_up(std::string_view name, bool up);
Bytes encode_dump_addresses();
Bytes encode_add_address(std::uint32_t ifindex, const InterfaceAddress& address);
Bytes encode_remove_address(std::uint32_t ifindex, const InterfaceAddress& address);
Bytes encode_dump_routes();
Bytes encode_add_route(std::uint32_t ifindex, const IpPrefix& destination);
Bytes encode_remove_route(std::uint32_t ifindex, const IpPrefix& destination);

}  // namespace sanad::link
