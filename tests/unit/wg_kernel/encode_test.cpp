#include <gmock/gmock.h>
#include <linux/genetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"
#include "tests/unit/wg_kernel/golden.hpp"

namespace sanad::wg::kernel {
namespace {

using netlink::Attribute;
using netlink::for_each_attribute;
using netlink::messages_of;
using netlink::read_number;
using netlink::View;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t kFamily = 0x23;

PublicKey key(std::uint32_t number) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
  bytes[31] = 1;
  return PublicKey{bytes};
}

Secret32 secret(std::uint8_t fill) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(fill);
  return Secret32{bytes};
}

IpPrefix numbered_ip(std::uint64_t number, bool v6 = false) {
  return IpPrefix::host(IpAddress::parse(v6 ? "fd00::" : "10.0.0.0")->plus(number));
}

// What a message says, read with the numbers of the kernel's header and nothing of the encoder.
struct SentPeer {
  PublicKey public_key;
  std::uint32_t flags = 0;
  std::optional<Bytes> preshared_key;
  std::optional<std::uint16_t> keepalive_s;
  std::optional<std::vector<IpPrefix>> allowed_ips;
};
struct Sent {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  int command = -1;
  std::vector<int> attributes;
  std::string ifname;
  Bytes private_key;
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<SentPeer> peers;
};

template <class Visit>
void each(View attributes, const Visit& visit) {
  const auto walked = for_each_attribute(attributes, [&visit](const Attribute& attribute) -> Result<void> {
    visit(attribute);
    return {};
  });
  ASSERT_TRUE(walked) << walked.error().message;
}

IpPrefix read_ip(View attributes) {
  std::uint16_t family = 0;
  Bytes address;
  std::uint8_t cidr = 0;
  each(attributes, [&](const Attribute& a) {
    if (a.type == 1) family = read_number<std::uint16_t>(a.payload, "family").value();
    if (a.type == 2) address.assign(a.payload.begin(), a.payload.end());
    if (a.type == 3) cidr = read_number<std::uint8_t>(a.payload, "cidr").value();
  });
  EXPECT_EQ(address.size(), family == AF_INET ? 4U : 16U);
  return family == AF_INET ? IpPrefix{IpAddress::v4(std::span<const std::uint8_t, 4>(address.data(), 4)), cidr}
                           : IpPrefix{IpAddress::v6(std::span<const std::uint8_t, 16>(address.data(), 16)), cidr};
}

SentPeer read_peer(View attributes) {
  SentPeer peer;
  each(attributes, [&peer](const Attribute& a) {
    if (a.type == 1) peer.public_key = PublicKey{a.payload.first<32>()};
    if (a.type == 2) peer.preshared_key.emplace(a.payload.begin(), a.payload.end());
    if (a.type == 3) peer.flags = read_number<std::uint32_t>(a.payload, "flags").value();
    if (a.type == 5) peer.keepalive_s = read_number<std::uint16_t>(a.payload, "keepalive").value();
    if (a.type == 9) {
      peer.allowed_ips.emplace();
      each(a.payload, [&peer](const Attribute& ip) { peer.allowed_ips->push_back(read_ip(ip.payload)); });
    }
  });
  return peer;
}

Sent read_sent(const Bytes& bytes) {
  const auto messages = messages_of(bytes);
  EXPECT_THAT(messages, SizeIs(1));
  Sent sent{messages[0].type, messages[0].flags, messages[0].payload[0], {}, {}, {}, 0, 0, {}};
  EXPECT_EQ(messages[0].payload[1], 1) << "version";
  each(messages[0].payload.subspan(4), [&sent](const Attribute& a) {
    sent.attributes.push_back(a.type);
    if (a.type == 2) sent.ifname = netlink::read_string(a.payload, "ifname").value();
    if (a.type == 3) sent.private_key.assign(a.payload.begin(), a.payload.end());
    if (a.type == 6) sent.listen_port = read_number<std::uint16_t>(a.payload, "port").value();
    if (a.type == 7) sent.fwmark = read_number<std::uint32_t>(a.payload, "fwmark").value();
    if (a.type == 8) each(a.payload, [&sent](const Attribute& peer) { sent.peers.push_back(read_peer(peer.payload)); });
  });
  return sent;
}

