#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"

namespace sanad::wg::kernel {
namespace {

using netlink::Attribute;
using netlink::AttributeWalk;
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

// Reads what comes by the million: what is right costs no Result; what is wrong stops it, and error() says what that was.
class RecordReader {
 public:
  // How many of handshake, rx and tx a record had; negative when it is damaged.
  int read(View attributes, Peer& peer) {
    int figures = 0;
    bool good = true;
    AttributeWalk walk{attributes};
    for (Attribute attribute; good && walk.next(attribute);) {
      const View payload = attribute.payload;
      switch (attribute.type) {
        case kPeerPublicKey:
          good = key(payload, "WGPEER_A_PUBLIC_KEY");
          if (good) peer.public_key = PublicKey{payload.first<PublicKey::kSize>()};
          break;
        case kPeerPresharedKey:
          good = key(payload, "WGPEER_A_PRESHARED_KEY");
          if (good) peer.preshared_key.assign(payload.first<PublicKey::kSize>());
          break;
        case kPeerEndpoint:
          good = endpoint(payload, peer.endpoint);
          break;
        case kPeerKeepalive:
          good = number(payload, "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", peer.keepalive_s);
          break;
        case kPeerLastHandshake:
          ++figures;
          good = handshake(payload, peer.last_handshake);
          break;
        case kPeerRxBytes:
          ++figures;
          good = number(payload, "WGPEER_A_RX_BYTES", peer.rx_bytes);
          break;
        case kPeerTxBytes:
          ++figures;
          good = number(payload, "WGPEER_A_TX_BYTES", peer.tx_bytes);
          break;
        case kPeerAllowedIps:
          good = allowed_ips(payload, peer.allowed_ips);
          break;
        default:
          break;
      }
    }
    if (!good) return -1;
    if (walk.broken()) return fail(walk.error()), -1;
    if (peer.public_key.is_zero()) return fail(Error{Errc::corrupt, "a peer has no public key"}), -1;
    peer.has_counters = figures == 3;
    return figures;
  }
  [[nodiscard]] Error error() && { return *std::move(error_); }

 private:
  bool fail(Error error) {
    error_ = std::move(error);
    return false;
  }

  bool key(View bytes, std::string_view what) {
    return bytes.size() == PublicKey::kSize || fail(wrong_length(what, bytes.size(), PublicKey::kSize));
  }

  template <class Number>
  bool number(View bytes, std::string_view what, Number& out) {
    if (bytes.size() != sizeof out) return fail(wrong_length(what, bytes.size(), sizeof out));
    std::memcpy(&out, bytes.data(), sizeof out);
    return true;
  }

  bool endpoint(View bytes, std::optional<Endpoint>& out) {
    sa_family_t family = AF_UNSPEC;
    if (bytes.size() >= sizeof family) std::memcpy(&family, bytes.data(), sizeof family);
    if (family == AF_INET && bytes.size() == sizeof(sockaddr_in)) {
      sockaddr_in in;
      std::memcpy(&in, bytes.data(), sizeof in);
      out = Endpoint{IpAddress::v4(bytes.subspan<offsetof(sockaddr_in, sin_addr), 4>()), ntohs(in.sin_port)};
      return true;
    }
    if (family == AF_INET6 && bytes.size() == sizeof(sockaddr_in6)) {
      sockaddr_in6 in;
      std::memcpy(&in, bytes.data(), sizeof in);
      out = Endpoint{IpAddress::v6(bytes.subspan<offsetof(sockaddr_in6, sin6_addr), 16>()), ntohs(in.sin6_port)};
      return true;
    }
    return fail(Error{Errc::corrupt, "WGPEER_A_ENDPOINT of family " + std::to_string(family) + " has " +
                                         std::to_string(bytes.size()) + " bytes"});
  }

