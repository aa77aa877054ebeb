#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const WallTime kNoon = WallTime::from_ms(1'795'510'800'000);

sessions::SessionId id(std::uint8_t n) {
  sessions::SessionId value{};
  value.fill(n);
  return value;
}

Endpoint endpoint(std::string_view text) { return Endpoint::parse(text).value(); }

SessionRecord session(std::uint8_t n, const PeerRecord& peer, WallTime started) {
  SessionRecord record;
  record.id = id(n);
  record.peer_id = peer.id;
  record.owner_id = peer.owner.id;
  record.interface = "wg0";
  record.inner = peer.allowed_ips;
  record.started = started;
  record.started_bounds = {started - std::chrono::seconds{10}, started};
  record.endpoints = {{endpoint("198.51.100.7:51820"), started, n}};
  record.opened_evidence = n;
  record.base = {1, UINT64_MAX};
  record.incarnation = 3;
  record.boot_id = "boot";
  record.device_identity = "kernel:7";
  return record;
}

SessionEnd end(WallTime at) { return {at, {at - minutes{1}, at}, sessions::CloseReason::expired, true, 99}; }

// The rows of a commit are put in together, which is when SQLite finds one that is there already.
TEST_F(LedgerTest, ASessionIsOpenedOnceWhateverElseIsInTheCommit) {
  PeerRecord peer;
  must([&peer](Transaction& tx) {
    peer = add_peer(tx, 1, {IpPrefix::parse("10.66.0.2/32").value()}).value();
    ASSERT_TRUE(tx.open_session(session(1, peer, kNoon)));
  });
  std::promise<void> gate;
  std::array<std::promise<Result<void>>, 3> answers;
  ledger().submit<void>([&gate](Transaction&) -> Result<void> { return gate.get_future().wait(), Result<void>{}; },
                        [](Result<void>) {});
  const std::array<std::uint8_t, 3> ids{2, 1, 3};
  for (std::size_t i = 0; i < 3; ++i) {
    ledger().submit<void>([&peer, id = ids[i]](Transaction& tx) { return tx.open_session(session(id, peer, kNoon)); },
                          [&answers, i](Result<void> result) { answers[i].set_value(std::move(result)); });
  }
  gate.set_value();
  EXPECT_TRUE(answers[0].get_future().get());
  EXPECT_EQ(answers[1].get_future().get().error().code, Errc::conflict);
  EXPECT_TRUE(answers[2].get_future().get());
  must([](Transaction& tx) { EXPECT_EQ(tx.open_sessions("wg0").size(), 3U); });
}

TEST_F(LedgerTest, AJobMayGoOnWhenItsSessionIsThereAlready) {
  std::optional<Errc> second;
  must([&second](Transaction& tx) {
    const auto peer = add_peer(tx, 1, {IpPrefix::parse("10.66.0.2/32").value()}).value();
    ASSERT_TRUE(tx.open_session(session(1, peer, kNoon)));
    const auto again = tx.open_session(session(1, peer, kNoon));
    if (!again) second = again.error().code;
    tx.set_meta("went", "on");
  });
  EXPECT_EQ(second, Errc::conflict);
  must([](Transaction& tx) {
    EXPECT_EQ(tx.meta("went"), "on");
    EXPECT_EQ(tx.open_sessions("wg0").size(), 1U);
  });
}

TEST_F(LedgerTest, WhatIsUndoneTakesItsNewRowsAlong) {
  must([](Transaction& tx) {
    const auto peer = add_peer(tx, 1, {IpPrefix::parse("10.66.0.2/32").value()}).value();
    ASSERT_TRUE(tx.open_session(session(1, peer, kNoon)));
    EXPECT_FALSE(tx.atomically([&]() -> Result<void> {
      EXPECT_TRUE(tx.open_session(session(2, peer, kNoon)));
      return Error{Errc::conflict, "no"};
    }));
    ASSERT_TRUE(tx.open_session(session(3, peer, kNoon)));
  });
  const auto query = ask<void>(ledger(), [](Transaction& tx) -> Result<void> {
    const auto peer = tx.peers({}, {}, 10).value().peers.at(0);
    return tx.open_session(session(4, peer, kNoon));
  });
  EXPECT_EQ(query.error().code, Errc::internal);
  must([](Transaction& tx) {
    EXPECT_TRUE(tx.find_session(id(1)));
    EXPECT_FALSE(tx.find_session(id(2)));
    EXPECT_TRUE(tx.find_session(id(3)));
    EXPECT_FALSE(tx.find_session(id(4)));
  });
}