std::vector<Sent> encode(const DeviceChange& change) {
  std::vector<Sent> out;
  for (const Bytes& bytes : encode_set(kFamily, "wg0", change)) {
    EXPECT_LE(bytes.size(), kMaxMessageBytes);
    out.push_back(read_sent(bytes));
    EXPECT_EQ(out.back().type, kFamily);
    EXPECT_EQ(out.back().flags, NLM_F_REQUEST | NLM_F_ACK);
    EXPECT_EQ(out.back().command, 1);
    EXPECT_EQ(out.back().ifname, "wg0");
    EXPECT_THAT(out.back().attributes, testing::Not(testing::Contains(5))) << "no device flags: never REPLACE_PEERS";
  }
  return out;
}

TEST(Get, AsksForADumpOfOneDevice) {
  const Sent sent = read_sent(encode_get(kFamily, "wg0"));
  EXPECT_EQ(sent.type, kFamily);
  EXPECT_EQ(sent.flags, NLM_F_REQUEST | NLM_F_DUMP);
  EXPECT_EQ(sent.command, 0);
  EXPECT_EQ(sent.ifname, "wg0");
  EXPECT_THAT(sent.attributes, ElementsAre(2)) << "newer kernels refuse anything else";
}

TEST(Set, AnEmptyChangeSendsNothing) { EXPECT_THAT(encode({}), IsEmpty()); }

TEST(Set, TheDevicesOwnValuesComeBeforeAnyPeer) {
  DeviceChange change;
  change.private_key = secret(0x11);
  change.listen_port = 0;
  change.fwmark = 0x53;
  change.peers.push_back({key(1), false, false, {}, {}, false, {}});
  const auto sent = encode(change);
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0].attributes, ElementsAre(2, 3, 6, 7, 8));
  EXPECT_EQ(sent[0].private_key, Bytes(32, 0x11));
  EXPECT_EQ(sent[0].fwmark, 0x53U);
  ASSERT_THAT(sent[0].peers, SizeIs(1));
  EXPECT_EQ(sent[0].peers[0].public_key, key(1));
}

TEST(Set, WhatIsUnsetIsNotSaid) {
  DeviceChange change;
  change.peers.push_back({key(1), false, false, {}, {}, false, {}});
  change.peers.push_back({key(2), false, true, secret(0), std::uint16_t{0}, true, {}});
  const auto sent = encode(change);
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0].attributes, ElementsAre(2, 8));
  const SentPeer& untouched = sent[0].peers[0];
  EXPECT_EQ(untouched.flags, 0U);
  EXPECT_FALSE(untouched.preshared_key || untouched.keepalive_s || untouched.allowed_ips);
  const SentPeer& cleared = sent[0].peers[1];
  EXPECT_EQ(cleared.flags, 2U | 4U);
  EXPECT_EQ(cleared.preshared_key, Bytes(32)) << "zero is a value: remove the pre-shared key";
  EXPECT_EQ(cleared.keepalive_s, 0);
}

TEST(Set, APeerArrivesWhole) {
  DeviceChange change;
  change.peers.push_back(
      {key(1),
       false,
       false,
       secret(0x22),
       std::uint16_t{25},
       true,
       {IpPrefix::parse("10.1.0.0/16").value(), IpPrefix::parse("fd00::/8").value(), IpPrefix::parse("0.0.0.0/0").value()}});
  const auto sent = encode(change);
  ASSERT_THAT(sent, SizeIs(1));
  const SentPeer& peer = sent[0].peers.at(0);
  EXPECT_EQ(peer.flags, 2U);
  EXPECT_EQ(peer.preshared_key, Bytes(32, 0x22));
  EXPECT_EQ(peer.keepalive_s, 25);
  EXPECT_EQ(peer.allowed_ips, change.peers[0].add_allowed_ips);
}

