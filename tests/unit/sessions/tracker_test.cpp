// Every row of the table in gateway/sessions/README.md, with the time stepped by hand.

#include "gateway/sessions/tracker.hpp"

#include <gtest/gtest.h>

#include <map>

namespace sanad::sessions {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kEpoch = 1'800'000'000;  // wall seconds when the boot clock is zero

wg::PublicKey key_of(std::uint8_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[8] = n;
  return wg::PublicKey{bytes};
}

Endpoint endpoint(std::string_view text) { return Endpoint::parse(text).value(); }

const wg::PublicKey kAlice = key_of(1);
const wg::PublicKey kBob = key_of(2);

class TrackerTest : public ::testing::Test {
 protected:
  // A world of one device: the test changes peers, then polls.
  struct PeerNow {
    std::int64_t handshake_s = 0;  // wall seconds; 0 = never
    std::int64_t handshake_ns = 0;
    std::uint64_t rx = 0;
    std::uint64_t tx = 0;
    std::optional<Endpoint> endpoint = sanad::sessions::endpoint("192.0.2.1:1000");
    bool has_counters = true;
  };

  [[nodiscard]] Instant instant(std::int64_t boot_s) const {
    return Instant{BootTime{boot_s * kSecond}, WallTime{(kEpoch + boot_s + step_s_) * kSecond}};
  }
  [[nodiscard]] WallTime wall(std::int64_t boot_s) const { return instant(boot_s).wall; }

  wg::Snapshot snapshot(bool complete = true) {
    wg::Snapshot s;
    s.identity = identity_;
    s.started = instant(now_s_);
    s.finished = instant(now_s_);
    s.complete = complete;
    for (const auto& [key, p] : peers_) {
      wg::Peer peer;
      peer.public_key = key;
      peer.endpoint = p.endpoint;
      peer.last_handshake = {p.handshake_s, p.handshake_ns};
      peer.rx_bytes = p.rx;
      peer.tx_bytes = p.tx;
      peer.has_counters = p.has_counters;
      s.device.peers.push_back(peer);
    }
    return s;
  }

  std::vector<Event> poll(std::int64_t boot_s, bool complete = true) {
    now_s_ = boot_s;
    return tracker_.observe(snapshot(complete));
  }

  // The peer shakes hands at `boot_s`, bytes included.
  void handshake(const wg::PublicKey& key, std::int64_t boot_s, std::uint64_t rx = 180, std::uint64_t tx = 92) {
    PeerNow& p = peers_[key];
    p.handshake_s = kEpoch + boot_s + step_s_;
    p.rx += rx;
    p.tx += tx;
  }

  // Watching since 0, Alice known and idle, then connected at 15 and seen at 20 with 180/92 bytes.
  Opened connect_alice() {
    peers_[kAlice];
    poll(0);
    poll(10);
    handshake(kAlice, 15);
    const auto events = poll(20);
    EXPECT_EQ(events.size(), 1U);
    return std::get<Opened>(events.at(0));
  }

  static Tracker make_tracker(std::uint8_t& next) {
    return Tracker{TrackerSettings{}, [&next] { return SessionId{++next}; }};
  }

  void start_fresh_device() {
    RestoredState state;
    state.created = instant(-1);
    tracker_.restore(state);
  }

