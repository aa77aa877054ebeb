#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"

namespace sanad::wg::kernel {
namespace {

using netlink::attribute_size;
using netlink::MessageBuilder;

constexpr std::size_t kNestSize = attribute_size(0);
constexpr std::size_t kKeySize = attribute_size(PublicKey::kSize);
// What a peer may take in a message that has nothing else but headers, the interface's name and the list itself.
constexpr std::size_t kRoomForOnePeer = kMaxMessageBytes - 64;

std::size_t size_of(const IpPrefix& prefix) {
  return kNestSize + attribute_size(sizeof(std::uint16_t)) + attribute_size(prefix.address().bytes().size()) +
         attribute_size(sizeof(std::uint8_t));
}

// What a fragment of a peer takes before its first allowed IP.
std::size_t size_of_head(const PeerChange& peer) {
  std::size_t size = kNestSize + kKeySize + attribute_size(sizeof(std::uint32_t)) + kNestSize;
  if (peer.preshared_key) size += kKeySize;
  if (peer.keepalive_s) size += attribute_size(sizeof(std::uint16_t));
  return size;
}

genlmsghdr genl_header(Command command) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = kFamilyVersion;
  return header;
}

void put_allowed_ip(MessageBuilder& builder, const IpPrefix& prefix) {
  const std::size_t nest = builder.begin_nest(0);
  builder.put_number<std::uint16_t>(kAllowedIpFamily, prefix.address().is_v4() ? AF_INET : AF_INET6);
  builder.put(kAllowedIpAddress, prefix.address().bytes());
  builder.put_number<std::uint8_t>(kAllowedIpCidr, prefix.length());
  builder.end_nest(nest);
}

// Fills one message after the other.
class Packer {
 public:
  Packer(std::uint16_t family_id, std::string_view ifname) : family_id_(family_id), ifname_(ifname) {}

  void put_device(const DeviceChange& change) {
    MessageBuilder& builder = message();
    if (change.private_key) builder.put(kDevicePrivateKey, change.private_key->reveal());
    if (change.listen_port) builder.put_number<std::uint16_t>(kDeviceListenPort, *change.listen_port);
    if (change.fwmark) builder.put_number<std::uint32_t>(kDeviceFwmark, *change.fwmark);
  }

  void put_removal(const PublicKey& key) {
    if (removals_ == kMaxRemovalsPerMessage) flush();
    open_peers(kNestSize + kKeySize + attribute_size(sizeof(std::uint32_t)));
    const std::size_t nest = builder_->begin_nest(0);
    builder_->put(kPeerPublicKey, key.bytes());
    builder_->put_number<std::uint32_t>(kPeerFlags, kPeerRemove);
    builder_->end_nest(nest);
    ++removals_;
  }

  void put_peer(const PeerChange& peer) {
    std::uint32_t flags = (peer.update_only ? kPeerUpdateOnly : 0U) | (peer.replace_allowed_ips ? kPeerReplaceAllowedIps : 0U);
    std::size_t whole = size_of_head(peer);
    for (const IpPrefix& prefix : peer.add_allowed_ips) whole += size_of(prefix);
    std::size_t done = 0;
    if (settings_ == kMaxPeersPerMessage) flush();
    do {
      const std::span<const IpPrefix> left = peer.add_allowed_ips.all().subspan(done);
      // Only what is too long for any message is split: the kernel applies one message under one lock.
      open_peers(whole <= kRoomForOnePeer ? whole : size_of_head(peer) + size_of(left.front()));
      const std::size_t nest = builder_->begin_nest(0);
      builder_->put(kPeerPublicKey, peer.public_key.bytes());
      if (flags != 0) builder_->put_number<std::uint32_t>(kPeerFlags, flags);
      if (done == 0 && peer.preshared_key) builder_->put(kPeerPresharedKey, peer.preshared_key->reveal());
      if (done == 0 && peer.keepalive_s) builder_->put_number<std::uint16_t>(kPeerKeepalive, *peer.keepalive_s);
      if (!left.empty()) {
        const std::size_t list = builder_->begin_nest(kPeerAllowedIps);
        for (const IpPrefix& prefix : left) {
          if (builder_->size() + size_of(prefix) > kMaxMessageBytes) break;
          put_allowed_ip(*builder_, prefix);
          ++done;
        }
        builder_->end_nest(list);
      }
      builder_->end_nest(nest);
      flags = kPeerUpdateOnly;
    } while (done < peer.add_allowed_ips.size());
    ++settings_;
  }

  std::vector<Bytes> finish() {
    flush();
    return std::move(messages_);
  }

 private:
  MessageBuilder& message() {
    if (!builder_) {
      builder_.emplace(family_id_, static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK), kMaxMessageBytes + 64);
      builder_->put_header(genl_header(kSetDevice));
      builder_->put_string(kDeviceIfname, ifname_);
    }
    return *builder_;
  }

  // A message with its list of peers open and room for `size` bytes more.
  void open_peers(std::size_t size) {
    if (builder_ && builder_->size() + kNestSize + size > kMaxMessageBytes) flush();
    message();
    if (!peers_) peers_ = builder_->begin_nest(kDevicePeers);
  }

  void flush() {
    if (!builder_) return;
    if (peers_) builder_->end_nest(*peers_);
    messages_.push_back(builder_->finish());
    builder_.reset();
    peers_.reset();
    removals_ = 0;
    settings_ = 0;
  }

  std::uint16_t family_id_;
  std::string_view ifname_;
  std::vector<Bytes> messages_;
  std::optional<MessageBuilder> builder_;
  std::optional<std::size_t> peers_;
  std::size_t removals_ = 0;
  std::size_t settings_ = 0;  // peers set in this message
};

}  // namespace

Bytes encode_get(std::uint16_t family_id, std::string_view ifname) {
  MessageBuilder builder{family_id, NLM_F_REQUEST | NLM_F_DUMP};
  builder.put_header(genl_header(kGetDevice));
  builder.put_string(kDeviceIfname, ifname);
  return builder.finish();
}

std::vector<Bytes> encode_set(std::uint16_t family_id, std::string_view ifname, const DeviceChange& change) {
  Packer packer{family_id, ifname};
  if (change.private_key || change.listen_port || change.fwmark) packer.put_device(change);
  for (const PeerChange& peer : change.peers) {
    if (peer.remove)
      packer.put_removal(peer.public_key);
    else
      packer.put_peer(peer);
  }
  return packer.finish();
}

}  // namespace sanad::wg::kernel
