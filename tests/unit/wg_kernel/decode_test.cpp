#include <gmock/gmock.h>
#include <linux/genetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <set>

#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"
#include "tests/unit/wg_kernel/golden.hpp"
#include "tests/unit/wg_kernel/wg_text.hpp"

namespace sanad::wg::kernel {
namespace {

using netlink::code_payload;
using netlink::golden;
using netlink::golden_text;
using netlink::Message;
using netlink::MessageBuilder;
using netlink::messages_of;
using netlink::View;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// The type of the first message: the family id the capturing kernel had given.
std::uint16_t family_of(View bytes) { return messages_of(bytes).front().type; }

struct Reading {
  Device device;
  bool interrupted = false;
};

Result<Reading> read_all(const std::vector<Message>& messages, std::uint16_t family) {
  DumpParser parser{family};
  for (const Message& message : messages) {
    const auto ended = parser.feed(message);
    if (!ended) return ended.error();
    if (!*ended) continue;
    const bool interrupted = parser.interrupted();
    auto device = std::move(parser).finish();
    if (!device) return device.error();
    return Reading{*std::move(device), interrupted};
  }
  return Error{Errc::timeout, "the dump does not end"};
}

Result<Reading> read_golden(const std::string& name) {
  const Bytes bytes = golden(name);
  return read_all(messages_of(bytes), family_of(bytes));
}

// What `wg show dump` printed, without the private key in front.
std::string expected_text(const std::string& name) {
  const std::string text = golden_text(name);
  return text.substr(text.find('\t') + 1);
}

std::string after_first_line(const std::string& text) { return text.substr(text.find('\n') + 1); }

class GoldenDump : public testing::TestWithParam<const char*> {};

TEST_P(GoldenDump, ReadsWhatWgReads) {
  const auto reading = read_golden(GetParam() + std::string(".bin"));
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_EQ(wg_text(reading->device), expected_text(GetParam() + std::string(".dump.txt")));
  EXPECT_FALSE(reading->interrupted);
  EXPECT_EQ(reading->device.name, "wg0");
  EXPECT_GT(reading->device.ifindex, 0U);
  for (const Peer& peer : reading->device.peers) EXPECT_TRUE(peer.has_counters);
}

INSTANTIATE_TEST_SUITE_P(Kernel, GoldenDump, testing::Values("no_peers", "three_peers", "split_peer", "split_peer_32k"),
                         [](const testing::TestParamInfo<const char*>& capture) { return std::string(capture.param); });

// Taken out while the rest comes, it is the same device: the last peer waits for what the next message adds to it.
TEST_P(GoldenDump, ReadsTheSameInParts) {
  const Bytes bytes = golden(GetParam() + std::string(".bin"));
  DumpParser parser{family_of(bytes)};
  std::vector<Peer> peers;
  for (const Message& message : messages_of(bytes)) {
    const auto ended = parser.feed(message);
    ASSERT_TRUE(ended) << ended.error().message;
    if (*ended) break;
    auto settled = parser.take_settled(8);
    ASSERT_TRUE(settled) << settled.error().message;
    EXPECT_LE(parser.device().peers.size(), 1U);
    std::ranges::move(*settled, std::back_inserter(peers));
  }
  auto device = std::move(parser).finish();
  ASSERT_TRUE(device) << device.error().message;
  std::ranges::move(device->peers, std::back_inserter(peers));
  device->peers = std::move(peers);
  EXPECT_EQ(wg_text(*device), expected_text(GetParam() + std::string(".dump.txt")));
}

TEST(Dump, NothingIsTakenOfADeviceThatHasNotBeenNamed) { EXPECT_FALSE(DumpParser{30}.take_settled(1)); }

TEST(Dump, TheCapturesAreWhatTheyClaim) {
  const auto three = read_golden("three_peers.bin").value().device;
  ASSERT_THAT(three.peers, SizeIs(3));
  EXPECT_FALSE(three.peers[0].last_handshake.never());
  EXPECT_GT(three.peers[0].rx_bytes, 1500U);
  EXPECT_EQ(three.peers[0].endpoint, Endpoint::parse("127.0.0.1:51901").value());
  EXPECT_EQ(three.peers[1].endpoint, Endpoint::parse("[::1]:51902").value());
  EXPECT_FALSE(three.peers[2].endpoint);
  // More messages with peers than one: the long peer was continued.
  EXPECT_GE(messages_of(golden("split_peer.bin")).size(), 4U);
  EXPECT_THAT(read_golden("split_peer.bin").value().device.peers[1].allowed_ips, SizeIs(700));
}

TEST(Dump, OneFlagOnAnyMessageMakesItInterrupted) {
  const Bytes bytes = golden("interrupted.bin");
  const auto messages = messages_of(bytes);
  std::size_t flagged = 0;
  for (const Message& message : messages) flagged += message.dump_interrupted() ? 1U : 0U;
  EXPECT_EQ(flagged, 1U) << "the kernel flags one message only";
  EXPECT_FALSE(messages.back().dump_interrupted()) << "and not the last";
  const auto reading = read_all(messages, family_of(bytes)).value();
  EXPECT_TRUE(reading.interrupted);
  EXPECT_EQ(after_first_line(wg_text(reading.device)), after_first_line(expected_text("interrupted.dump.txt")));
}

TEST(Dump, ADumpCutShortByARemovalEndsWithSuccessButIsInterrupted) {
  const auto reading = read_golden("cut_short.bin");
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_TRUE(reading->interrupted);
  EXPECT_THAT(reading->device.peers, SizeIs(2)) << "peer 3 exists and is missing here";
  EXPECT_THAT(expected_text("cut_short.dump.txt"), HasSubstr("2001:db8:3::/48"));
}

TEST(Dump, AFragmentOfTheNextPeerAfterARemovalIsDropped) {
  const auto reading = read_golden("fragment.bin");
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_TRUE(reading->interrupted);
  const auto whole = read_golden("split_peer.bin").value().device;
  ASSERT_THAT(reading->device.peers, SizeIs(2));
  EXPECT_EQ(wg_text(reading->device.peers[0]), wg_text(whole.peers[0]));
  EXPECT_EQ(reading->device.peers[1].public_key, whole.peers[1].public_key);
  EXPECT_LT(reading->device.peers[1].allowed_ips.size(), 700U) << "only what came before the removal";
  EXPECT_THAT(expected_text("fragment.dump.txt"), HasSubstr(whole.peers[2].public_key.to_base64())) << "though peer 3 exists";
}

TEST(Dump, RefusalsOfTheKernelAreErrors) {
  const auto missing = read_golden("error_no_device.bin");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  const auto other = read_golden("error_not_wireguard.bin");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::unsupported);
  EXPECT_THAT(other.error().message, HasSubstr("not a WireGuard interface"));
  const auto key = read_golden("error_bad_key.bin");
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Errc::invalid_argument);
  EXPECT_THAT(key.error().message, HasSubstr("binary attribute size out of range"));
}

