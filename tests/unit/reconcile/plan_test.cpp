#include "gateway/reconcile/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

namespace sanad::reconcile {
namespace {

wg::PublicKey key_of(std::uint8_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[8] = n;
  return wg::PublicKey{bytes};
}
Secret32 secret(std::uint8_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[0] = n;
  return Secret32{bytes};
}
IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

const wg::PublicKey kOwn = key_of(100);
const wg::PublicKey kAlice = key_of(1);
const wg::PublicKey kBob = key_of(2);
const wg::PublicKey kMallory = key_of(66);

class PlanTest : public ::testing::Test {
 protected:
  // Alice and Bob, as desired, on a device that is right.
  PlanTest() {
    desired_.private_key = secret(9);
    desired_.public_key = kOwn;
    desired_.listen_port = 51820;
    want(kAlice, {"10.66.0.2/32", "fd66::2/128"}, 25);
    want(kBob, {"10.66.0.3/32"}, 0);
    snapshot_.complete = true;
    snapshot_.started = Instant{BootTime{1000}, WallTime{1000}};
    snapshot_.device.public_key = kOwn;
    snapshot_.device.listen_port = 51820;
    for (const auto& [key, p] : wanted_) have(p);
  }

  void want(const wg::PublicKey& key, std::vector<std::string_view> ips, std::uint16_t keepalive) {
    DesiredPeer& p = wanted_[key];
    p.public_key = key;
    p.preshared_key = secret(7);
    p.keepalive_s = keepalive;
    for (const auto ip : ips) p.allowed_ips.push_back(prefix(ip));
  }
  void have(const DesiredPeer& p) {
    wg::Peer peer;
    peer.public_key = p.public_key;
    peer.preshared_key = p.preshared_key;
    peer.keepalive_s = p.keepalive_s;
    peer.allowed_ips = p.allowed_ips;
    peer.has_counters = true;
    snapshot_.device.peers.push_back(peer);
  }
  wg::Peer& actual(const wg::PublicKey& key) { return *std::ranges::find(snapshot_.device.peers, key, &wg::Peer::public_key); }
  void lose(const wg::PublicKey& key) {
    std::erase_if(snapshot_.device.peers, [&](const wg::Peer& p) { return p.public_key == key; });
  }
  void leave(const wg::PublicKey& key, std::optional<std::int64_t> quiesced) {
    wanted_.erase(key);
    LeavingPeer& l = desired_.leaving[key];
    l.public_key = key;
    if (quiesced) l.quiesced = BootTime{*quiesced};
  }

  Plan make() {
    desire();
    Planner planner{desired_};
    give_in_parts(planner);
    const Plan parts = planner.finish(expected_);
    Plan whole = plan(desired_, snapshot_, expected_);
    // Parts or not must never matter.
    EXPECT_EQ(keys_of(parts), keys_of(whole));
    EXPECT_EQ(parts.drift.size(), whole.drift.size());
    EXPECT_EQ(parts.gone, whole.gone);
    EXPECT_EQ(parts.remove, whole.remove);
    EXPECT_EQ(parts.quiesce, whole.quiesce);
    return whole;
  }
  // One peer a part, the last part empty.
  void give_in_parts(
      Planner& planner, const std::function<void()>& between = [] {}) const {
    wg::Snapshot part = snapshot_;
    part.last = false;
    for (const wg::Peer& peer : snapshot_.device.peers) {
      part.device.peers = {peer};
      planner.take(part);
      part.first = false;
      between();
    }
    part.device.peers = {};
    part.last = true;
    planner.take(part);
  }
  static std::vector<wg::PublicKey> keys_of(const Plan& p) {
    std::vector<wg::PublicKey> keys;
    for (const auto& c : p.change.peers) keys.push_back(c.public_key);
    return keys;
  }
  void desire() {
    desired_.peers = {};
    for (const auto& [key, peer] : wanted_) desired_.peers.put(peer);
  }

