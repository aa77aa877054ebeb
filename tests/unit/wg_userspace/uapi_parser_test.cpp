#include "gateway/wg/userspace/uapi_parser.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::wg::uapi {
namespace {

std::string golden(const std::string& name) {
  return read_file(std::string(SANAD_TESTDATA) + "/uapi/" + name, 1U << 20U).value();
}

// Feeds `text` in chunks of `chunk` bytes.
Result<Device> parse(std::string_view text, std::size_t chunk = std::string_view::npos) {
  GetAnswerParser parser;
  while (!text.empty()) {
    const auto part = text.substr(0, chunk);
    auto complete = parser.feed(part);
    if (!complete) return complete.error();
    text.remove_prefix(part.size());
  }
  return std::move(parser).finish();
}

// The same, with the peers taken out while the rest comes.
Result<Device> parse_in_parts(std::string_view text, std::size_t chunk) {
  GetAnswerParser parser;
  std::vector<Peer> peers;
  while (!text.empty()) {
    const auto part = text.substr(0, chunk);
    text.remove_prefix(part.size());
    auto complete = parser.feed(part);
    if (!complete) return complete.error();
    if (*complete) break;
    for (Peer& peer : parser.take_settled(4)) peers.push_back(std::move(peer));
  }
  auto device = std::move(parser).finish();
  if (!device) return device.error();
  for (Peer& peer : device->peers) peers.push_back(std::move(peer));
  device->peers = std::move(peers);
  return device;
}

Errc code_of(std::string_view text) {
  auto device = parse(text);
  return device ? Errc::internal : device.error().code;
}

PublicKey key_of(std::string_view hex) {
  const auto bytes = hex_decode(hex).value();
  return PublicKey{std::span<const std::uint8_t, 32>(bytes.data(), 32)};
}

const std::string kPeer = "public_key=" + std::string(63, '0') + "1\n";
const std::string kEnd = "errno=0\n\n";

bool same(const Device& a, const Device& b) {
  if (a.public_key != b.public_key || a.listen_port != b.listen_port || a.fwmark != b.fwmark || a.peers.size() != b.peers.size())
    return false;
  for (std::size_t i = 0; i < a.peers.size(); ++i) {
    const Peer& x = a.peers[i];
    const Peer& y = b.peers[i];
    if (x.public_key != y.public_key || !(x.preshared_key == y.preshared_key) || x.endpoint != y.endpoint ||
        x.keepalive_s != y.keepalive_s || x.allowed_ips != y.allowed_ips || !(x.last_handshake == y.last_handshake) ||
        x.rx_bytes != y.rx_bytes || x.tx_bytes != y.tx_bytes || x.has_counters != y.has_counters)
      return false;
  }
  return true;
}

TEST(GetAnswerParser, ReadsAFreshDevice) {
  const auto device = parse(golden("wireguard_go_fresh.txt")).value();
  EXPECT_TRUE(device.public_key.is_zero());
  EXPECT_EQ(device.listen_port, 60482);
  EXPECT_TRUE(device.peers.empty());
}

TEST(GetAnswerParser, ReadsFourPeers) {
  const auto device = parse(golden("wireguard_go_four_peers.txt")).value();
  EXPECT_EQ(device.listen_port, 12912);
  ASSERT_EQ(device.peers.size(), 4U);
  EXPECT_EQ(device.peers[0].public_key, key_of("b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"));
  EXPECT_FALSE(device.peers[0].preshared_key.is_zero());
  EXPECT_EQ(device.peers[0].endpoint->to_string(), "[abcd:23::33]:51820");
  EXPECT_TRUE(device.peers[1].preshared_key.is_zero());
  EXPECT_EQ(device.peers[1].keepalive_s, 111);
  EXPECT_EQ(device.peers[1].endpoint->to_string(), "182.122.22.19:3233");
  ASSERT_EQ(device.peers[2].allowed_ips.size(), 4U);
  EXPECT_EQ(device.peers[2].allowed_ips[2].to_string(), "fd00:66::/64");
  EXPECT_EQ(device.peers[2].allowed_ips[3].to_string(), "0.0.0.0/0");
  EXPECT_FALSE(device.peers[3].endpoint.has_value());
  for (const Peer& peer : device.peers) {
    EXPECT_TRUE(peer.has_counters);
    EXPECT_TRUE(peer.last_handshake.never());
  }
}

TEST(GetAnswerParser, ReadsCountersOfALivePeer) {
  const auto device = parse(golden("wireguard_go_responder.txt")).value();
  EXPECT_EQ(device.fwmark, 102U);
  // What `wg show` printed for the same device.
  EXPECT_EQ(device.public_key.to_base64(), "/Cef1cEQ+8aISI7FCGT5DPYxm8IO8tjtK71TChTf0kc=");
  ASSERT_EQ(device.peers.size(), 1U);
  EXPECT_EQ(device.peers[0].rx_bytes, 180U);
  EXPECT_EQ(device.peers[0].tx_bytes, 92U);
  EXPECT_EQ(device.peers[0].last_handshake, (HandshakeTime{1795519765, 395520190}));
}

TEST(GetAnswerParser, GivesTheSameForChunksOfAnySize) {
  for (const char* name :
       {"wireguard_go_fresh.txt", "wireguard_go_four_peers.txt", "wireguard_go_initiator.txt", "wireguard_go_responder.txt"}) {
    const std::string text = golden(name);
    const auto whole = parse(text).value();
    for (std::size_t chunk = 1; chunk < 200; ++chunk) {
      EXPECT_TRUE(same(parse(text, chunk).value(), whole)) << name << " by " << chunk;
      EXPECT_TRUE(same(parse_in_parts(text, chunk).value(), whole)) << name << " by " << chunk << ", in parts";
    }
  }
}

TEST(GetAnswerParser, IsNeverSatisfiedWithHalfAnAnswer) {
  const std::string text = golden("wireguard_go_four_peers.txt");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    auto device = parse(std::string_view(text).substr(0, cut));
    ASSERT_FALSE(device) << "cut at " << cut;
    EXPECT_EQ(device.error().code, Errc::unavailable) << "cut at " << cut;
  }
}