  std::uint8_t next_id_ = 0;
  std::int64_t step_s_ = 0;
  std::int64_t now_s_ = 0;
  wg::DeviceIdentity identity_ = "kernel:1";
  std::map<wg::PublicKey, PeerNow> peers_;
  Tracker tracker_ = make_tracker(next_id_);
};

template <class E>
E only(const std::vector<Event>& events) {
  EXPECT_EQ(events.size(), 1U);
  if (events.size() != 1 || !std::holds_alternative<E>(events[0])) {
    ADD_FAILURE() << "expected exactly one event of the kind asked for, got " << events.size();
    return E{};
  }
  return std::get<E>(events[0]);
}

TEST_F(TrackerTest, IdlePeersSayNothing) {
  peers_[kAlice];
  for (std::int64_t t = 0; t <= 100; t += 10) EXPECT_TRUE(poll(t).empty());
  EXPECT_EQ(tracker_.peer_count(), 1U);
  EXPECT_EQ(tracker_.open_count(), 0U);
}

TEST_F(TrackerTest, AReadingInPartsIsOneReading) {
  peers_[kAlice];
  peers_[kBob];
  poll(0);
  poll(10);
  handshake(kBob, 15);
  now_s_ = 20;
  wg::Snapshot first = snapshot();
  wg::Snapshot last = first;
  first.last = last.first = false;
  first.device.peers.pop_back();
  last.device.peers.erase(last.device.peers.begin());
  EXPECT_TRUE(tracker_.observe(first).empty()) << "Bob is not missing: he may be in the next part";
  EXPECT_EQ(only<Opened>(tracker_.observe(last)).peer, kBob);
  EXPECT_TRUE(poll(30).empty());
}

TEST_F(TrackerTest, AReadingThatBreaksOffProvesNothingOfThoseItLacked) {
  peers_[kAlice];
  poll(0);
  handshake(kAlice, 5);
  poll(10);
  now_s_ = 20;
  wg::Snapshot part = snapshot();
  part.device.peers.clear();
  part.last = false;
  EXPECT_TRUE(tracker_.observe(part).empty());
  EXPECT_TRUE(poll(30).empty());
  EXPECT_EQ(tracker_.open_count(), 1U);
}

TEST_F(TrackerTest, AReadingRepeatedAtOnceMakesNoAttemptOfAHandshakeInFlight) {
  start_fresh_device();
  peers_[kAlice];
  poll(0);
  peers_[kAlice].rx += 148;  // its initiation; the answer is on its way
  EXPECT_TRUE(poll(10, false).empty());
  EXPECT_TRUE(poll(11).empty());
  handshake(kAlice, 12, 32, 92);
  EXPECT_EQ(only<Opened>(poll(20)).base, (Traffic{0, 0}));
}

TEST_F(TrackerTest, AHandshakeOpensFromThePreviousSample) {
  peers_[kAlice];
  poll(0);
  poll(10);
  handshake(kAlice, 15);
  const auto opened = only<Opened>(poll(20));
  EXPECT_EQ(opened.peer, kAlice);
  EXPECT_EQ(opened.session, SessionId{1});
  EXPECT_EQ(opened.start, wall(15));
  EXPECT_EQ(opened.bounds, (Bounds{wall(10), wall(20)}));
  EXPECT_EQ(opened.base, (Traffic{0, 0}));
  EXPECT_EQ(opened.handshake, (wg::HandshakeTime{kEpoch + 15, 0}));
  EXPECT_EQ(opened.endpoint, endpoint("192.0.2.1:1000"));
  const auto live = tracker_.live(kAlice);
  ASSERT_TRUE(live);
  EXPECT_EQ(live->traffic, (Traffic{180, 92}));
}

TEST_F(TrackerTest, StartIsClampedBetweenTheSamples) {
  peers_[kAlice];
  poll(0);
  poll(10);
  handshake(kAlice, 500);  // stamped in the future
  EXPECT_EQ(only<Opened>(poll(20)).start, wall(20));
  peers_[kBob];
  poll(30);
  handshake(kBob, 5);  // stamped before the sample that did not have it
  EXPECT_EQ(only<Opened>(poll(40)).start, wall(30));
}

TEST_F(TrackerTest, AStampThatWentBackwardIsStillANewHandshake) {
  connect_alice();
  for (std::int64_t t = 30; t <= 300; t += 10) poll(t);
  ASSERT_EQ(tracker_.open_count(), 0U);
  step_s_ = -86'400;
  handshake(kAlice, 305);
  const auto opened = only<Opened>(poll(310));
  EXPECT_EQ(opened.start, wall(305));
}

TEST_F(TrackerTest, RekeysContinueTheSession) {
  const auto opened = connect_alice();
  for (std::int64_t t = 30; t <= 1000; t += 10) {
    if (t % 120 == 0) handshake(kAlice, t - 1);
    EXPECT_TRUE(poll(t).empty()) << t;
  }
  EXPECT_EQ(tracker_.live(kAlice)->session, opened.session);
  EXPECT_EQ(tracker_.baseline(kAlice)->open->handshakes, 9U);
}

TEST_F(TrackerTest, WhatTheGatewaySendsIsNoSignOfThePeersLife) {
  connect_alice();
  peers_[kAlice].rx += 500;
  EXPECT_TRUE(poll(30).empty());
  for (std::int64_t t = 40; t <= 200; t += 10) {
    if (t <= 120) peers_[kAlice].tx += 148;  // the gateway calls a peer that has gone
    EXPECT_TRUE(poll(t).empty());
  }
  const auto closed = only<Closed>(poll(220));
  EXPECT_EQ(closed.reason, CloseReason::expired);
  EXPECT_EQ(closed.end, wall(30));
  EXPECT_EQ(closed.bounds, (Bounds{wall(20), wall(30)}));
  EXPECT_EQ(closed.traffic, (Traffic{180 + 500, 92 + 9 * 148}));
}

TEST_F(TrackerTest, AHandshakeJustBelowTheLimitContinuesAndAtTheLimitSupersedes) {
  connect_alice();  // handshake at 15
  for (std::int64_t t = 30; t <= 190; t += 10) poll(t);
  handshake(kAlice, 194);
  EXPECT_TRUE(poll(200).empty());
  peers_[kAlice].rx += 1000;
  for (std::int64_t t = 210; t <= 370; t += 10) EXPECT_TRUE(poll(t).empty());
  handshake(kAlice, 374, 200, 100);
  const auto events = poll(380);
  ASSERT_EQ(events.size(), 2U);
  const auto closed = std::get<Closed>(events[0]);
  EXPECT_EQ(closed.reason, CloseReason::superseded);
  EXPECT_EQ(closed.traffic, (Traffic{180 + 180 + 1000, 184}));
  EXPECT_EQ(closed.uncertain, (Traffic{200, 100}));
  EXPECT_EQ(closed.end, wall(210));  // the last sample in which bytes moved
  EXPECT_EQ(closed.bounds, (Bounds{wall(200), wall(374)}));
  EXPECT_TRUE(closed.end_inferred);
  EXPECT_EQ(closed.handshakes, 2U);
  const auto opened = std::get<Opened>(events[1]);
  EXPECT_EQ(opened.base, (Traffic{1360, 184}));
  EXPECT_EQ(opened.start, wall(374));
  EXPECT_NE(opened.session, closed.session);
  EXPECT_EQ(tracker_.live(kAlice)->traffic, (Traffic{200, 100}));
}

TEST_F(TrackerTest, RoamingKeepsTheSession) {
  const auto opened = connect_alice();
  peers_[kAlice].endpoint = endpoint("[2001:db8::7]:2000");
  const auto roamed = only<Roamed>(poll(30));
  EXPECT_EQ(roamed.session, opened.session);
  EXPECT_EQ(roamed.from, endpoint("192.0.2.1:1000"));
  EXPECT_EQ(roamed.to, endpoint("[2001:db8::7]:2000"));
  EXPECT_EQ(roamed.bounds, (Bounds{wall(20), wall(30)}));
  EXPECT_TRUE(poll(40).empty());
  EXPECT_EQ(tracker_.live(kAlice)->endpoint, endpoint("[2001:db8::7]:2000"));
}

TEST_F(TrackerTest, ExpiresAfterTimeoutPlusPollPlusRetry) {
  connect_alice();  // handshake at 15
  peers_[kAlice].rx += 50;
  peers_[kAlice].tx += 60;
  for (std::int64_t t = 30; t < 210; t += 10) EXPECT_TRUE(poll(t).empty()) << t;
  const auto closed = only<Closed>(poll(210));  // 15 + 180 + 10 + 5
  EXPECT_EQ(closed.reason, CloseReason::expired);
  EXPECT_EQ(closed.end, wall(30));
  EXPECT_EQ(closed.bounds, (Bounds{wall(20), wall(30)}));
  EXPECT_EQ(closed.traffic, (Traffic{230, 152}));
  EXPECT_EQ(closed.figures_as_of, wall(210));
  EXPECT_TRUE(closed.end_inferred);
  EXPECT_FALSE(closed.figures_from_checkpoint);
  EXPECT_EQ(tracker_.open_count(), 0U);
}

TEST_F(TrackerTest, TheEndIsNeverLaterThanTheKey) {
  connect_alice();  // handshake at 15: the key dies at 195
  for (std::int64_t t = 30; t < 210; t += 10) {
    peers_[kAlice].rx += 148;
    poll(t);
  }
  peers_[kAlice].rx += 148;
  const auto closed = only<Closed>(poll(210));
  EXPECT_EQ(closed.end, wall(195));
  EXPECT_EQ(closed.traffic.rx, 180U + 19 * 148);
}

TEST_F(TrackerTest, AnIncompleteSnapshotDoesNotExpireWhatItDoesNotShow) {
  connect_alice();
  const auto saved = peers_;
  peers_.clear();
  for (std::int64_t t = 30; t <= 400; t += 10) EXPECT_TRUE(poll(t, false).empty()) << t;
  peers_ = saved;
  const auto closed = only<Closed>(poll(410));
  EXPECT_EQ(closed.reason, CloseReason::expired);
  EXPECT_EQ(closed.end, wall(20));
}

TEST_F(TrackerTest, FailedHandshakesAreAttemptsOnceAnInterval) {
  peers_[kAlice];
  poll(0);
  peers_[kAlice].rx += 2 * 148;
  peers_[kAlice].tx += 2 * 92;
  const auto first = only<Attempted>(poll(10));
  EXPECT_EQ(first.count_at_least, 1U) << "the last may be in flight";
  EXPECT_EQ(first.traffic, (Traffic{296, 184}));
  EXPECT_EQ(first.bounds, (Bounds{wall(0), wall(10)}));
  for (std::int64_t t = 20; t < 310; t += 10) {
    peers_[kAlice].rx += 148;
    EXPECT_TRUE(poll(t).empty()) << t;
  }
  const auto second = only<Attempted>(poll(310));
  EXPECT_EQ(second.count_at_least, 29U);
  EXPECT_EQ(second.traffic, (Traffic{29 * 148, 0}));
  EXPECT_EQ(tracker_.open_count(), 0U);
}

TEST_F(TrackerTest, OneInitiationWaitsASampleBecauseItMayBeInFlight) {
  peers_[kAlice];
  poll(0);
  peers_[kAlice].rx += 148;
  peers_[kAlice].tx += 92;
  EXPECT_TRUE(poll(10).empty());
  handshake(kAlice, 10, 32, 0);
  const auto opened = only<Opened>(poll(20));
  EXPECT_EQ(opened.base, (Traffic{0, 0})) << "the initiation belongs to the session it began";
}

TEST_F(TrackerTest, OneInitiationThatLedNowhereIsToldASampleLater) {
  peers_[kAlice];
  poll(0);
  peers_[kAlice].rx += 148;
  peers_[kAlice].tx += 92;
  EXPECT_TRUE(poll(10).empty());
  const auto attempted = only<Attempted>(poll(20));
  EXPECT_EQ(attempted.count_at_least, 1U);
  EXPECT_EQ(attempted.traffic, (Traffic{148, 92}));
}

TEST_F(TrackerTest, HeldBackAttemptsAreToldBeforeTheSessionOpens) {
  peers_[kAlice];
  poll(0);
  peers_[kAlice].rx += 296;
  poll(10);
  peers_[kAlice].rx += 296;
  EXPECT_TRUE(poll(20).empty());
  handshake(kAlice, 25);
  const auto events = poll(30);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<Attempted>(events[0]).traffic, (Traffic{296, 0}));
  EXPECT_EQ(std::get<Opened>(events[1]).base, (Traffic{592, 0}));
}