  Desired desired_;
  std::map<wg::PublicKey, DesiredPeer> wanted_;
  wg::Snapshot snapshot_;
  Expected expected_;
};

void expect_one(const Plan& p, DriftKind kind, const wg::PublicKey& peer, std::string_view was, std::string_view should_be) {
  ASSERT_EQ(p.drift.size(), 1U);
  EXPECT_EQ(p.drift[0].kind, kind);
  EXPECT_EQ(p.drift[0].peer, peer);
  EXPECT_EQ(p.drift[0].was, was);
  EXPECT_EQ(p.drift[0].should_be, should_be);
}

TEST_F(PlanTest, WhatIsRightIsNotTouched) {
  std::ranges::reverse(actual(kAlice).allowed_ips);  // the order says nothing
  const Plan p = make();
  EXPECT_TRUE(p.change.empty());
  EXPECT_TRUE(p.drift.empty());
}

TEST_F(PlanTest, OnlyTheWrongPeerIsTouched) {
  actual(kBob).keepalive_s = 5;
  const Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 1U);
  EXPECT_EQ(p.change.peers[0].public_key, kBob);
  EXPECT_TRUE(p.change.peers[0].update_only);
  EXPECT_EQ(p.change.peers[0].keepalive_s, 0);
  EXPECT_FALSE(p.change.peers[0].preshared_key);
  EXPECT_FALSE(p.change.peers[0].replace_allowed_ips);
  expect_one(p, DriftKind::keepalive, kBob, "5 s", "off");
}

TEST_F(PlanTest, AllowedIpsDrift) {
  actual(kBob).allowed_ips = {prefix("10.66.0.9/32")};
  const Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 1U);
  EXPECT_TRUE(p.change.peers[0].replace_allowed_ips);
  EXPECT_EQ(p.change.peers[0].add_allowed_ips, wanted_[kBob].allowed_ips);
  expect_one(p, DriftKind::allowed_ips, kBob, "10.66.0.9/32", "10.66.0.3/32");
}

TEST_F(PlanTest, PresharedKeyDriftNeverShowsAKey) {
  actual(kBob).preshared_key = secret(8);
  Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 1U);
  EXPECT_TRUE(p.change.peers[0].preshared_key == secret(7));
  expect_one(p, DriftKind::preshared_key, kBob, "differs", "ours");
  actual(kBob).preshared_key = {};
  p = make();
  expect_one(p, DriftKind::preshared_key, kBob, "none", "ours");
}

TEST_F(PlanTest, AMissingPeerIsAddedWhole) {
  lose(kBob);
  const Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 1U);
  const wg::PeerChange& c = p.change.peers[0];
  EXPECT_EQ(c.public_key, kBob);
  EXPECT_FALSE(c.update_only);
  EXPECT_TRUE(c.preshared_key == secret(7));
  EXPECT_EQ(c.keepalive_s, 0);
  EXPECT_EQ(c.add_allowed_ips, wanted_[kBob].allowed_ips);
  expect_one(p, DriftKind::peer_missing, kBob, "absent", "10.66.0.3/32");
}

TEST_F(PlanTest, AnUnknownPeerIsRemovedEvenWhenTheSnapshotIsIncomplete) {
  DesiredPeer stranger;
  stranger.public_key = kMallory;
  stranger.allowed_ips = {prefix("0.0.0.0/0")};
  have(stranger);
  for (const bool complete : {true, false}) {
    snapshot_.complete = complete;
    const Plan p = make();
    ASSERT_EQ(p.change.peers.size(), 1U);
    EXPECT_EQ(p.change.peers[0].public_key, kMallory);
    EXPECT_TRUE(p.change.peers[0].remove);
    EXPECT_TRUE(p.remove.empty()) << "that list is for our own leaving peers";
    expect_one(p, DriftKind::peer_unknown, kMallory, "0.0.0.0/0", "absent");
  }
}