TEST(GetAnswerParser, SurvivesEveryFlippedByte) {
  const std::string text = golden("wireguard_go_initiator.txt");
  std::size_t refused = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int mask : {0x01, 0x20, 0x80, 0xff}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      refused += parse(damaged).has_value() ? 0U : 1U;
    }
  }
  EXPECT_GT(refused, text.size());  // digits of keys and numbers may change into others; most damage is noticed
}

TEST(GetAnswerParser, SurvivesGarbage) {
  std::mt19937 random(20261124);
  const std::string text = golden("wireguard_go_four_peers.txt");
  const std::string alphabet = "=\n0123456789abcdefpublic_keyerrno";
  for (int round = 0; round < 3000; ++round) {
    std::string noise(random() % 2000, '\0');
    for (char& c : noise) c = round % 2 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    EXPECT_FALSE(parse(noise, 1 + random() % 50));
    const std::string spliced = text.substr(0, random() % text.size()) + noise + text.substr(random() % text.size());
    auto device = parse(spliced);
    if (device) continue;
    const Errc code = device.error().code;
    EXPECT_TRUE(code == Errc::corrupt || code == Errc::unavailable || code == Errc::io) << device.error().message;
  }
}

TEST(GetAnswerParser, RefusesNumbersOutOfRange) {
  for (const char* line : {"rx_bytes=18446744073709551616",
                           "tx_bytes=99999999999999999999999",
                           "rx_bytes=-1",
                           "rx_bytes=+1",
                           "rx_bytes=",
                           "rx_bytes= 1",
                           "rx_bytes=1 ",
                           "rx_bytes=01",
                           "rx_bytes=0x10",
                           "rx_bytes=1e3",
                           "last_handshake_time_sec=9223372036854775808",
                           "last_handshake_time_sec=-1",
                           "last_handshake_time_nsec=1000000000",
                           "persistent_keepalive_interval=65536",
                           "endpoint=192.0.2.1:65536",
                           "endpoint=192.0.2.1",
                           "endpoint=2001:db8::1:5",
                           "endpoint=[192.0.2.1]:5",
                           "endpoint=host:5",
                           "allowed_ip=10.0.0.0/33",
                           "allowed_ip=10.0.0.1/8",
                           "allowed_ip=10.0.0.0",
                           "allowed_ip=::/129",
                           "allowed_ip=/0",
                           "preshared_key=00",
                           "protocol_version=2",
                           "listen_port=1"}) {
    EXPECT_EQ(code_of(kPeer + line + "\n" + kEnd), Errc::corrupt) << line;
  }
  for (const char* line :
       {"listen_port=65536", "fwmark=4294967296", "fwmark=0x1", "private_key=zz", "no equals sign", "=1", "Key=1", "a b=1"})
    EXPECT_EQ(code_of(std::string(line) + "\n" + kEnd), Errc::corrupt) << line;
  EXPECT_EQ(parse(kPeer + "rx_bytes=18446744073709551615\n" + kEnd).value().peers[0].rx_bytes, UINT64_MAX);
}

