#include "gateway/reconcile/desired_peers.hpp"

#include <gtest/gtest.h>

namespace sanad::reconcile {
namespace {

wg::PublicKey key_of(std::uint8_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[8] = n;
  return wg::PublicKey{bytes};
}

DesiredPeer peer_of(std::uint8_t n) {
  DesiredPeer peer;
  peer.public_key = key_of(n);
  return peer;
}

IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

TEST(DesiredPeers, GiveBackWhatWasPut) {
  const std::vector<wg::AllowedIps> lists{{},
                                          {prefix("10.66.0.2/32")},
                                          {prefix("0.0.0.0/0")},
                                          {prefix("fd66::/64")},
                                          {prefix("10.66.0.2/32"), prefix("fd66::2/128")},
                                          {prefix("fd66::2/128"), prefix("10.66.0.2/32")},
                                          {prefix("10.66.0.2/32"), prefix("10.66.0.3/32")},
                                          {prefix("fd66::2/128"), prefix("fd66::3/128")},
                                          {prefix("10.66.0.2/32"), prefix("fd66::2/128"), prefix("10.66.0.4/31")}};
  DesiredPeers peers;
  // Each list replaces another, so that what is left of the one before would show.
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < lists.size(); ++i) {
      std::array<std::uint8_t, 32> secret{};
      secret[3] = static_cast<std::uint8_t>(i);
      peers.put({key_of(static_cast<std::uint8_t>(i)), wg::PresharedKey{secret}, static_cast<std::uint16_t>(65'535 - i),
                 lists[(i + round) % lists.size()]});
    }
    for (std::size_t i = 0; i < lists.size(); ++i) {
      const auto peer = peers.get(key_of(static_cast<std::uint8_t>(i)));
      ASSERT_TRUE(peer);
      EXPECT_EQ(peer->public_key, key_of(static_cast<std::uint8_t>(i)));
      EXPECT_EQ(peer->preshared_key.reveal()[3], i);
      EXPECT_EQ(peer->keepalive_s, 65'535 - i);
      EXPECT_EQ(peer->allowed_ips, lists[(i + round) % lists.size()]);
    }
  }
  EXPECT_FALSE(peers.get(key_of(200)));
  EXPECT_TRUE(peers.erase(key_of(8)));
  EXPECT_FALSE(peers.erase(key_of(8)));
  EXPECT_EQ(peers.size(), lists.size() - 1);
}

TEST(DesiredPeers, KnowWhichAreFresh) {
  DesiredPeers peers;
  peers.put(peer_of(1));
  EXPECT_FALSE(peers.any_fresh());
  peers.put(peer_of(2), true);
  EXPECT_TRUE(peers.fresh(peers.find(key_of(2))));
  EXPECT_FALSE(peers.fresh(peers.find(key_of(1))));
  peers.freshen();
  EXPECT_TRUE(peers.fresh(peers.find(key_of(1))));
  peers.settle([](const wg::PublicKey& key) { return key == key_of(2); });
  EXPECT_FALSE(peers.fresh(peers.find(key_of(1))));
  EXPECT_TRUE(peers.any_fresh());
  peers.settle([](const wg::PublicKey&) { return false; });
  EXPECT_FALSE(peers.any_fresh());
}

}  // namespace
}  // namespace sanad::reconcile
