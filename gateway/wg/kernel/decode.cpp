#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"

namespace sanad::wg::kernel {
namespace {

using netlink::Attribute;
using netlink::for_each_attribute;
using netlink::read_number;
using netlink::View;
using netlink::wrong_length;

// Stores a value that was read, or says why it could not be.
template <class Value, class Target>
Result<void> store(Result<Value> read, Target& target) {
  if (!read) return read.error();
  target = *std::move(read);
  return {};
}

template <class Key>
Result<Key> read_key(View bytes, std::string_view what) {
  if (bytes.size() != PublicKey::kSize) return wrong_length(what, bytes.size(), PublicKey::kSize);
  return Key{bytes.first<PublicKey::kSize>()};
}

Result<Endpoint> read_endpoint(View bytes) {
  sa_family_t family = AF_UNSPEC;
  if (bytes.size() >= sizeof family) std::memcpy(&family, bytes.data(), sizeof family);
  if (family == AF_INET && bytes.size() == sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, bytes.data(), sizeof in);
    return Endpoint{IpAddress::v4(bytes.subspan<offsetof(sockaddr_in, sin_addr), 4>()), ntohs(in.sin_port)};
  }
  if (family == AF_INET6 && bytes.size() == sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, bytes.data(), sizeof in);
    return Endpoint{IpAddress::v6(bytes.subspan<offsetof(sockaddr_in6, sin6_addr), 16>()), ntohs(in.sin6_port)};
  }
  return Error{Errc::corrupt,
               "WGPEER_A_ENDPOINT of family " + std::to_string(family) + " has " + std::to_string(bytes.size()) + " bytes"};
}

Result<HandshakeTime> read_handshake(View bytes) {
  if (bytes.size() != 2 * sizeof(std::int64_t))
    return wrong_length("WGPEER_A_LAST_HANDSHAKE_TIME", bytes.size(), 2 * sizeof(std::int64_t));
  HandshakeTime time;
  std::memcpy(&time.sec, bytes.data(), sizeof time.sec);
  std::memcpy(&time.nsec, bytes.data() + sizeof time.sec, sizeof time.nsec);
  if (time.nsec < 0 || time.nsec >= 1'000'000'000)
    return Error{Errc::corrupt, "WGPEER_A_LAST_HANDSHAKE_TIME has " + std::to_string(time.nsec) + " nanoseconds"};
  return time;
}

Result<IpPrefix> read_allowed_ip(View attributes) {
  std::uint16_t family = AF_UNSPEC;
  View address;
  std::optional<std::uint8_t> cidr;
  const auto read = for_each_attribute(attributes, [&family, &address, &cidr](const Attribute& attribute) -> Result<void> {
    switch (attribute.type) {
      case kAllowedIpFamily:
        return store(read_number<std::uint16_t>(attribute.payload, "WGALLOWEDIP_A_FAMILY"), family);
      case kAllowedIpCidr:
        return store(read_number<std::uint8_t>(attribute.payload, "WGALLOWEDIP_A_CIDR_MASK"), cidr);
      case kAllowedIpAddress:
        address = attribute.payload;
        return {};
      default:
        return {};
    }
  });
  if (!read) return read.error();
  const bool v4 = family == AF_INET && address.size() == 4;
  const bool v6 = family == AF_INET6 && address.size() == 16;
  if ((!v4 && !v6) || !cidr || *cidr > (v4 ? 32 : 128))
    return Error{Errc::corrupt, "an allowed IP of family " + std::to_string(family) + " has " + std::to_string(address.size()) +
                                    " address bytes and prefix length " + (cidr ? std::to_string(*cidr) : "none")};
  return IpPrefix{v4 ? IpAddress::v4(address.first<4>()) : IpAddress::v6(address.first<16>()), *cidr};
}

Result<void> read_allowed_ips(View attributes, std::vector<IpPrefix>& allowed_ips) {
  return for_each_attribute(attributes, [&allowed_ips](const Attribute& attribute) -> Result<void> {
    auto prefix = read_allowed_ip(attribute.payload);
    if (!prefix) return prefix.error();
    allowed_ips.push_back(*prefix);
    return {};
  });
}

// A record of a peer and which of the three figures came with it.
struct Record {
  Peer peer;
  int figures = 0;
};

Result<Record> read_record(View attributes) {
  Record record;
  Peer& peer = record.peer;
  const auto read = for_each_attribute(attributes, [&record, &peer](const Attribute& attribute) -> Result<void> {
    const View payload = attribute.payload;
    switch (attribute.type) {
      case kPeerPublicKey:
        return store(read_key<PublicKey>(payload, "WGPEER_A_PUBLIC_KEY"), peer.public_key);
      case kPeerPresharedKey:
        return store(read_key<PresharedKey>(payload, "WGPEER_A_PRESHARED_KEY"), peer.preshared_key);
      case kPeerEndpoint:
        return store(read_endpoint(payload), peer.endpoint);
      case kPeerKeepalive:
        return store(read_number<std::uint16_t>(payload, "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"), peer.keepalive_s);
      case kPeerLastHandshake:
        ++record.figures;
        return store(read_handshake(payload), peer.last_handshake);
      case kPeerRxBytes:
        ++record.figures;
        return store(read_number<std::uint64_t>(payload, "WGPEER_A_RX_BYTES"), peer.rx_bytes);
      case kPeerTxBytes:
        ++record.figures;
        return store(read_number<std::uint64_t>(payload, "WGPEER_A_TX_BYTES"), peer.tx_bytes);
      case kPeerAllowedIps:
        return read_allowed_ips(payload, peer.allowed_ips);
      default:
        return {};
    }
  });
  if (!read) return read.error();
  if (peer.public_key.is_zero()) return Error{Errc::corrupt, "a peer has no public key"};
  peer.has_counters = record.figures == 3;
  return record;
}

std::uint64_t key_prefix(const PublicKey& key) {
  std::uint64_t prefix = 0;
  std::memcpy(&prefix, key.bytes().data(), sizeof prefix);
  return prefix;
}

// The positions of records that a later record with the same key replaces, in ascending order.
std::vector<std::uint32_t> superseded(const std::vector<Peer>& peers) {
  struct Entry {
    std::uint64_t prefix;
    std::uint32_t index;
  };
  std::vector<Entry> entries;
  entries.reserve(peers.size());
  for (std::uint32_t i = 0; i < peers.size(); ++i) entries.push_back({key_prefix(peers[i].public_key), i});
  // Sorting 16-byte entries instead of asking a set of keys: a million peers cost 16 MB for a moment, not 64.
  std::sort(entries.begin(), entries.end(), [&peers](const Entry& a, const Entry& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const auto order = peers[a.index].public_key <=> peers[b.index].public_key;
    return order != 0 ? order < 0 : a.index < b.index;
  });
  std::vector<std::uint32_t> out;
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i - 1].prefix == entries[i].prefix &&
        peers[entries[i - 1].index].public_key == peers[entries[i].index].public_key)
      out.push_back(entries[i - 1].index);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Error device_error(int error, std::string_view reason) {
  std::string what = "the kernel refused";
  if (!reason.empty()) what += " (" + std::string(reason) + ")";
  Error out = from_errno(error, what);
  switch (error) {
    case EOPNOTSUPP:
      out.message += ": not a WireGuard interface, or this kernel does not know what was asked";
      break;
    case EPERM:
      out.hint = "reading and changing WireGuard devices needs CAP_NET_ADMIN";
      break;
    case ENOMEM:
      out.code = Errc::exhausted;
      out.hint = "a device holds 1,048,576 peers at most; otherwise the kernel is out of memory";
      break;
    case EADDRINUSE:
      out.field = "listen_port";
      out.hint = "another socket has this UDP port; choose another or stop what uses it";
      break;
    case ERANGE:
    case EINVAL:
      out.code = Errc::invalid_argument;
      break;
    default:
      break;
  }
  return out;
}