TEST(GetAnswerParser, TakesWhateverEndpointARemotePeerCanCause) {
  for (const char* line : {"endpoint=192.0.2.1:0", "endpoint=[fe80::1%eth0]:51820", "endpoint=[::ffff:192.0.2.1]:1",
                           "endpoint=255.255.255.255:65535"})
    EXPECT_TRUE(parse(kPeer + line + "\n" + kEnd)) << line;
  EXPECT_EQ(parse(kPeer + "endpoint=[fe80::1%eth0]:51820\n" + kEnd).value().peers[0].endpoint->to_string(), "[fe80::1]:51820");
}

TEST(GetAnswerParser, RefusesAnythingTwice) {
  for (const char* line : {"rx_bytes=1", "tx_bytes=1", "last_handshake_time_sec=1", "last_handshake_time_nsec=1",
                           "endpoint=192.0.2.1:5", "persistent_keepalive_interval=1", "protocol_version=1"})
    EXPECT_EQ(code_of(kPeer + line + "\n" + line + "\n" + kEnd), Errc::corrupt) << line;
  EXPECT_EQ(code_of("listen_port=1\nlisten_port=1\n" + kEnd), Errc::corrupt);
  const std::string other = "public_key=" + std::string(63, '0') + "2\n";
  EXPECT_TRUE(parse(kPeer + other + kEnd));
  EXPECT_EQ(code_of(kPeer + other + kPeer + kEnd), Errc::corrupt);
}

TEST(GetAnswerParser, SkipsUnknownKeysUpToALimit) {
  std::string some = "future_device_key=x\n" + kPeer;
  for (std::size_t i = 0; i < kMaxUnknownKeys; ++i) some += "future_key=anything = at all\n";
  EXPECT_TRUE(parse(some + "rx_bytes=3\n" + kEnd));
  EXPECT_EQ(code_of(some + "future_key=1\n" + kEnd), Errc::corrupt);
}

TEST(GetAnswerParser, MarksAPeerWithoutAllCounters) {
  const std::string sec = "last_handshake_time_sec=1\n", nsec = "last_handshake_time_nsec=1\n", tx = "tx_bytes=1\n",
                    rx = "rx_bytes=1\n";
  EXPECT_TRUE(parse(kPeer + rx + tx + nsec + sec + kEnd).value().peers[0].has_counters);
  for (const auto& lines : {sec + nsec + tx, sec + nsec + rx, sec + tx + rx, nsec + tx + rx, std::string()})
    EXPECT_FALSE(parse(kPeer + lines + kEnd).value().peers[0].has_counters) << lines;
}

TEST(GetAnswerParser, ReadsBothSignsOfErrno) {
  for (const char* end : {"errno=-22\n\n", "errno=22\n\n"}) {
    EXPECT_EQ(code_of(end), Errc::io);
    EXPECT_EQ(code_of(kPeer + end), Errc::io);
  }
  EXPECT_EQ(code_of("errno=-19\n\n"), Errc::not_found);
  for (const char* end : {"errno=\n\n", "errno=x\n\n", "errno=2147483648\n\n", "errno=-2147483649\n\n", "errno=0\nrx_bytes=1\n\n",
                          "errno=0\nerrno=0\n\n", "\n", "errno=0\n\nmore", "errno=0\n\n\n"})
    EXPECT_EQ(code_of(end), Errc::corrupt) << end;
}