TEST(Dump, AnAcknowledgementIsNoDevice) {
  const auto reading = read_golden("ack.bin");
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().code, Errc::corrupt);
}

TEST(Dump, AStreamCutAnywhereNeverPassesForADevice) {
  for (const char* name : {"no_peers.bin", "three_peers.bin", "split_peer.bin", "interrupted.bin", "error_no_device.bin"}) {
    const Bytes bytes = golden(name);
    const auto messages = messages_of(bytes);
    DumpParser parser{family_of(bytes)};
    std::size_t start = 0;
    for (const Message& message : messages) {
      const std::size_t size = sizeof(nlmsghdr) + message.payload.size();
      for (std::size_t kept = 1; kept < size; ++kept) {
        View cut = View(bytes).subspan(start, kept);
        const auto taken = netlink::take_message(cut);
        ASSERT_FALSE(taken) << name << " cut at " << start + kept;
        EXPECT_EQ(taken.error().code, Errc::corrupt);
      }
      start += (size + 3) / 4 * 4;
      if (&message == &messages.back()) continue;
      const auto ended = parser.feed(message);
      ASSERT_TRUE(ended) << ended.error().message;
      EXPECT_FALSE(*ended) << name << " ends before its last message";
    }
  }
}

// Where a payload may end without breaking an attribute: behind one, or within the padding that follows it.
std::set<std::size_t> whole_ends(View payload) {
  std::set<std::size_t> ends{sizeof(genlmsghdr)};
  View left = payload.subspan(sizeof(genlmsghdr));
  while (true) {
    const auto attribute = netlink::take_attribute(left).value();
    if (!attribute) return ends;
    const auto end = static_cast<std::size_t>(attribute->payload.data() + attribute->payload.size() - payload.data());
    for (std::size_t i = end; i <= payload.size() - left.size(); ++i) ends.insert(i);
  }
}

