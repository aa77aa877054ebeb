#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "gateway/link/codec.hpp"

namespace sanad::link {
namespace {

using netlink::MessageBuilder;

constexpr std::uint16_t kAsk = NLM_F_REQUEST | NLM_F_ACK;
constexpr std::uint16_t kDump = NLM_F_REQUEST | NLM_F_DUMP;
constexpr std::uint16_t kCreate = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

std::uint8_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

Bytes link_request(std::uint16_t type, std::string_view name, const ifinfomsg& header) {
  MessageBuilder builder{type, kAsk};
  builder.put_header(header);
  builder.put_string(IFLA_IFNAME, name);
  return builder.finish();
}

Bytes address_request(std::uint16_t type, std::uint16_t flags, std::uint32_t ifindex, const InterfaceAddress& address) {
  MessageBuilder builder{type, flags};
  ifaddrmsg header{};
  header.ifa_family = family_of(address.address);
  header.ifa_prefixlen = address.length;
  header.ifa_index = ifindex;
  builder.put_header(header);
  builder.put(IFA_LOCAL, address.address.bytes());
  builder.put(IFA_ADDRESS, address.address.bytes());
  return builder.finish();
}

Bytes route_request(std::uint16_t type, std::uint16_t flags, std::uint32_t ifindex, const IpPrefix& destination) {
  MessageBuilder builder{type, flags};
  rtmsg header{};
  header.rtm_family = family_of(destination.address());
  header.rtm_dst_len = destination.length();
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = kRouteProtocol;
  header.rtm_scope = RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  builder.put_header(header);
  builder.put(RTA_DST, destination.address().bytes());
  builder.put_number<std::uint32_t>(RTA_OIF, ifindex);
  return builder.finish();
}

}  // namespace

Bytes encode_get_link(std::string_view name) { return link_request(RTM_GETLINK, name, ifinfomsg{}); }

Bytes encode_create_link(std::string_view name, std::string_view kind) {
  MessageBuilder builder{RTM_NEWLINK, kCreate};
  builder.put_header(ifinfomsg{});
  builder.put_string(IFLA_IFNAME, name);
  const std::size_t info = builder.begin_nest(IFLA_LINKINFO);
  builder.put_string(IFLA_INFO_KIND, kind);
  builder.end_nest(info);
  return builder.finish();
}

Bytes encode_remove_link(std::string_view name) { return link_request(RTM_DELLINK, name, ifinfomsg{}); }

Bytes encode_set_mtu(std::string_view name, std::uint32_t mtu) {
  MessageBuilder builder{RTM_SETLINK, kAsk};
  builder.put_header(ifinfomsg{});
  builder.put_string(IFLA_IFNAME, name);
  builder.put_number<std::uint32_t>(IFLA_MTU, mtu);
  return builder.finish();
}

Bytes encode_set_up(std::string_view name, bool up) {
  ifinfomsg header{};
  header.ifi_flags = up ? static_cast<unsigned>(IFF_UP) : 0U;
  header.ifi_change = IFF_UP;
  return link_request(RTM_SETLINK, name, header);
}

Bytes encode_dump_addresses() {
  MessageBuilder builder{RTM_GETADDR, kDump};
  builder.put_header(ifaddrmsg{});
  return builder.finish();
}

Bytes encode_add_address(std::uint32_t ifindex, const InterfaceAddress& address) {
  return address_request(RTM_NEWADDR, kCreate, ifindex, address);
}

Bytes encode_remove_address(std::uint32_t ifindex, const InterfaceAddress& address) {
  return address_request(RTM_DELADDR, kAsk, ifindex, address);
}

Bytes encode_dump_routes() {
  MessageBuilder builder{RTM_GETROUTE, kDump};
  builder.put_header(rtmsg{});
  return builder.finish();
}

// Without NLM_F_REPLACE: a route that is already there is somebody else's.
Bytes encode_add_route(std::uint32_t ifindex, const IpPrefix& destination) {
  return route_request(RTM_NEWROUTE, kCreate, ifindex, destination);
}

Bytes encode_remove_route(std::uint32_t ifindex, const IpPrefix& destination) {
  return route_request(RTM_DELROUTE, kAsk, ifindex, destination);
}

}  // namespace sanad::link
