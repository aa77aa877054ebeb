#include "gateway/wg/userspace/uapi_codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace sanad::wg::uapi {
namespace {

PublicKey key_number(std::uint32_t n) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(n >> (8 * i));
  bytes[31] = 1;
  return PublicKey{bytes};
}

std::vector<std::string> blocks_of(const DeviceChange& change) {
  std::vector<std::string> blocks;
  SetEncoder encoder(change);
  for (auto block = encoder.next(); !block.empty(); block = encoder.next()) blocks.emplace_back(block);
  return blocks;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(SetEncoder, WritesNothingForAnEmptyChange) { EXPECT_TRUE(blocks_of({}).empty()); }

TEST(SetEncoder, WritesDeviceThenPeers) {
  std::array<std::uint8_t, 32> secret{};
  secret.fill(0xab);
  DeviceChange change;
  change.private_key = PrivateKey{secret};
  change.listen_port = std::uint16_t{51820};
  change.fwmark = 0U;
  PeerChange peer;
  peer.public_key = key_number(7);
  peer.preshared_key = PresharedKey{};
  peer.keepalive_s = std::uint16_t{25};
  peer.replace_allowed_ips = true;
  peer.add_allowed_ips = {*IpPrefix::parse("10.66.0.2/32"), *IpPrefix::parse("fd00:66::/64")};
  change.peers.push_back(peer);
  std::string hex_ab;
  for (int i = 0; i < 32; ++i) hex_ab += "ab";
  EXPECT_EQ(blocks_of(change),
            std::vector<std::string>{"set=1\nprivate_key=" + hex_ab +
                                     "\nlisten_port=51820\nfwmark=0\n"
                                     "public_key=0700000000000000000000000000000000000000000000000000000000000001\n"
                                     "preshared_key=" +
                                     std::string(64, '0') +
                                     "\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
                                     "allowed_ip=10.66.0.2/32\nallowed_ip=fd00:66::/64\n\n"});
}

TEST(SetEncoder, LeavesOutWhatIsUnset) {
  DeviceChange change;
  PeerChange peer;
  peer.public_key = key_number(1);
  peer.update_only = true;
  change.peers.push_back(peer);
  EXPECT_EQ(blocks_of(change),
            std::vector<std::string>{"set=1\npublic_key=0100000000000000000000000000000000000000000000000000000000000001\n"
                                     "update_only=true\n\n"});
}

TEST(SetEncoder, RemovesAtMost32PeersABlock) {
  DeviceChange change;
  for (std::uint32_t i = 0; i < 100; ++i) {
    PeerChange peer;
    peer.public_key = key_number(i);
    peer.remove = true;
    peer.add_allowed_ips = {IpPrefix{}};  // ignored
    change.peers.push_back(peer);
  }
  const auto blocks = blocks_of(change);
  ASSERT_EQ(blocks.size(), 4U);
  std::size_t removed = 0;
  for (const auto& block : blocks) {
    EXPECT_LE(count(block, "remove=true\n"), 32U);
    EXPECT_EQ(count(block, "allowed_ip"), 0U);
    removed += count(block, "remove=true\n");
  }
  EXPECT_EQ(removed, 100U);
}

TEST(SetEncoder, SplitsManyPeersAndKeepsTheirOrder) {
  DeviceChange change;
  for (std::uint32_t i = 0; i < 1300; ++i) {
    PeerChange peer;
    peer.public_key = key_number(i);
    change.peers.push_back(peer);
  }
  SetEncoder encoder(change);
  std::size_t expected_first = 0;
  std::size_t blocks = 0;
  for (auto block = encoder.next(); !block.empty(); block = encoder.next()) {
    EXPECT_EQ(encoder.first_peer(), expected_first);
    EXPECT_EQ(count(std::string(block), "public_key="), encoder.end_peer() - encoder.first_peer());
    expected_first = encoder.end_peer();
    ++blocks;
  }
  EXPECT_EQ(expected_first, 1300U);
  EXPECT_EQ(blocks, 3U);
}

TEST(SetEncoder, ContinuesAPeerWithManyAllowedIpsWithoutRecreatingIt) {
  DeviceChange change;
  PeerChange peer;
  peer.public_key = key_number(1);
  peer.replace_allowed_ips = true;
  peer.preshared_key = PresharedKey{};
  const IpAddress base = *IpAddress::parse("10.0.0.0");
  for (std::uint64_t i = 0; i < 65'280; ++i) peer.add_allowed_ips.push_back(IpPrefix::host(base.plus(i)));
  change.peers.push_back(peer);
  PeerChange after;
  after.public_key = key_number(2);
  change.peers.push_back(after);

  std::size_t written = 0;
  const auto blocks = blocks_of(change);
  ASSERT_GT(blocks.size(), 2U);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_LE(blocks[i].size(), kBlockBytes + 1024);
    EXPECT_EQ(count(blocks[i], "replace_allowed_ips=true\n"), i == 0 ? 1U : 0U);
    EXPECT_EQ(count(blocks[i], "update_only=true\n"), i == 0 ? 0U : 1U);
    EXPECT_TRUE(blocks[i].ends_with("\n\n"));
    written += count(blocks[i], "allowed_ip=10.");
  }
  EXPECT_EQ(written, 65'280U);
  EXPECT_EQ(count(blocks.back(), "public_key=02"), 1U);
}

TEST(SetEncoder, NeverReplacesPeers) {
  DeviceChange change;
  change.listen_port = std::uint16_t{1};
  PeerChange peer;
  peer.replace_allowed_ips = true;
  change.peers.push_back(peer);
  for (const auto& block : blocks_of(change)) EXPECT_EQ(block.find("replace_peers"), std::string::npos);
}

TEST(ErrorOfAnswer, ReadsBothSigns) {
  EXPECT_EQ(error_of_answer(-22).code, error_of_answer(22).code);
  EXPECT_EQ(error_of_answer(-19).code, Errc::not_found);
  EXPECT_EQ(error_of_answer(1).code, Errc::permission_denied);
  EXPECT_NE(error_of_answer(-22).message.find("errno=-22"), std::string::npos);
  EXPECT_EQ(error_of_answer(2'000'000'000).code, Errc::io);
}

}  // namespace
}  // namespace sanad::wg::uapi