TEST_F(PlanTest, AListTooLongForARecordIsToldInPart) {
  wg::Peer stranger;
  stranger.public_key = kMallory;
  stranger.has_counters = true;
  for (std::uint32_t i = 0; i < 65'280; ++i)
    stranger.allowed_ips.push_back(IpPrefix::host(prefix("10.100.0.0/16").address().plus(i)));
  snapshot_.device.peers.push_back(stranger);
  const Plan p = make();
  ASSERT_EQ(p.drift.size(), 1u);
  EXPECT_TRUE(p.drift[0].was.starts_with("10.100.0.0/32, 10.100.0.1/32, ")) << p.drift[0].was.substr(0, 100);
  EXPECT_TRUE(p.drift[0].was.ends_with("10.100.0.31/32 and 65248 more")) << p.drift[0].was.size();
}

TEST_F(PlanTest, DeviceDrift) {
  snapshot_.device.public_key = kMallory;
  Plan p = make();
  ASSERT_TRUE(p.change.private_key);
  EXPECT_TRUE(*p.change.private_key == desired_.private_key);
  expect_one(p, DriftKind::private_key, {}, "differs", "ours");

  snapshot_.device.public_key = kOwn;
  snapshot_.device.listen_port = 4444;
  p = make();
  EXPECT_EQ(p.change.listen_port, 51820);
  EXPECT_FALSE(p.change.private_key);
  expect_one(p, DriftKind::listen_port, {}, "4444", "51820");

  snapshot_.device.listen_port = 51820;
  snapshot_.device.fwmark = 0x10;
  p = make();
  EXPECT_EQ(p.change.fwmark, 0U);
  expect_one(p, DriftKind::fwmark, {}, "0x10", "0x0");
}

TEST_F(PlanTest, APortLeftToTheBackendIsNoDrift) {
  desired_.listen_port = 0;
  EXPECT_TRUE(make().change.empty());
}

TEST_F(PlanTest, OurOwnChangesAreNoDrift) {
  lose(kBob);
  actual(kAlice).keepalive_s = 0;
  snapshot_.device.public_key = {};
  snapshot_.device.listen_port = 1;
  snapshot_.device.fwmark = 1;
  expected_.peers = {kAlice, kBob};
  expected_.device = true;
  const Plan p = make();
  EXPECT_TRUE(p.drift.empty());
  EXPECT_EQ(p.change.peers.size(), 2U);
  EXPECT_TRUE(p.change.private_key);
  EXPECT_TRUE(p.change.listen_port);
  EXPECT_TRUE(p.change.fwmark);
}

TEST_F(PlanTest, AbsenceFromAnIncompleteSnapshotProvesNothing) {
  lose(kBob);
  leave(kMallory, 500);
  snapshot_.complete = false;
  const Plan p = make();
  EXPECT_TRUE(p.change.empty());
  EXPECT_TRUE(p.drift.empty());
  EXPECT_TRUE(p.gone.empty());
}

TEST_F(PlanTest, AListCutShortInAnIncompleteSnapshotProvesNothing) {
  snapshot_.complete = false;
  actual(kAlice).allowed_ips.pop_back();
  EXPECT_TRUE(make().change.empty());
  actual(kAlice).allowed_ips.push_back(prefix("10.66.0.77/32"));  // but this one is certainly there
  const Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 1U);
  EXPECT_EQ(p.change.peers[0].add_allowed_ips, wanted_[kAlice].allowed_ips);
}

TEST_F(PlanTest, AFragmentsMissingFieldsAreNotZero) {
  wg::Peer& fragment = actual(kAlice);
  fragment.has_counters = false;
  fragment.preshared_key = {};
  fragment.keepalive_s = 0;
  EXPECT_TRUE(make().change.empty());
}