Result<bool> DumpParser::feed(const netlink::Message& message) {
  interrupted_ = interrupted_ || message.dump_interrupted();
  const auto ending = netlink::read_ending(message);
  if (!ending) return ending.error();
  if (ending->error != 0) return device_error(ending->error, ending->reason);
  if (ending->finished) return true;
  if (message.type == NLMSG_NOOP) return false;
  if (message.type != family_id_)
    return Error{Errc::corrupt,
                 "a message of type " + std::to_string(message.type) + " in a dump of family " + std::to_string(family_id_)};
  View payload = message.payload;
  const auto header = netlink::take_header<genlmsghdr>(payload, "a generic netlink header");
  if (!header) return header.error();
  if (header->cmd != kGetDevice) return Error{Errc::corrupt, "command " + std::to_string(header->cmd) + " in a dump of a device"};
  if (auto read = read_device(payload); !read) return read.error();
  return false;
}

Result<void> DumpParser::read_device(View attributes) {
  return for_each_attribute(attributes, [this](const Attribute& attribute) -> Result<void> {
    const View payload = attribute.payload;
    switch (attribute.type) {
      case kDeviceIfindex:
        return store(read_number<std::uint32_t>(payload, "WGDEVICE_A_IFINDEX"), device_.ifindex);
      case kDeviceIfname:
        return store(netlink::read_string(payload, "WGDEVICE_A_IFNAME"), device_.name);
      case kDevicePublicKey:
        return store(read_key<PublicKey>(payload, "WGDEVICE_A_PUBLIC_KEY"), device_.public_key);
      case kDeviceListenPort:
        return store(read_number<std::uint16_t>(payload, "WGDEVICE_A_LISTEN_PORT"), device_.listen_port);
      case kDeviceFwmark:
        return store(read_number<std::uint32_t>(payload, "WGDEVICE_A_FWMARK"), device_.fwmark);
      case kDevicePeers:
        return for_each_attribute(payload, [this](const Attribute& peer) -> Result<void> { return read_peer(peer.payload); });
      default:
        return {};  // the private key stays in the buffer, which is wiped
    }
  });
}

Result<void> DumpParser::read_peer(View attributes) {
  auto record = read_record(attributes);
  if (!record) return record.error();
  const bool continues =
      record->figures == 0 && !device_.peers.empty() && device_.peers.back().public_key == record->peer.public_key;
  if (continues) {
    auto& known = device_.peers.back().allowed_ips;
    known.insert(known.end(), record->peer.allowed_ips.begin(), record->peer.allowed_ips.end());
  } else {
    device_.peers.push_back(std::move(record->peer));
  }
  return {};
}

Result<Device> DumpParser::finish() && {
  if (device_.ifindex == 0 || device_.name.empty()) return Error{Errc::corrupt, "the kernel's answer names no device"};
  if (interrupted_) std::erase_if(device_.peers, [](const Peer& peer) { return !peer.has_counters; });
  const auto twice = superseded(device_.peers);
  if (!twice.empty() && !interrupted_)
    return Error{Errc::corrupt, "peer " + device_.peers[twice.front()].public_key.to_base64() + " came twice in one dump"};
  for (auto index = twice.rbegin(); index != twice.rend(); ++index) device_.peers.erase(device_.peers.begin() + *index);
  return std::move(device_);
}

}  // namespace sanad::wg::kernel