TEST(Dump, AMessageCutAnywhereInsideAnAttributeIsCorrupt) {
  for (const char* name : {"no_peers.bin", "three_peers.bin", "split_peer.bin", "interrupted.bin"}) {
    const Bytes bytes = golden(name);
    const std::uint16_t family = family_of(bytes);
    for (Message message : messages_of(bytes)) {
      if (message.type != family) continue;
      const View whole = message.payload;
      const auto ends = whole_ends(whole);
      for (std::size_t size = 0; size < whole.size(); ++size) {
        // In padding only the rest of an attribute header is missing: that is damage too, unless nothing is left.
        message.payload = whole.first(size);
        DumpParser parser{family};
        const auto fed = parser.feed(message);
        if (!fed) {
          EXPECT_EQ(fed.error().code, Errc::corrupt) << name << " cut at " << size;
        } else {
          EXPECT_TRUE(ends.contains(size)) << name << " cut at " << size << " was accepted";
        }
      }
    }
  }
}

TEST(Dump, FlippedBytesNeverDoHarm) {
  const Bytes original = golden("three_peers.bin");
  const std::uint16_t family = family_of(original);
  int refused = 0;
  for (std::size_t at = 0; at < original.size(); ++at) {
    for (const unsigned mask : {0x01U, 0x80U, 0xffU}) {
      Bytes bytes = original;
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ mask);
      View left = bytes;
      DumpParser parser{family};
      bool ended = false;
      while (!ended) {
        const auto message = netlink::take_message(left);
        if (!message || !*message) break;
        const auto fed = parser.feed(**message);
        if (!fed) {
          ++refused;
          break;
        }
        ended = *fed;
      }
      if (!ended) continue;
      const auto device = std::move(parser).finish();
      if (device) {
        EXPECT_LE(device->peers.size(), 3U);
      }
    }
  }
  EXPECT_GT(refused, 500);
}

// --- messages no kernel has been caught sending ------------------------------------------------------------------------

constexpr std::uint16_t kFamily = 0x23;

PublicKey key(std::uint8_t fill) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(fill);
  return PublicKey{bytes};
}

struct FakeIp {
  std::uint16_t family = AF_INET;
  Bytes address{10, 0, 0, 1};
  std::uint8_t cidr = 32;
};

using Put = std::function<void(MessageBuilder&)>;

void put_figures(MessageBuilder& builder, std::uint64_t rx) {
  builder.put(kPeerLastHandshake, Bytes(16));
  builder.put_number<std::uint64_t>(kPeerRxBytes, rx);
  builder.put_number<std::uint64_t>(kPeerTxBytes, 2 * rx);
}

void put_ips(MessageBuilder& builder, const std::vector<FakeIp>& ips) {
  const std::size_t list = builder.begin_nest(kPeerAllowedIps);
  for (const FakeIp& ip : ips) {
    const std::size_t nest = builder.begin_nest(0);
    builder.put_number<std::uint16_t>(kAllowedIpFamily, ip.family);
    builder.put(kAllowedIpAddress, ip.address);
    builder.put_number<std::uint8_t>(kAllowedIpCidr, ip.cidr);
    builder.end_nest(nest);
  }
  builder.end_nest(list);
}

Bytes device_message(const std::vector<Put>& peers, std::uint16_t flags = NLM_F_MULTI, const Put& extra = {}) {
  MessageBuilder builder{kFamily, flags, 64 * 1024};
  builder.put_header(genlmsghdr{kGetDevice, 1, 0});
  builder.put_number<std::uint32_t>(kDeviceIfindex, 7);
  builder.put_string(kDeviceIfname, "wg0");
  if (extra) extra(builder);
  const std::size_t list = builder.begin_nest(kDevicePeers);
  for (const Put& put : peers) {
    const std::size_t nest = builder.begin_nest(0);
    put(builder);
    builder.end_nest(nest);
  }
  builder.end_nest(list);
  return builder.finish();
}