TEST_F(PlanTest, RemovalHasTwoPhases) {
  leave(kBob, std::nullopt);
  Plan p = make();
  EXPECT_EQ(p.quiesce, std::vector{kBob});
  ASSERT_EQ(p.change.peers.size(), 1U);
  const wg::PeerChange& first = p.change.peers[0];
  EXPECT_FALSE(first.remove);
  EXPECT_TRUE(first.update_only);
  EXPECT_TRUE(first.replace_allowed_ips);
  EXPECT_TRUE(first.add_allowed_ips.empty());
  ASSERT_TRUE(first.preshared_key);
  EXPECT_FALSE(first.preshared_key->is_zero());
  EXPECT_FALSE(*first.preshared_key == secret(7));
  EXPECT_TRUE(p.drift.empty());

  leave(kBob, 1000);  // quiesced at the moment the snapshot began: the last bytes may not be in it
  actual(kBob).allowed_ips.clear();
  p = make();
  EXPECT_TRUE(p.change.empty());
  EXPECT_TRUE(p.remove.empty());

  leave(kBob, 999);
  p = make();
  EXPECT_EQ(p.remove, std::vector{kBob});
  ASSERT_EQ(p.change.peers.size(), 1U);
  EXPECT_TRUE(p.change.peers[0].remove);
  EXPECT_TRUE(p.drift.empty());
  EXPECT_TRUE(p.gone.empty());

  lose(kBob);
  p = make();
  EXPECT_EQ(p.gone, std::vector{kBob});
  EXPECT_TRUE(p.change.empty());
}

TEST_F(PlanTest, ThePresharedKeyOfTheFirstPhaseDiffersPerPeer) {
  leave(kAlice, std::nullopt);
  leave(kBob, std::nullopt);
  const Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 2U);
  EXPECT_FALSE(*p.change.peers[0].preshared_key == *p.change.peers[1].preshared_key);
}

TEST_F(PlanTest, APeerBothDesiredAndLeavingLeaves) {
  LeavingPeer& l = desired_.leaving[kBob];
  l.public_key = kBob;
  EXPECT_EQ(make().quiesce, std::vector{kBob});
  lose(kBob);
  const Plan p = make();
  EXPECT_TRUE(p.change.empty());
  EXPECT_EQ(p.gone, std::vector{kBob});
}

TEST_F(PlanTest, AMovedAllowedIpGoesBackToItsOwnerAfterTheHolderLostIt) {
  actual(kAlice).allowed_ips.push_back(prefix("10.66.0.3/32"));
  actual(kBob).allowed_ips.clear();
  const Plan p = make();
  EXPECT_EQ(p.drift.size(), 2U);
  const auto& changes = p.change.peers;
  const auto taken = std::ranges::find_if(changes, [](const auto& c) {
    return c.public_key == kAlice && c.replace_allowed_ips &&
           std::ranges::find(c.add_allowed_ips, prefix("10.66.0.3/32")) == c.add_allowed_ips.end();
  });
  const auto given = std::ranges::find_if(changes, [](const auto& c) { return c.public_key == kBob; });
  ASSERT_NE(taken, changes.end());
  ASSERT_NE(given, changes.end());
  EXPECT_LT(taken, given);
  EXPECT_EQ(taken->add_allowed_ips.size(), 2U) << "what is rightly the holder's stays";
}

TEST_F(PlanTest, SwappedAllowedIpsEndUpRight) {
  std::swap(actual(kAlice).allowed_ips, actual(kBob).allowed_ips);
  const Plan p = make();
  // Apply in order, as WireGuard does: an allowed IP given to one peer leaves every other.
  std::unordered_map<wg::PublicKey, std::vector<IpPrefix>> held;
  for (const auto& a : snapshot_.device.peers) held[a.public_key] = a.allowed_ips.to_vector();
  for (const auto& c : p.change.peers) {
    if (c.replace_allowed_ips) held[c.public_key].clear();
    for (const auto& ip : c.add_allowed_ips) {
      for (auto& [key, ips] : held) std::erase(ips, ip);
      held[c.public_key].push_back(ip);
    }
  }
  for (const auto& [key, wanted] : wanted_) EXPECT_EQ(held[key], wanted.allowed_ips);
}