TEST_F(TrackerTest, TheGatewaysOwnCallsAreNoAttemptsAndGoToTheSessionTheyLedTo) {
  peers_[kAlice];
  poll(0);
  for (std::int64_t t = 10; t <= 100; t += 10) {
    peers_[kAlice].tx += 148;
    EXPECT_TRUE(poll(t).empty());
  }
  handshake(kAlice, 105);
  EXPECT_EQ(only<Opened>(poll(110)).base, (Traffic{0, 0}));
}

TEST_F(TrackerTest, CountersThatFellMeanANewIncarnation) {
  const auto opened = connect_alice();
  peers_[kAlice] = {};
  peers_[kAlice].handshake_s = kEpoch + 25;
  peers_[kAlice].rx = 100;
  peers_[kAlice].tx = 90;
  const auto events = poll(30);
  ASSERT_EQ(events.size(), 2U);
  const auto closed = std::get<Closed>(events[0]);
  EXPECT_EQ(closed.session, opened.session);
  EXPECT_EQ(closed.reason, CloseReason::counters_reset);
  EXPECT_EQ(closed.traffic, (Traffic{180, 92}));
  EXPECT_EQ(closed.figures_as_of, wall(20));
  EXPECT_EQ(closed.bounds.not_after, wall(30));
  const auto again = std::get<Opened>(events[1]);
  EXPECT_EQ(again.incarnation, 1U);
  EXPECT_EQ(again.base, (Traffic{0, 0}));
  EXPECT_EQ(again.start, wall(25));
  EXPECT_EQ(tracker_.live(kAlice)->traffic, (Traffic{100, 90}));
}