TEST_F(LedgerTest, ASessionComesBackAsItWasLived) {
  must([](Transaction& tx) {
    const auto peer = add_peer(tx, 1, {IpPrefix::parse("10.66.0.2/32").value()}).value();
    ASSERT_TRUE(tx.open_session(session(1, peer, kNoon)));
    ASSERT_TRUE(tx.move_session(id(1), {endpoint("[2001:db8::1]:4000"), kNoon + minutes{1}, 5}));
    ASSERT_TRUE(tx.checkpoint_session(id(1), {{10, 20}, {}, 2, 1, kNoon + minutes{2}, false}));
    auto read = tx.find_session(id(1)).value();
    EXPECT_EQ(read.peer_id, peer.id);
    EXPECT_EQ(read.owner_id, peer.owner.id);
    EXPECT_EQ(read.inner, peer.allowed_ips);
    EXPECT_EQ(read.started, kNoon);
    EXPECT_EQ(read.started_bounds, (sessions::Bounds{kNoon - std::chrono::seconds{10}, kNoon}));
    EXPECT_EQ(read.endpoints, (std::vector<SessionEndpoint>{{endpoint("198.51.100.7:51820"), kNoon, 1},
                                                            {endpoint("[2001:db8::1]:4000"), kNoon + minutes{1}, 5}}));
    EXPECT_EQ(read.base, (sessions::Traffic{1, UINT64_MAX}));
    EXPECT_EQ(read.figures.traffic, (sessions::Traffic{10, 20}));
    EXPECT_EQ(read.figures.handshakes, 2U);
    EXPECT_EQ(read.boot_id, "boot");
    EXPECT_EQ(read.device_identity, "kernel:7");
    EXPECT_EQ(read.incarnation, 3U);
    EXPECT_FALSE(read.end);
    EXPECT_EQ(tx.open_sessions("wg0").size(), 1U);
    EXPECT_EQ(tx.session_counts(kNoon).open, 1U);
    EXPECT_EQ(tx.session_counts(kNoon).since, 1U);
    EXPECT_EQ(tx.session_counts(kNoon + minutes{1}).since, 0U);

    ASSERT_TRUE(tx.close_session(id(1), end(kNoon + hours{1}), {{11, 22}, {1, 2}, 3, 1, kNoon + hours{1}, true}));
    EXPECT_EQ(tx.close_session(id(1), end(kNoon), {}).error().code, Errc::conflict);
    EXPECT_EQ(tx.close_session(id(2), end(kNoon), {}).error().code, Errc::not_found);
    EXPECT_EQ(tx.checkpoint_session(id(1), {}).error().code, Errc::not_found);
    read = tx.find_session(id(1)).value();
    EXPECT_EQ(read.end->at, kNoon + hours{1});
    EXPECT_EQ(read.end->reason, sessions::CloseReason::expired);
    EXPECT_TRUE(read.end->inferred);
    EXPECT_EQ(read.end->evidence, 99U);
    EXPECT_EQ(read.figures.uncertain, (sessions::Traffic{1, 2}));
    EXPECT_TRUE(read.figures.from_checkpoint);
    EXPECT_TRUE(tx.open_sessions("wg0").empty());
    EXPECT_EQ(tx.last_session_at(peer.id), kNoon);
    EXPECT_FALSE(tx.last_session_at("p-none"));
  });
}

TEST_F(LedgerTest, EverySessionFilterAnswersItsQuestion) {
  must([](Transaction& tx) {
    const auto first = add_peer(tx, 1, {IpPrefix::parse("10.66.0.2/32").value()}).value();
    const auto second = add_peer(tx, 2, {IpPrefix::parse("10.66.1.0/24").value()}).value();
    // The addresses were claimed just now; sessions run from here on.
    const WallTime t = tx.now().wall;
    for (std::uint8_t n = 0; n < 6; ++n) {
      auto record = session(n, n % 2 == 0 ? first : second, t + hours{n});
      if (n == 3) record.endpoints[0].address = endpoint("203.0.113.9:1");
      ASSERT_TRUE(tx.open_session(record));
      if (n < 4) {
        ASSERT_TRUE(tx.close_session(id(n), end(t + hours{n} + minutes{30}), {}));
      }
    }
    const auto found = [&tx](const SessionFilter& filter) {
      std::string out;
      std::string cursor;
      do {
        const auto page = tx.sessions(filter, cursor, 2).value();
        for (const auto& record : page.sessions) out += std::to_string(record.id[0]);
        cursor = page.next;
      } while (!cursor.empty());
      return out;
    };
    const auto with = [&found](auto set) {
      SessionFilter filter;
      set(filter);
      return found(filter);
    };
    EXPECT_EQ(found({}), "543210");
    EXPECT_EQ(with([&](auto& f) { f.peer_id = first.id; }), "420");
    EXPECT_EQ(with([&](auto& f) { f.owner_id = second.owner.id; }), "531");
    EXPECT_EQ(with([](auto& f) { f.active = true; }), "54");
    EXPECT_EQ(with([](auto& f) { f.active = false; }), "3210");
    EXPECT_EQ(with([t](auto& f) { f.at = t + hours{2} + minutes{10}; }), "2");
    EXPECT_EQ(with([t](auto& f) { f.at = t + hours{2} + minutes{30}; }), "");
    EXPECT_EQ(with([t](auto& f) { f.at = t + hours{9}; }), "54");
    EXPECT_EQ(with([t](auto& f) {
                f.from = t + hours{1} + minutes{10};
                f.to = t + hours{3};
              }),
              "21");
    EXPECT_EQ(with([](auto& f) { f.outer = IpAddress::parse("203.0.113.9").value(); }), "3");
    EXPECT_EQ(with([](auto& f) { f.inner = IpAddress::parse("10.66.1.77").value(); }), "531");
    EXPECT_EQ(with([](auto& f) { f.inner = IpAddress::parse("10.99.0.1").value(); }), "");
    EXPECT_EQ(with([](auto& f) {
                f.inner = IpAddress::parse("10.66.0.2").value();
                f.active = true;
              }),
              "4");
    EXPECT_EQ(tx.sessions({}, "1.", 2).error().field, "cursor");
    EXPECT_EQ(tx.sessions({}, "", 5000).error().field, "limit");
  });
}