TEST_F(PlanTest, AnAllowedIpHeldByALeavingPeerIsTakenFirst) {
  leave(kBob, 1000);  // waits for its final figures; somebody gave it back its address, which is now Carol's
  const wg::PublicKey carol = key_of(3);
  want(carol, {"10.66.0.3/32"}, 0);
  expected_.peers = {carol};
  const Plan p = make();
  ASSERT_EQ(p.change.peers.size(), 2U);
  EXPECT_EQ(p.change.peers[0].public_key, kBob);
  EXPECT_TRUE(p.change.peers[0].replace_allowed_ips);
  EXPECT_TRUE(p.change.peers[0].add_allowed_ips.empty());
  EXPECT_FALSE(p.change.peers[0].remove);
  EXPECT_EQ(p.change.peers[1].public_key, carol);
}

TEST_F(PlanTest, OurOwnKeyIsNeverAPeer) {
  want(kOwn, {"10.66.0.4/32"}, 0);
  Plan p = make();
  EXPECT_TRUE(p.change.empty()) << "WireGuard ignores its own key without an error: adding it would never end";
  have(wanted_[kOwn]);
  p = make();
  EXPECT_TRUE(p.change.empty());
}

TEST_F(PlanTest, WhatIsDecidedBetweenTwoPartsIsJudgedAtTheEnd) {
  desire();
  actual(kAlice).keepalive_s = 7;  // as we asked for until the first part had been read
  Planner planner{desired_};
  int parts = 0;
  give_in_parts(planner, [&] {
    if (++parts != 1) return;
    DesiredPeer alice = wanted_[kAlice];
    alice.keepalive_s = 7;
    desired_.peers.put(alice);
    // Bob, not read yet, and Alice, already read, both leave now.
    desired_.peers.erase(kBob);
    for (const auto& key : {kBob, kAlice}) desired_.leaving[key].public_key = key;
  });
  EXPECT_TRUE(planner.finish(expected_).gone.empty()) << "a peer that began to leave during the reading may well be there";
  desired_.leaving.clear();
  const Plan p = planner.finish(expected_);
  EXPECT_TRUE(p.drift.size() == 1 && p.drift[0].peer == kBob) << "Bob is nobody's now, Alice is as she should be";
}

TEST_F(PlanTest, ALongAdditionComesInPieces) {
  constexpr std::size_t kCount = kMostAdded + 10;
  snapshot_.device.peers.clear();
  desired_.peers = {};
  for (std::size_t n = 0; n < kCount; ++n) {
    std::array<std::uint8_t, 32> bytes{};
    std::memcpy(bytes.data() + 8, &n, sizeof n);
    bytes[31] = 1;
    DesiredPeer peer;
    peer.public_key = wg::PublicKey{bytes};
    desired_.peers.put(peer, n != 0 && n != kCount - 1);
  }
  const Plan first = plan(desired_, snapshot_, expected_);
  EXPECT_EQ(first.change.peers.size(), kMostAdded);
  EXPECT_EQ(first.drift.size(), 1U) << "all but the first and the last are fresh";
  EXPECT_TRUE(first.more);
  const Addition second = add_more(desired_, expected_);
  EXPECT_EQ(second.change.peers.size(), 10U);
  EXPECT_EQ(second.drift.size(), 1U);
  EXPECT_FALSE(second.more);
  EXPECT_TRUE(add_more(desired_, expected_).change.empty());
}

TEST_F(PlanTest, APeerListedTwiceIsBelievedOnce) {
  have(wanted_[kBob]);
  snapshot_.device.peers.back().keepalive_s = 99;
  EXPECT_TRUE(make().change.empty());
}

TEST(Quiesce, ClearsAddressesAndReplacesTheKeyInOneChange) {
  const wg::PeerChange c = quiesce(kAlice, secret(42));
  EXPECT_EQ(c.public_key, kAlice);
  EXPECT_FALSE(c.remove);
  EXPECT_TRUE(c.update_only);
  EXPECT_TRUE(c.replace_allowed_ips);
  EXPECT_TRUE(c.add_allowed_ips.empty());
  EXPECT_TRUE(*c.preshared_key == secret(42));
}

}  // namespace
}  // namespace sanad::reconcile