TEST_F(TrackerTest, AHandshakeThatWentToZeroMeansANewIncarnation) {
  connect_alice();
  peers_[kAlice].handshake_s = 0;
  const auto events = poll(30);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<Closed>(events[0]).reason, CloseReason::counters_reset);
  EXPECT_EQ(std::get<Attempted>(events[1]).traffic, (Traffic{180, 92})) << "all the new object counts is new";
  handshake(kAlice, 35);
  const auto opened = only<Opened>(poll(40));
  EXPECT_EQ(opened.incarnation, 1U);
  EXPECT_EQ(opened.base, (Traffic{180, 92}));
}

TEST_F(TrackerTest, AbsenceFromACompleteSnapshotIsARemoval) {
  connect_alice();
  peers_.clear();
  const auto closed = only<Closed>(poll(30));
  EXPECT_EQ(closed.reason, CloseReason::removed_externally);
  EXPECT_EQ(closed.traffic, (Traffic{180, 92}));
  // Restored by the reconciler: a new object, a new incarnation, everything in it is new.
  peers_[kAlice] = {};
  handshake(kAlice, 33, 180, 92);
  const auto opened = only<Opened>(poll(40));
  EXPECT_EQ(opened.incarnation, 1U);
  EXPECT_EQ(opened.base, (Traffic{0, 0}));
  EXPECT_EQ(opened.bounds.not_before, wall(30));
}