TEST_F(LedgerTest, WhoHeldAnAddressHasOneAnswer) {
  const IpAddress inner = IpAddress::parse("10.66.0.2").value();
  PeerRecord first;
  PeerRecord second;
  WallTime handed_on;
  must([&](Transaction& tx) {
    first = add_peer(tx, 1, {IpPrefix::host(inner)}).value();
    ASSERT_TRUE(tx.open_session(session(1, first, tx.now().wall)));
  });
  must([&](Transaction& tx) {
    handed_on = tx.now().wall;
    ASSERT_TRUE(tx.close_session(id(1), end(handed_on), {}));
    first = tx.revoke_peer(first.id).value();
    second = add_peer(tx, 2, {IpPrefix::parse("10.66.0.0/30").value()}).value();
  });
  must([&](Transaction& tx) {
    const auto before = tx.who_held(inner, handed_on - std::chrono::nanoseconds{1});
    ASSERT_TRUE(before);
    EXPECT_EQ(before->peer.id, first.id);
    EXPECT_EQ(before->until, handed_on);
    ASSERT_TRUE(before->session);
    EXPECT_EQ(before->session->id, id(1));
    const auto after = tx.who_held(inner, tx.now().wall);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->peer.id, second.id);
    EXPECT_EQ(after->prefix.to_string(), "10.66.0.0/30");
    EXPECT_FALSE(after->until);
    EXPECT_FALSE(after->session);
    EXPECT_FALSE(tx.who_held(inner, first.created - std::chrono::nanoseconds{1}));
    EXPECT_FALSE(tx.who_held(IpAddress::parse("fd66::1").value(), handed_on));
  });
}

TEST_F(LedgerTest, BaselinesAreWhatTheTrackerGave) {
  sessions::Baseline idle;
  idle.peer = key_number(1);
  idle.incarnation = 2;
  idle.handshake = {100, 200};
  idle.counters = {UINT64_MAX, 7};
  idle.sampled = {BootTime{5}, WallTime{6}};
  sessions::Baseline open = idle;
  open.peer = key_number(2);
  open.endpoint = endpoint("[2001:db8::1]:4000");
  open.open = sessions::Baseline::OpenSession{id(9), kNoon, {1, 2}, BootTime{3}, BootTime{4}, kNoon + minutes{1}, 5, 6};
  must([&](Transaction& tx) {
    tx.put_baseline("wg0", open);
    tx.put_baseline("wg0", idle);
    tx.put_baseline("wg1", idle);
    open.open->moves = 7;
    tx.put_baseline("wg0", open);
  });
  reopen();
  must([&](Transaction& tx) {
    const auto rows = tx.baselines("wg0");
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].peer, idle.peer);
    EXPECT_EQ(rows[0].counters, idle.counters);
    EXPECT_EQ(rows[0].handshake, idle.handshake);
    EXPECT_EQ(rows[0].sampled, idle.sampled);
    EXPECT_EQ(rows[0].incarnation, 2U);
    EXPECT_FALSE(rows[0].endpoint);
    EXPECT_FALSE(rows[0].open);
    ASSERT_TRUE(rows[1].open);
    EXPECT_EQ(rows[1].endpoint, open.endpoint);
    EXPECT_EQ(rows[1].open->session, id(9));
    EXPECT_EQ(rows[1].open->start, kNoon);
    EXPECT_EQ(rows[1].open->base, open.open->base);
    EXPECT_EQ(rows[1].open->last_handshake, BootTime{3});
    EXPECT_EQ(rows[1].open->last_moved, BootTime{4});
    EXPECT_EQ(rows[1].open->last_moved_wall, kNoon + minutes{1});
    EXPECT_EQ(rows[1].open->handshakes, 5U);
    EXPECT_EQ(rows[1].open->moves, 7U);
    tx.delete_baseline("wg0", open.peer);
    EXPECT_EQ(tx.baselines("wg0").size(), 1U);
  });
}

}  // namespace
}  // namespace sanad::ledger