TEST(Set, ManyPeersFillMessagesInOrder) {
  DeviceChange change;
  for (std::uint32_t i = 0; i < 5000; ++i)
    change.peers.push_back({key(i), false, false, {}, {}, true, {numbered_ip(i), numbered_ip(i, true)}});
  const auto sent = encode(change);
  EXPECT_EQ(sent.size(), 79U) << "64 peers a message, so that RTNL is not held long";
  std::uint32_t next = 0;
  for (const Sent& message : sent) {
    for (const SentPeer& peer : message.peers) {
      ASSERT_EQ(peer.public_key, key(next));
      ASSERT_EQ(peer.allowed_ips, change.peers[next].add_allowed_ips);
      ++next;
    }
  }
  EXPECT_EQ(next, 5000U);
}

// At every number of allowed IPs around one and two messages' worth, with v4 and v6 ones in turn.
TEST(Set, APeerTooLongForOneMessageGoesOnWithoutReplacing) {
  for (std::size_t count : {1700UL, 1701UL, 1755UL, 1756UL, 1757UL, 1758UL, 1759UL, 1760UL, 1761UL, 1762UL, 1763UL,
                            1764UL, 1765UL, 3519UL, 3520UL, 3521UL, 3522UL, 3523UL, 3524UL, 3525UL, 10000UL}) {
    DeviceChange change;
    change.peers.push_back({key(1), false, false, secret(0x22), std::uint16_t{25}, true, {}});
    for (std::size_t i = 0; i < count; ++i) change.peers[0].add_allowed_ips.push_back(numbered_ip(i, i % 2 == 1));
    change.peers.push_back({key(2), false, false, {}, {}, false, {numbered_ip(0)}});
    std::vector<IpPrefix> arrived;
    std::size_t fragments = 0;
    for (const Sent& message : encode(change)) {
      for (const SentPeer& peer : message.peers) {
        if (peer.public_key != key(1)) continue;
        ASSERT_TRUE(peer.allowed_ips);
        EXPECT_FALSE(peer.allowed_ips->empty());
        arrived.insert(arrived.end(), peer.allowed_ips->begin(), peer.allowed_ips->end());
        EXPECT_EQ(peer.flags, fragments == 0 ? 2U : 4U) << "replace in the first, update only in those that follow";
        EXPECT_EQ(peer.preshared_key.has_value(), fragments == 0);
        EXPECT_EQ(peer.keepalive_s.has_value(), fragments == 0);
        ++fragments;
      }
    }
    EXPECT_EQ(arrived, change.peers[0].add_allowed_ips) << count;
    EXPECT_EQ(fragments, count < 1762 ? 1U : fragments) << count;
    EXPECT_GE(fragments, count / 1765 + (count % 1765 == 0 ? 0U : 1U)) << count;
  }
}

TEST(Set, AtMost32RemovalsAMessage) {
  DeviceChange change;
  for (std::uint32_t i = 0; i < 100; ++i)
    change.peers.push_back({key(i), true, false, secret(1), std::uint16_t{5}, true, {numbered_ip(i)}});
  const auto sent = encode(change);
  ASSERT_THAT(sent, SizeIs(4));
  std::uint32_t next = 0;
  for (const Sent& message : sent) {
    EXPECT_LE(message.peers.size(), 32U);
    for (const SentPeer& peer : message.peers) {
      EXPECT_EQ(peer.public_key, key(next++));
      EXPECT_EQ(peer.flags, 1U);
      EXPECT_FALSE(peer.preshared_key || peer.keepalive_s || peer.allowed_ips) << "a removal says nothing else";
    }
  }
  EXPECT_EQ(next, 100U);
}

TEST(Set, RemovalsAndAdditionsKeepTheirOrder) {
  DeviceChange change;
  for (std::uint32_t i = 0; i < 200; ++i) change.peers.push_back({key(i), i % 2 == 0, false, {}, {}, false, {numbered_ip(i)}});
  std::uint32_t next = 0;
  for (const Sent& message : encode(change)) {
    EXPECT_LE(
        std::count_if(message.peers.begin(), message.peers.end(), [](const SentPeer& peer) { return (peer.flags & 1) != 0; }),
        32);
    for (const SentPeer& peer : message.peers) EXPECT_EQ(peer.public_key, key(next++));
  }
  EXPECT_EQ(next, 200U);
}

}  // namespace
}  // namespace sanad::wg::kernel