TEST(GetAnswerParser, RefusesAnEndlessLine) {
  GetAnswerParser parser;
  const std::string chunk(4096, 'a');
  std::size_t fed = 0;
  while (fed < 16U * kMaxLine) {
    auto complete = parser.feed(chunk);
    fed += chunk.size();
    if (!complete) {
      EXPECT_EQ(complete.error().code, Errc::corrupt);
      break;
    }
  }
  EXPECT_LE(fed, kMaxLine + chunk.size());
  EXPECT_EQ(code_of("future=" + std::string(kMaxLine, 'a') + "\n" + kEnd), Errc::corrupt);
  EXPECT_TRUE(parse("future=" + std::string(kMaxLine - 7, 'a') + "\n" + kEnd));
}

std::string peer_line(std::uint32_t n) {
  std::string digits = std::to_string(n);
  return "public_key=" + std::string(64 - digits.size(), '0') + digits + "\n";
}

// Feeds records until one is refused; gives how many bytes that took, 0 when all were taken.
std::size_t fed_until_refused(const AnswerLimits& limits, const std::string& each_record) {
  GetAnswerParser parser(limits);
  std::size_t fed = 0;
  for (std::uint32_t n = 0; n < 2000; ++n) {
    const std::string chunk = peer_line(n) + each_record;
    fed += chunk.size();
    auto complete = parser.feed(chunk);
    if (complete) continue;
    EXPECT_EQ(complete.error().code, Errc::corrupt);
    return fed;
  }
  return 0;
}

TEST(GetAnswerParser, RefusesAnEndlessAnswer) {
  const std::size_t record = peer_line(0).size();
  EXPECT_EQ(fed_until_refused({}, ""), 0U);
  EXPECT_EQ(fed_until_refused({.bytes = 100 * record}, ""), 101 * record);
  EXPECT_EQ(fed_until_refused({.peers = 1000}, ""), 1001 * record);
  const std::string two = "allowed_ip=10.0.0.0/8\nallowed_ip=10.0.0.0/8\n";
  EXPECT_EQ(fed_until_refused({.allowed_ips = 1000}, two), 501 * (record + two.size()));
}

TEST(GetAnswerParser, ErrorsShowNoSecret) {
  const std::string secret(63, 'e');
  for (const std::string& text :
       {"private_key=" + secret + "Z\n", secret + "\n", kPeer + "preshared_key=" + secret + "\n", secret + secret + "=1\n"}) {
    auto device = parse(text + kEnd);
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().message.find("eeee"), std::string::npos) << device.error().message;
  }
}

TEST(GetAnswerParser, WhatFollowsTheEndIsRefusedAlikeWhereverItIsCut) {
  for (const std::string& text : {kPeer + kEnd + "x", kPeer + "errno=-22\n\nx"}) {
    const auto whole = parse(text);
    const auto by_byte = parse(text, 1);
    ASSERT_FALSE(whole);
    ASSERT_FALSE(by_byte);
    EXPECT_EQ(whole.error().message, by_byte.error().message);
  }
}

TEST(SetAnswerParser, ReadsExactlyOneErrno) {
  const auto feed = [](std::string_view text) {
    SetAnswerParser parser;
    return parser.feed(text);
  };
  EXPECT_TRUE(feed("errno=0\n\n").value());
  EXPECT_FALSE(feed("errno=0\n").value());
  EXPECT_EQ(feed("errno=-22\n\nerrno=-71\n\n").error().code, Errc::io);
  for (const char* text : {"\n", "errno=0\n\nx", "errno=0\nerrno=0\n\n", "ok\n\n", "rx_bytes=0\n\n"})
    EXPECT_EQ(feed(text).error().code, Errc::corrupt) << text;
}

}  // namespace
}  // namespace sanad::wg::uapi