  bool handshake(View bytes, HandshakeTime& out) {
    if (bytes.size() != 2 * sizeof(std::int64_t))
      return fail(wrong_length("WGPEER_A_LAST_HANDSHAKE_TIME", bytes.size(), 2 * sizeof(std::int64_t)));
    std::memcpy(&out.sec, bytes.data(), sizeof out.sec);
    std::memcpy(&out.nsec, bytes.data() + sizeof out.sec, sizeof out.nsec);
    if (out.nsec >= 0 && out.nsec < 1'000'000'000) return true;
    return fail(Error{Errc::corrupt, "WGPEER_A_LAST_HANDSHAKE_TIME has " + std::to_string(out.nsec) + " nanoseconds"});
  }

  bool allowed_ips(View attributes, AllowedIps& out) {
    AttributeWalk walk{attributes};
    for (Attribute attribute; walk.next(attribute);)
      if (!allowed_ip(attribute.payload, out)) return false;
    return !walk.broken() || fail(walk.error());
  }

  bool allowed_ip(View attributes, AllowedIps& out) {
    std::uint16_t family = AF_UNSPEC;
    View address;
    std::uint8_t cidr = 0;
    bool has_cidr = false;
    AttributeWalk walk{attributes};
    for (Attribute attribute; walk.next(attribute);) {
      switch (attribute.type) {
        case kAllowedIpFamily:
          if (!number(attribute.payload, "WGALLOWEDIP_A_FAMILY", family)) return false;
          break;
        case kAllowedIpCidr:
          if (!number(attribute.payload, "WGALLOWEDIP_A_CIDR_MASK", cidr)) return false;
          has_cidr = true;
          break;
        case kAllowedIpAddress:
          address = attribute.payload;
          break;
        default:
          break;
      }
    }
    if (walk.broken()) return fail(walk.error());
    const bool v4 = family == AF_INET && address.size() == 4;
    const bool v6 = family == AF_INET6 && address.size() == 16;
    if ((!v4 && !v6) || !has_cidr || cidr > (v4 ? 32 : 128))
      return fail(Error{Errc::corrupt, "an allowed IP of family " + std::to_string(family) + " has " +
                                           std::to_string(address.size()) + " address bytes and prefix length " +
                                           (has_cidr ? std::to_string(cidr) : "none")});
    out.push_back(IpPrefix{v4 ? IpAddress::v4(address.first<4>()) : IpAddress::v6(address.first<16>()), cidr});
    return true;
  }

  std::optional<Error> error_;
};

Error nameless() { return Error{Errc::corrupt, "the kernel's answer names no device"}; }

std::uint64_t key_prefix(const PublicKey& key) {
  std::uint64_t prefix = 0;
  std::memcpy(&prefix, key.bytes().data(), sizeof prefix);
  return prefix;
}

// The positions of records that a later record with the same key replaces, in ascending order. A table of positions, half
// empty: a million peers cost 8 MiB for a moment and one look each.
std::vector<std::uint32_t> superseded(const std::vector<Peer>& peers) {
  constexpr std::uint32_t kFree = 0xFFFFFFFF;
  const std::size_t mask = std::bit_ceil(peers.size() * 2 + 1) - 1;
  std::vector<std::uint32_t> places(mask + 1, kFree);
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < peers.size(); ++i) {
    // Keys are points of a curve, as good as random; who makes them on purpose slows down their own gateway's root.
    std::size_t place = (key_prefix(peers[i].public_key) * 0x9E3779B97F4A7C15ULL >> 20U) & mask;
    while (places[place] != kFree && peers[places[place]].public_key != peers[i].public_key) place = (place + 1) & mask;
    if (places[place] != kFree) out.push_back(places[place]);
    places[place] = i;
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
        if (payload.size() != PublicKey::kSize) return wrong_length("WGDEVICE_A_PUBLIC_KEY", payload.size(), PublicKey::kSize);
        device_.public_key = PublicKey{payload.first<PublicKey::kSize>()};
        return {};
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
  auto& peers = device_.peers;
  peers.emplace_back();
  RecordReader reader;
  const int figures = reader.read(attributes, peers.back());
  if (figures < 0) return std::move(reader).error();
  if (figures != 0 || peers.size() == 1) return {};
  Peer& before = peers[peers.size() - 2];
  if (before.public_key != peers.back().public_key) return {};
  // The rest of a list that did not fit the message before.
  before.allowed_ips.append(peers.back().allowed_ips.all());
  peers.pop_back();
  return {};
}

Result<std::vector<Peer>> DumpParser::take_settled(std::size_t room) {
  if (device_.ifindex == 0 || device_.name.empty()) return nameless();
  std::vector<Peer> rest;
  rest.reserve(room);
  if (!device_.peers.empty()) {
    rest.push_back(std::move(device_.peers.back()));
    device_.peers.pop_back();
  }
  drop_fragments();
  return std::exchange(device_.peers, std::move(rest));
}

void DumpParser::drop_fragments() {
  if (interrupted_) std::erase_if(device_.peers, [](const Peer& peer) { return !peer.has_counters; });
}

Result<Device> DumpParser::finish() && {
  if (device_.ifindex == 0 || device_.name.empty()) return nameless();
  drop_fragments();
  const auto twice = superseded(device_.peers);
  if (!twice.empty() && !interrupted_)
    return Error{Errc::corrupt, "peer " + device_.peers[twice.front()].public_key.to_base64() + " came twice in one dump"};
  for (auto index = twice.rbegin(); index != twice.rend(); ++index) device_.peers.erase(device_.peers.begin() + *index);
  return std::move(device_);
}

}  // namespace sanad::wg::kernel