TEST_F(TrackerTest, APeerThatStaysAwayIsForgotten) {
  connect_alice();
  (void)tracker_.take_dirty();
  peers_.clear();
  poll(30);
  EXPECT_TRUE(poll(40).empty());
  EXPECT_EQ(tracker_.peer_count(), 0U);
  EXPECT_EQ(tracker_.take_dirty().forgotten, std::vector{kAlice});
}

TEST_F(TrackerTest, AbsenceFromAnIncompleteSnapshotIsNothing) {
  const auto opened = connect_alice();
  const auto saved = peers_;
  peers_.clear();
  EXPECT_TRUE(poll(30, false).empty());
  peers_ = saved;
  peers_[kAlice].rx += 10;
  EXPECT_TRUE(poll(40).empty());
  EXPECT_EQ(tracker_.live(kAlice)->session, opened.session);
}

TEST_F(TrackerTest, ARecordWithoutCountersIsNotZero) {
  connect_alice();
  const PeerNow saved = peers_[kAlice];
  peers_[kAlice] = {};
  peers_[kAlice].has_counters = false;
  EXPECT_TRUE(poll(30).empty());
  peers_[kAlice] = saved;
  EXPECT_TRUE(poll(40).empty());
}

TEST_F(TrackerTest, AKeyListedTwiceIsReadOnce) {
  connect_alice();
  now_s_ = 30;
  auto s = snapshot();
  s.device.peers.push_back(s.device.peers[0]);
  s.device.peers[1].rx_bytes = 1;
  EXPECT_TRUE(tracker_.observe(s).empty());
}

TEST_F(TrackerTest, LinkDownClosesAtThatMoment) {
  connect_alice();
  const auto events = tracker_.link_down(instant(27));
  const auto closed = only<Closed>(events);
  EXPECT_EQ(closed.reason, CloseReason::link_down);
  EXPECT_EQ(closed.end, wall(27));
  EXPECT_FALSE(closed.end_inferred);
  // What moved between the last sample and the link's end is no attempt; the next session carries it.
  peers_[kAlice].rx += 500;
  EXPECT_TRUE(poll(30).empty());
  EXPECT_TRUE(poll(40).empty());
  handshake(kAlice, 45);
  const auto opened = only<Opened>(poll(50));
  EXPECT_EQ(opened.base, (Traffic{180, 92}));
  EXPECT_EQ(opened.incarnation, 0U);
}

TEST_F(TrackerTest, ARenewalUnreadAtLinkDownDoesNotOpenAgain) {
  connect_alice();
  tracker_.link_down(instant(27));
  handshake(kAlice, 24);
  EXPECT_TRUE(poll(30).empty());
  handshake(kAlice, 45);
  EXPECT_EQ(only<Opened>(poll(50)).base, (Traffic{180, 92}));
}

TEST_F(TrackerTest, ASessionUnreadAtLinkDownIsOpenedAndClosedThere) {
  connect_alice();
  peers_[kBob];
  poll(30);
  tracker_.link_down(instant(37));
  handshake(kBob, 35);
  const auto events = poll(40);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<Opened>(events[0]).peer, kBob);
  const auto closed = std::get<Closed>(events[1]);
  EXPECT_EQ(closed.reason, CloseReason::link_down);
  EXPECT_EQ(closed.end, wall(37));
  EXPECT_EQ(closed.traffic, (Traffic{180, 92}));
}

