#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "gateway/link/codec.hpp"

namespace sanad::link {
namespace {

using netlink::Attribute;
using netlink::for_each_attribute;
using netlink::Message;
using netlink::read_number;
using netlink::take_header;
using netlink::View;

Result<IpAddress> read_address(View bytes, std::uint8_t family) {
  if (family == AF_INET && bytes.size() == 4) return IpAddress::v4(bytes.first<4>());
  if (family == AF_INET6 && bytes.size() == 16) return IpAddress::v6(bytes.first<16>());
  return Error{Errc::corrupt,
               "an address of family " + std::to_string(family) + " has " + std::to_string(bytes.size()) + " bytes"};
}

template <class Value, class Target>
Result<void> store(Result<Value> read, Target& target) {
  if (!read) return read.error();
  target = *std::move(read);
  return {};
}

Result<void> read_kind(View attributes, std::string& kind) {
  return for_each_attribute(attributes, [&kind](const Attribute& attribute) -> Result<void> {
    if (attribute.type != IFLA_INFO_KIND) return {};
    return store(netlink::read_string(attribute.payload, "IFLA_INFO_KIND"), kind);
  });
}

bool is_ip(std::uint8_t family) { return family == AF_INET || family == AF_INET6; }

}  // namespace

Result<std::optional<LinkRecord>> decode_link(const Message& message) {
  if (message.type != RTM_NEWLINK && message.type != RTM_DELLINK) return std::optional<LinkRecord>{};
  View payload = message.payload;
  const auto header = take_header<ifinfomsg>(payload, "a link message");
  if (!header) return header.error();
  if (header->ifi_family != AF_UNSPEC) return std::optional<LinkRecord>{};
  LinkRecord link;
  link.ifindex = static_cast<std::uint32_t>(header->ifi_index);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.removed = message.type == RTM_DELLINK;
  const auto read = for_each_attribute(payload, [&link](const Attribute& attribute) -> Result<void> {
    switch (attribute.type) {
      case IFLA_IFNAME:
        return store(netlink::read_string(attribute.payload, "IFLA_IFNAME"), link.name);
      case IFLA_MTU:
        return store(read_number<std::uint32_t>(attribute.payload, "IFLA_MTU"), link.mtu);
      case IFLA_LINKINFO:
        return read_kind(attribute.payload, link.kind);
      default:
        return {};
    }
  });
  if (!read) return read.error();
  if (header->ifi_index <= 0 || link.name.empty()) return Error{Errc::corrupt, "a link message names no interface"};
  return std::optional<LinkRecord>{std::move(link)};
}

Result<std::optional<AddressRecord>> decode_address(const Message& message) {
  if (message.type != RTM_NEWADDR) return std::optional<AddressRecord>{};
  View payload = message.payload;
  const auto header = take_header<ifaddrmsg>(payload, "an address message");
  if (!header) return header.error();
  if (!is_ip(header->ifa_family)) return std::optional<AddressRecord>{};
  std::optional<IpAddress> local;
  std::optional<IpAddress> address;
  const auto read = for_each_attribute(payload, [&](const Attribute& attribute) -> Result<void> {
    if (attribute.type == IFA_LOCAL) return store(read_address(attribute.payload, header->ifa_family), local);
    if (attribute.type == IFA_ADDRESS) return store(read_address(attribute.payload, header->ifa_family), address);
    return {};
  });
  if (!read) return read.error();
  // With both, IFA_ADDRESS is the far end of a point-to-point link (comment in if_addr.h).
  if (!local) local = address;
  if (!local || header->ifa_prefixlen > local->max_prefix())
    return Error{Errc::corrupt, "an address message has no usable address"};
  AddressRecord record{header->ifa_index, InterfaceAddress{*local, header->ifa_prefixlen},
                       header->ifa_scope == RT_SCOPE_UNIVERSE};
  return std::optional<AddressRecord>{record};
}

Result<std::optional<RouteRecord>> decode_route(const Message& message) {
  if (message.type != RTM_NEWROUTE) return std::optional<RouteRecord>{};
  View payload = message.payload;
  const auto header = take_header<rtmsg>(payload, "a route message");
  if (!header) return header.error();
  if (!is_ip(header->rtm_family)) return std::optional<RouteRecord>{};
  RouteRecord route;
  route.protocol = header->rtm_protocol;
  route.table = header->rtm_table;
  IpAddress destination = header->rtm_family == AF_INET ? IpAddress{} : IpAddress::v6(std::array<std::uint8_t, 16>{});
  const auto read = for_each_attribute(payload, [&](const Attribute& attribute) -> Result<void> {
    switch (attribute.type) {
      case RTA_DST:
        return store(read_address(attribute.payload, header->rtm_family), destination);
      case RTA_OIF:
        return store(read_number<std::uint32_t>(attribute.payload, "RTA_OIF"), route.ifindex);
      case RTA_TABLE:
        return store(read_number<std::uint32_t>(attribute.payload, "RTA_TABLE"), route.table);
      default:
        return {};
    }
  });
  if (!read) return read.error();
  if (header->rtm_dst_len > destination.max_prefix())
    return Error{Errc::corrupt, "a route message has an impossible prefix length"};
  route.destination = IpPrefix{destination, header->rtm_dst_len};
  return std::optional<RouteRecord>{route};
}

}  // namespace sanad::link
