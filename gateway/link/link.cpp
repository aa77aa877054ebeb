#include "gateway/link/link.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>

#include "gateway/link/codec.hpp"

namespace sanad::link {
namespace {

using netlink::Message;
using netlink::read_ending;

constexpr std::size_t kMaxName = 15;  // IFNAMSIZ - 1
constexpr int kMaxDumps = 4;

bool is_link_local(const IpAddress& address) {
  const auto bytes = address.bytes();
  return !address.is_v4() && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool contains(const std::vector<InterfaceAddress>& addresses, const InterfaceAddress& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

Error explained(int error, const std::string& reason) {
  Error out = from_errno(error, reason.empty() ? "the kernel refused" : "the kernel refused (" + reason + ")");
  if (error == EPERM) out.hint = "changing network interfaces needs CAP_NET_ADMIN";
  if (error == EINVAL || error == ERANGE) out.code = Errc::invalid_argument;
  return out;
}

}  // namespace

Result<void> check_interface_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  if (name.empty() || name.size() > kMaxName || name == "." || name == ".." || !std::all_of(name.begin(), name.end(), allowed))
    return Error{Errc::invalid_argument, "an interface name is 1 to 15 of the characters A-Z a-z 0-9 _ . -", "interface",
                 "choose a name like wg0"};
  return {};
}

std::vector<IpPrefix> routes_needed(const std::vector<InterfaceAddress>& addresses, std::span<const IpPrefix> allowed_ips) {
  std::set<IpPrefix> seen;
  std::vector<IpPrefix> out;
  for (const IpPrefix& prefix : allowed_ips) {
    const bool reachable = std::any_of(addresses.begin(), addresses.end(),
                                       [&prefix](const InterfaceAddress& own) { return own.network().contains(prefix); });
    if (prefix.length() != 0 && !reachable && seen.insert(prefix).second) out.push_back(prefix);
  }
  return out;
}

Result<void> LinkControl::exchange(Bytes request, const netlink::Socket::Sink& sink) {
  if (!socket_) {
    auto socket = netlink::Socket::open(NETLINK_ROUTE);
    if (!socket) return socket.error();
    socket_.emplace(*std::move(socket));
  }
  auto answered = socket_->exchange(request, [&sink](const Message& message) -> Result<bool> {
    const auto ending = read_ending(message);
    if (!ending) return ending.error();
    if (ending->error != 0) return explained(ending->error, ending->reason);
    if (ending->finished) return true;
    return sink(message);
  });
  if (!answered) socket_.reset();
  return answered;
}

Result<void> LinkControl::command(Bytes request) {
  return exchange(std::move(request), [](const Message&) -> Result<bool> { return false; });
}

namespace {

// Collects the records of a dump, from the start again when it was interrupted; the last try is taken as it is, because
// whatever changed meanwhile is seen by the next call.
template <class Record, class Exchange>
Result<std::vector<Record>> dump(const Exchange& exchange, Bytes (*encode)(),
                                 Result<std::optional<Record>> (*decode)(const Message&)) {
  std::vector<Record> records;
  bool interrupted = true;
  for (int tries = 0; interrupted && tries < kMaxDumps; ++tries) {
    records.clear();
    interrupted = false;
    const auto asked = exchange(encode(), [&](const Message& message) -> Result<bool> {
      interrupted = interrupted || message.dump_interrupted();
      auto record = decode(message);
      if (!record) return record.error();
      if (*record) records.push_back(**std::move(record));
      return false;
    });
    if (!asked) return asked.error();
  }
  return records;
}

}  // namespace

Result<std::optional<LinkState>> LinkControl::read(const std::string& name) {
  const std::string context = "couldn't read interface " + name;
  if (auto valid = check_interface_name(name); !valid) return valid.error();
  std::optional<LinkRecord> link;
  auto asked = exchange(encode_get_link(name), [&link](const Message& message) -> Result<bool> {
    auto record = decode_link(message);
    if (!record) return record.error();
    if (*record) link = *std::move(record);
    return false;
  });
  if (!asked && asked.error().code == Errc::not_found) return std::optional<LinkState>{};
  if (!asked) return std::move(asked.error()).within(context);
  if (!link) return Error{Errc::corrupt, context + ": the kernel's answer names no link"};
  LinkState state{link->name, link->ifindex, link->kind, link->up, link->mtu, {}};

  const auto ask = [this](Bytes request, const netlink::Socket::Sink& sink) { return exchange(std::move(request), sink); };
  auto addresses = dump<AddressRecord>(ask, encode_dump_addresses, decode_address);
  if (!addresses) return std::move(addresses.error()).within(context);
  for (const AddressRecord& record : *addresses) {
    if (record.ifindex == state.ifindex) state.addresses.push_back(record.address);
  }
  return std::optional<LinkState>{std::move(state)};
}

Result<std::uint32_t> LinkControl::ifindex_of(const std::string& name) {
  const auto state = read(name);
  if (!state) return state.error();
  if (!*state) return Error{Errc::not_found, "there is no interface " + name};
  return (*state)->ifindex;
}

Result<void> LinkControl::create_wireguard(const std::string& name) {
  if (auto valid = check_interface_name(name); !valid) return valid;
  auto created = command(encode_create_link(name, "wireguard"));
  if (created) return {};
  Error error = created.error();
  if (error.code == Errc::unsupported) error.hint = "load the module (modprobe wireguard) or use the userspace backend";
  return std::move(error).within("couldn't create WireGuard interface " + name);
}

Result<void> LinkControl::remove(const std::string& name) {
  if (auto valid = check_interface_name(name); !valid) return valid;
  auto removed = command(encode_remove_link(name));
  if (!removed) return std::move(removed.error()).within("couldn't remove interface " + name);
  return {};
}

Result<void> LinkControl::set_addresses(const std::string& name, const std::vector<InterfaceAddress>& addresses) {
  const std::string context = "couldn't set the addresses of " + name;
  for (const bool removing : {true, false}) {
    // Read again before adding: removing an address may have taken others along.
    const auto state = read(name);
    if (!state) return state.error();
    if (!*state) return Error{Errc::not_found, context + ": there is no such interface"};
    const std::vector<InterfaceAddress>& have = (*state)->addresses;
    for (const InterfaceAddress& address : removing ? have : addresses) {
      if (removing ? contains(addresses, address) || is_link_local(address.address) : contains(have, address)) continue;
      auto done =
          command(removing ? encode_remove_address((*state)->ifindex, address) : encode_add_address((*state)->ifindex, address));
      // EADDRNOTAVAIL (io here) while removing: went along with one removed just before; the second reading shows.
      if (!done && !(removing && done.error().code == Errc::io))
        return std::move(done.error()).within(context + " (" + address.to_string() + ")");
    }
  }
  return {};
}

Result<void> LinkControl::set_mtu(const std::string& name, std::uint32_t mtu) {
  if (auto valid = check_interface_name(name); !valid) return valid;
  auto set = command(encode_set_mtu(name, mtu));
  if (!set) return std::move(set.error()).within("couldn't set the MTU of " + name + " to " + std::to_string(mtu));
  return {};
}

Result<void> LinkControl::set_up(const std::string& name, bool up) {
  if (auto valid = check_interface_name(name); !valid) return valid;
  auto set = command(encode_set_up(name, up));
  if (!set) return std::move(set.error()).within("couldn't bring " + name + (up ? " up" : " down"));
  return {};
}

Result<void> LinkControl::sync_routes(const std::string& name, const std::vector<IpPrefix>& destinations) {
  const std::string context = "couldn't set the routes through " + name;
  const auto ifindex = ifindex_of(name);
  if (!ifindex) return ifindex.error();
  const auto ask = [this](Bytes request, const netlink::Socket::Sink& sink) { return exchange(std::move(request), sink); };
  auto routes = dump<RouteRecord>(ask, encode_dump_routes, decode_route);
  if (!routes) return std::move(routes.error()).within(context);

  std::set<IpPrefix> have;
  for (const RouteRecord& route : *routes) {
    if (route.ifindex == *ifindex && route.protocol == kRouteProtocol && route.table == RT_TABLE_MAIN)
      have.insert(route.destination);
  }
  const std::set<IpPrefix> want(destinations.begin(), destinations.end());
  for (const IpPrefix& prefix : have) {
    if (want.contains(prefix)) continue;
    auto removed = command(encode_remove_route(*ifindex, prefix));
    if (!removed) return std::move(removed.error()).within(context + " (" + prefix.to_string() + ")");
  }
  for (const IpPrefix& prefix : want) {
    if (have.contains(prefix)) continue;
    auto added = command(encode_add_route(*ifindex, prefix));
    if (added) continue;
    Error error = added.error();
    if (error.code == Errc::conflict) error.hint = "another route for this prefix exists; remove it or drop the allowed IP";
    return std::move(error).within(context + " (" + prefix.to_string() + ")");
  }
  return {};
}

Result<std::vector<IpAddress>> LinkControl::host_addresses(const std::vector<std::string>& except) {
  std::set<std::uint32_t> left_out;
  for (const std::string& name : except) {
    const auto state = read(name);
    if (!state) return state.error();
    if (*state) left_out.insert((*state)->ifindex);
  }
  const auto ask = [this](Bytes request, const netlink::Socket::Sink& sink) { return exchange(std::move(request), sink); };
  auto addresses = dump<AddressRecord>(ask, encode_dump_addresses, decode_address);
  if (!addresses) return std::move(addresses.error()).within("couldn't read this host's addresses");
  std::set<IpAddress> out;
  for (const AddressRecord& record : *addresses) {
    if (record.global && !left_out.contains(record.ifindex)) out.insert(record.address.address);
  }
  return std::vector<IpAddress>(out.begin(), out.end());
}

}  // namespace sanad::link