TEST_F(TrackerTest, AnotherDeviceClosesEverythingAndStartsFromZero) {
  connect_alice();
  identity_ = "kernel:2";
  peers_[kAlice] = {};
  handshake(kAlice, 28, 300, 200);  // more than before: only the identity tells
  const auto events = poll(30);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<Closed>(events[0]).reason, CloseReason::device);
  EXPECT_EQ(std::get<Closed>(events[0]).traffic, (Traffic{180, 92}));
  EXPECT_EQ(std::get<Opened>(events[1]).base, (Traffic{0, 0}));
  EXPECT_EQ(std::get<Opened>(events[1]).incarnation, 1U);
}

TEST_F(TrackerTest, ALostDeviceIsAGapUntilTheNextSnapshot) {
  connect_alice();
  EXPECT_EQ(only<Closed>(tracker_.device_lost(instant(25))).reason, CloseReason::device);
  identity_ = "userspace:2";
  peers_[kAlice] = {};
  const auto gap = only<Gap>(poll(60));
  EXPECT_EQ(gap.cause, GapCause::backend_down);
  EXPECT_EQ(gap.from, wall(25));
  EXPECT_EQ(gap.to, wall(60));
}

TEST_F(TrackerTest, ALateSnapshotIsAGapAndLosesNothing) {
  const auto opened = connect_alice();
  EXPECT_TRUE(poll(40).empty()) << "two polls are not late";
  peers_[kAlice].rx += 7;
  const auto gap = only<Gap>(poll(61));
  EXPECT_EQ(gap.cause, GapCause::late_poll);
  EXPECT_EQ(gap.from, wall(40));
  EXPECT_EQ(gap.to, wall(61));
  EXPECT_EQ(tracker_.live(kAlice)->session, opened.session);
}

TEST_F(TrackerTest, ASessionThatBeganAndEndedInAGapIsOpenedAndClosed) {
  peers_[kAlice];
  poll(0);
  handshake(kAlice, 100);
  const auto events = poll(1000);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<Gap>(events[0]));
  EXPECT_EQ(std::get<Opened>(events[1]).start, wall(100));
  const auto closed = std::get<Closed>(events[2]);
  EXPECT_EQ(closed.reason, CloseReason::expired);
  EXPECT_EQ(closed.end, wall(280));
  EXPECT_EQ(closed.bounds, (Bounds{wall(100), wall(280)}));
}

TEST_F(TrackerTest, AClockStepOpensAndClosesNothing) {
  const auto opened = connect_alice();
  for (const std::int64_t step : {86'400, 0, -86'400}) {
    step_s_ = step;
    now_s_ += 10;
    EXPECT_TRUE(poll(now_s_).empty());
    handshake(kAlice, now_s_ + 5);
    EXPECT_TRUE(poll(now_s_ + 10).empty());
  }
  EXPECT_EQ(tracker_.live(kAlice)->session, opened.session);
}

TEST_F(TrackerTest, OurRemovalTakesTheFiguresAfterTheQuiescing) {
  const auto opened = connect_alice();
  tracker_.expect_removal(kAlice, CloseReason::revoked, BootTime{30 * kSecond});
  tracker_.expect_removal(kAlice, CloseReason::disabled, BootTime{31 * kSecond});
  peers_[kAlice].rx += 5;
  EXPECT_TRUE(poll(30).empty()) << "this snapshot may be older than the quiescing";
  peers_[kAlice].rx += 6;
  const auto closed = only<Closed>(poll(40));
  EXPECT_EQ(closed.session, opened.session);
  EXPECT_EQ(closed.reason, CloseReason::revoked);
  EXPECT_EQ(closed.end, wall(30));
  EXPECT_FALSE(closed.end_inferred);
  EXPECT_EQ(closed.traffic, (Traffic{191, 92}));
  peers_.clear();
  EXPECT_TRUE(poll(50).empty());
  EXPECT_EQ(tracker_.peer_count(), 0U);
  EXPECT_EQ(tracker_.take_dirty().forgotten, std::vector{kAlice});
}

TEST_F(TrackerTest, AQuiescedPeerThatSomeoneRemovedKeepsOurReason) {
  connect_alice();
  tracker_.expect_removal(kAlice, CloseReason::suspended, BootTime{25 * kSecond});
  peers_.clear();
  const auto closed = only<Closed>(poll(30));
  EXPECT_EQ(closed.reason, CloseReason::suspended);
  EXPECT_EQ(closed.traffic, (Traffic{180, 92}));
  EXPECT_EQ(tracker_.peer_count(), 0U);
}

TEST_F(TrackerTest, ACancelledRemovalGoesOnAsIfNothingWas) {
  const auto opened = connect_alice();
  tracker_.expect_removal(kAlice, CloseReason::disabled, BootTime{30 * kSecond});
  tracker_.cancel_removal(kAlice);
  EXPECT_TRUE(poll(40).empty());
  EXPECT_EQ(tracker_.live(kAlice)->session, opened.session);
}