Put full_peer(std::uint8_t fill, std::uint64_t rx) {
  return [fill, rx](MessageBuilder& builder) {
    builder.put(kPeerPublicKey, key(fill).bytes());
    put_figures(builder, rx);
    put_ips(builder, {{}});
  };
}

Put continuation(std::uint8_t fill, std::uint8_t last_octet) {
  return [fill, last_octet](MessageBuilder& builder) {
    builder.put(kPeerPublicKey, key(fill).bytes());
    put_ips(builder, {FakeIp{AF_INET, {10, 0, 0, last_octet}, 32}});
  };
}

Result<Reading> read_made_up(const std::vector<Bytes>& messages) {
  std::vector<Message> all;
  for (const Bytes& bytes : messages) all.push_back(messages_of(bytes).front());
  static const Bytes done = code_payload(0);
  all.push_back({NLMSG_DONE, NLM_F_MULTI, 0, 0, done});
  return read_all(all, kFamily);
}

TEST(Dump, AContinuationAddsAllowedIpsAndLeavesTheCounters) {
  const auto reading = read_made_up({device_message({full_peer(1, 10), full_peer(2, 4711)}), device_message({continuation(2, 2)}),
                                     device_message({continuation(2, 3), full_peer(3, 30)})});
  ASSERT_TRUE(reading) << reading.error().message;
  ASSERT_THAT(reading->device.peers, SizeIs(3));
  const Peer& split = reading->device.peers[1];
  EXPECT_TRUE(split.has_counters);
  EXPECT_EQ(split.rx_bytes, 4711U);
  EXPECT_EQ(split.tx_bytes, 9422U);
  EXPECT_THAT(split.allowed_ips, ElementsAre(IpPrefix::parse("10.0.0.1").value(), IpPrefix::parse("10.0.0.2").value(),
                                             IpPrefix::parse("10.0.0.3").value()));
}

TEST(Dump, AFragmentOfAnotherPeerIsNoReadingOfItsCounters) {
  const auto reading = read_made_up({device_message({full_peer(1, 10)}), device_message({continuation(2, 2)})}).value();
  ASSERT_THAT(reading.device.peers, SizeIs(2));
  EXPECT_FALSE(reading.device.peers[1].has_counters);
}

TEST(Dump, ARecordThatLacksOneFigureHasNoCounters) {
  const Put lacking = [](MessageBuilder& builder) {
    builder.put(kPeerPublicKey, key(1).bytes());
    builder.put_number<std::uint64_t>(kPeerRxBytes, 5);
    builder.put_number<std::uint64_t>(kPeerTxBytes, 5);
  };
  EXPECT_FALSE(read_made_up({device_message({lacking})}).value().device.peers[0].has_counters);
}

TEST(Dump, APeerThatCameTwiceCountsOnce) {
  const std::vector<Put> twice{full_peer(1, 10), full_peer(2, 20), full_peer(1, 1), full_peer(3, 30), full_peer(1, 2)};
  const auto reading = read_made_up({device_message(twice, NLM_F_MULTI | NLM_F_DUMP_INTR)}).value();
  ASSERT_THAT(reading.device.peers, SizeIs(3));
  EXPECT_EQ(reading.device.peers[0].rx_bytes, 20U);
  EXPECT_EQ(reading.device.peers[1].rx_bytes, 30U);
  EXPECT_EQ(reading.device.peers[2].rx_bytes, 2U) << "the later record is the living peer";
  const auto quiet = read_made_up({device_message(twice)});
  ASSERT_FALSE(quiet) << "without a change in between no peer comes twice";
  EXPECT_EQ(quiet.error().code, Errc::corrupt);
}

TEST(Dump, WhatIsNewIsPassedOver) {
  const Put newer = [](MessageBuilder& builder) {
    builder.put(kPeerPublicKey, key(1).bytes());
    put_figures(builder, 1);
    builder.put_number<std::uint32_t>(10, 1);  // WGPEER_A_PROTOCOL_VERSION
    builder.put(200, Bytes(5));
  };
  EXPECT_TRUE(read_made_up({device_message({newer}, NLM_F_MULTI, [](MessageBuilder& builder) { builder.put(99, Bytes(3)); })}));
}