TEST_F(TrackerTest, AfterALateCancelOldKeysAreNoAttempts) {
  connect_alice();
  tracker_.expect_removal(kAlice, CloseReason::disabled, BootTime{25 * kSecond});
  poll(30);
  tracker_.cancel_removal(kAlice);
  peers_[kAlice].rx += 5000;
  EXPECT_TRUE(poll(40).empty());
  EXPECT_TRUE(poll(50).empty());
  handshake(kAlice, 55);
  EXPECT_EQ(only<Opened>(poll(60)).base, (Traffic{180, 92}));
}

TEST_F(TrackerTest, ATornReadingIsNoSecondHandshake) {
  peers_[kAlice];
  poll(0);
  handshake(kAlice, 5);
  peers_[kAlice].handshake_ns = 900'000'000;
  EXPECT_EQ(only<Opened>(poll(10)).session, SessionId{1});
  peers_[kAlice].handshake_ns = 100'000'000;
  EXPECT_TRUE(poll(20).empty());
  EXPECT_EQ(tracker_.baseline(kAlice)->open->handshakes, 1U);
  EXPECT_EQ(tracker_.baseline(kAlice)->open->last_handshake, (BootTime{5 * kSecond + 100'000'000}));
}

TEST_F(TrackerTest, AnAdoptedDevicesPastIsNotOurs) {
  handshake(kAlice, 900, 5000, 6000);
  handshake(kBob, 10, 70, 80);
  const auto opened = only<Opened>(poll(1000));
  EXPECT_EQ(opened.peer, kAlice);
  EXPECT_EQ(opened.start, wall(900));
  EXPECT_EQ(opened.base, (Traffic{5000, 6000}));
  EXPECT_EQ(opened.bounds, (Bounds{WallTime{}, wall(900)}));
  EXPECT_TRUE(poll(1010).empty());
}

TEST_F(TrackerTest, ADeviceWeMadeBeganAtZero) {
  start_fresh_device();
  handshake(kAlice, 5);
  const auto opened = only<Opened>(poll(10));
  EXPECT_EQ(opened.base, (Traffic{0, 0}));
  EXPECT_EQ(opened.bounds, (Bounds{wall(-1), wall(10)}));
}

TEST_F(TrackerTest, APeerAddedLaterBeganAtZero) {
  poll(0);
  handshake(kAlice, 5);
  const auto opened = only<Opened>(poll(10));
  EXPECT_EQ(opened.base, (Traffic{0, 0}));
  EXPECT_EQ(opened.bounds, (Bounds{wall(0), wall(10)}));
}

// ---- Glances: because of a hint, between two polls ----

TEST_F(TrackerTest, AGlanceSeesASessionBegin) {
  peers_[kAlice];
  poll(0);
  poll(10);
  EXPECT_TRUE(tracker_.begins(kAlice, instant(12).boot));
  handshake(kAlice, 12);
  now_s_ = 13;
  const auto opened = only<Opened>(tracker_.glance(snapshot()));
  EXPECT_EQ(opened.start, wall(12));
  EXPECT_EQ(opened.bounds, (Bounds{wall(10), wall(13)}));
  EXPECT_EQ(opened.base, Traffic{});
  EXPECT_FALSE(tracker_.begins(kAlice, instant(12 + 179).boot));
  EXPECT_TRUE(tracker_.begins(kAlice, instant(12 + 180).boot)) << "its key is dead: the next handshake is another session";
  EXPECT_TRUE(tracker_.glance(snapshot()).empty()) << "told once";
  EXPECT_TRUE(poll(20).empty());
}

TEST_F(TrackerTest, AGlanceIsNoSampleOfAnybodyElse) {
  peers_[kAlice];
  peers_[kBob];
  poll(0);
  poll(10);
  // An initiation of Bob's is in flight: alone in the latest sample it may become a handshake, and is not told.
  peers_[kBob].rx += 148;
  poll(20);
  handshake(kAlice, 21);
  now_s_ = 22;
  EXPECT_EQ(only<Opened>(tracker_.glance(snapshot())).peer, kAlice);
  handshake(kBob, 23, 32, 92);
  EXPECT_EQ(only<Opened>(poll(30)).base, Traffic{}) << "the initiation is the session's";
}

TEST_F(TrackerTest, AGlanceConcludesNothingFromAbsenceAndEndsNoGap) {
  connect_alice();
  peers_.erase(kAlice);
  now_s_ = 39;
  EXPECT_TRUE(tracker_.glance(snapshot()).empty());
  EXPECT_EQ(tracker_.open_count(), 1U);
  EXPECT_EQ(only<Gap>(poll(60, false)).cause, GapCause::late_poll);
}