TEST(Dump, WrongSizesAndValuesAreCorruptAndNamed) {
  struct Case {
    const char* named;
    Put peer;
  };
  const auto with = [](std::uint16_t type, std::size_t size) -> Put {
    return [type, size](MessageBuilder& builder) {
      builder.put(kPeerPublicKey, key(1).bytes());
      builder.put(type, Bytes(size, 0xff));
    };
  };
  const auto with_ip = [](const FakeIp& ip) -> Put {
    return [ip](MessageBuilder& builder) {
      builder.put(kPeerPublicKey, key(1).bytes());
      put_ips(builder, {ip});
    };
  };
  const std::vector<Case> cases{
      {"WGPEER_A_PUBLIC_KEY", with(kPeerPublicKey, 31)},
      {"WGPEER_A_PRESHARED_KEY", with(kPeerPresharedKey, 33)},
      {"WGPEER_A_ENDPOINT", with(kPeerEndpoint, 0)},
      {"WGPEER_A_ENDPOINT", with(kPeerEndpoint, 16)},
      {"WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", with(kPeerKeepalive, 4)},
      {"WGPEER_A_LAST_HANDSHAKE_TIME", with(kPeerLastHandshake, 8)},
      {"nanoseconds", with(kPeerLastHandshake, 16)},
      {"WGPEER_A_RX_BYTES", with(kPeerRxBytes, 4)},
      {"WGPEER_A_TX_BYTES", with(kPeerTxBytes, 9)},
      {"no public key", [](MessageBuilder& builder) { put_figures(builder, 1); }},
      {"no public key", [](MessageBuilder& builder) { builder.put(kPeerPublicKey, Bytes(32)); }},
      {"prefix length 33", with_ip({AF_INET, {10, 0, 0, 1}, 33})},
      {"prefix length 129", with_ip({AF_INET6, Bytes(16), 129})},
      {"family 0", with_ip({AF_UNSPEC, {10, 0, 0, 1}, 32})},
      {"16 address bytes", with_ip({AF_INET, Bytes(16), 32})},
      {"4 address bytes", with_ip({AF_INET6, Bytes(4), 32})},
  };
  for (const Case& c : cases) {
    const auto reading = read_made_up({device_message({c.peer})});
    ASSERT_FALSE(reading) << c.named;
    EXPECT_EQ(reading.error().code, Errc::corrupt) << c.named;
    EXPECT_THAT(reading.error().message, HasSubstr(c.named));
  }
  for (const auto& [type, size] : std::vector<std::pair<std::uint16_t, std::size_t>>{
           {kDeviceIfindex, 2}, {kDeviceIfname, 3}, {kDevicePublicKey, 16}, {kDeviceListenPort, 4}, {kDeviceFwmark, 8}}) {
    const auto reading = read_made_up({device_message(
        {}, NLM_F_MULTI, [type = type, size = size](MessageBuilder& builder) { builder.put(type, Bytes(size, 0x41)); })});
    ASSERT_FALSE(reading) << type;
    EXPECT_EQ(reading.error().code, Errc::corrupt) << type;
  }
}

TEST(Dump, ForeignMessagesAreCorrupt) {
  const Bytes payload{kSetDevice, 1, 0, 0};
  DumpParser parser{kFamily};
  EXPECT_EQ(parser.feed({kFamily, 0, 0, 0, payload}).error().code, Errc::corrupt);
  EXPECT_EQ(parser.feed({kFamily + 1, 0, 0, 0, payload}).error().code, Errc::corrupt);
  EXPECT_EQ(parser.feed({kFamily, 0, 0, 0, View(payload).first(3)}).error().code, Errc::corrupt);
}

TEST(Dump, AnEndWithAnErrorIsAnError) {
  for (const std::int32_t code : {-ENOMEM, ENOMEM}) {
    const Bytes payload = code_payload(code);
    DumpParser parser{kFamily};
    const auto ended = parser.feed({NLMSG_DONE, NLM_F_MULTI, 0, 0, payload});
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Errc::exhausted);
  }
}

}  // namespace
}  // namespace sanad::wg::kernel