TEST_F(TrackerTest, AGlanceWaitsForAPollOfTheSameDevice) {
  peers_[kAlice];
  handshake(kAlice, 1);
  now_s_ = 2;
  EXPECT_TRUE(tracker_.glance(snapshot()).empty()) << "nothing has been read yet";
  poll(10);
  identity_ = "kernel:2";
  handshake(kAlice, 12);
  now_s_ = 13;
  EXPECT_TRUE(tracker_.glance(snapshot()).empty()) << "another device";
}

class RestartTest : public TrackerTest {
 protected:
  void restart(bool same_device) {
    RestoredState state;
    state.same_device = same_device;
    state.last_snapshot = instant(now_s_);
    for (const auto& [key, peer] : peers_) {
      if (auto b = tracker_.baseline(key)) state.baselines.push_back(*b);
    }
    tracker_ = make_tracker(next_id_);
    tracker_.restore(std::move(state));
  }
};

TEST_F(RestartTest, TheSessionContinuesUnderItsId) {
  const auto opened = connect_alice();
  restart(true);
  peers_[kAlice].rx += 1000;
  handshake(kAlice, 130);
  const auto gap = only<Gap>(poll(140));
  EXPECT_EQ(gap.cause, GapCause::restart);
  EXPECT_EQ(gap.from, wall(20));
  EXPECT_EQ(tracker_.live(kAlice)->session, opened.session);
  EXPECT_EQ(tracker_.live(kAlice)->traffic, (Traffic{180 + 1000 + 180, 184}));
  EXPECT_EQ(tracker_.baseline(kAlice)->open->handshakes, 2U);
}

TEST_F(RestartTest, AChainBrokenWhileWeWereAwayClosesWithHonestBounds) {
  connect_alice();
  restart(true);
  handshake(kAlice, 400);
  const auto events = poll(405);
  ASSERT_EQ(events.size(), 3U);
  const auto closed = std::get<Closed>(events[1]);
  EXPECT_EQ(closed.reason, CloseReason::superseded);
  EXPECT_EQ(closed.bounds.not_after, wall(195));
  EXPECT_EQ(std::get<Opened>(events[2]).start, wall(400));
}

TEST_F(RestartTest, AnotherDeviceClosesFromTheCheckpoint) {
  connect_alice();
  restart(false);
  identity_ = "kernel:9";
  peers_[kAlice] = {};
  const auto events = poll(140);
  ASSERT_EQ(events.size(), 2U);
  const auto closed = std::get<Closed>(events[1]);
  EXPECT_EQ(closed.reason, CloseReason::device);
  EXPECT_TRUE(closed.figures_from_checkpoint);
  EXPECT_EQ(closed.figures_as_of, wall(20));
  EXPECT_EQ(closed.traffic, (Traffic{180, 92}));
  EXPECT_EQ(closed.end, wall(20));
}

TEST_F(RestartTest, AResetWhileWeWereAwayClosesFromTheCheckpoint) {
  connect_alice();
  restart(true);
  peers_[kAlice] = {};
  const auto events = poll(40);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<Closed>(events[1]).reason, CloseReason::counters_reset);
  EXPECT_TRUE(std::get<Closed>(events[1]).figures_from_checkpoint);
}

TEST_F(RestartTest, HeldBackBytesSurvive) {
  peers_[kAlice];
  poll(0);
  peers_[kAlice].rx += 296;
  poll(10);
  peers_[kAlice].rx += 444;
  EXPECT_TRUE(poll(20).empty());
  restart(true);
  const auto events = poll(30);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<Attempted>(events[1]).traffic, (Traffic{444, 0}));
}

TEST_F(RestartTest, DirtyRowsAreGivenOnce) {
  connect_alice();
  peers_[kBob];
  poll(30);
  EXPECT_EQ(tracker_.take_dirty().changed.size(), 2U);
  EXPECT_TRUE(tracker_.take_dirty().changed.empty());
  poll(40);
  EXPECT_TRUE(tracker_.take_dirty().changed.empty()) << "nothing moved";
  peers_[kAlice].rx += 1;
  poll(50);
  const auto dirty = tracker_.take_dirty();
  ASSERT_EQ(dirty.changed.size(), 1U);
  EXPECT_EQ(dirty.changed[0].counters, (Traffic{181, 92}));
}

}  // namespace
}  // namespace sanad::sessions
