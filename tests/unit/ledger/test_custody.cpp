#include "control/ledger/custody.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "control/ledger/page_scrub.hpp"
#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

using std::chrono::hours;

SessionRecord session_of(const PeerRecord& peer, std::uint8_t number, WallTime started) {
  SessionRecord session;
  session.id.fill(number);
  session.peer_id = peer.id;
  session.owner_id = peer.owner.id;
  session.interface = "wg0";
  session.inner = peer.allowed_ips;
  session.started = started;
  session.started_bounds = {started, started};
  session.boot_id = "boot";
  return session;
}

audit::EventDraft about(const PeerRecord& peer, const std::string& address) {
  audit::EventDraft draft = audit::own_event({}, now().wall, "test", {});
  draft.personal = {{"user.name", boost::json::value(peer.owner.name), peer.owner.id},
                    {"src_endpoint.ip", boost::json::value(address), peer.owner.id}};
  return draft;
}

class CustodyTest : public LedgerTest {
 protected:
  // Opened, moved and (with `lasted`) closed, each with its leaf.
  void session(Transaction& tx, const PeerRecord& peer, std::uint8_t number, WallTime started, std::optional<hours> lasted,
               const std::string& from = "198.51.100.7") {
    auto one = session_of(peer, number, started);
    one.opened_evidence = tx.append(about(peer, from)).value();
    one.endpoints = {{Endpoint::parse(from + ":51820").value(), started, one.opened_evidence}};
    ASSERT_TRUE(tx.open_session(one));
    const std::string to = "198.51.100.99";
    const auto moved = tx.append(about(peer, to)).value();
    ASSERT_TRUE(tx.move_session(one.id, {Endpoint::parse(to + ":51820").value(), started, moved}));
    if (!lasted) return;
    const WallTime ended = started + *lasted;
    ASSERT_TRUE(tx.close_session(one.id, {ended, {ended, ended}, sessions::CloseReason::expired, true, tx.next_index()}, {}));
    ASSERT_TRUE(tx.append(about(peer, to)));
  }
  PeerRecord person(Transaction& tx, std::uint64_t number) {
    auto peer = add_peer(tx, number, {IpPrefix::parse("10.66.0." + std::to_string(number) + "/32").value()}).value();
    EXPECT_TRUE(tx.append(peer_event(peer, audit::EntityVerb::create)));
    return peer;
  }
  // How many files under the state directory hold the text, or the bytes of an address as the database keeps them.
  std::size_t files_with(const std::string& text) const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      if (!entry.is_regular_file()) continue;
      std::ostringstream bytes;
      bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      if (bytes.str().find(text) != std::string::npos) ++count;
    }
    return count;
  }
  Result<void> purge() {
    std::promise<Result<void>> answer;
    ledger().purge([&answer](Result<void> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  void erase(const Owner& owner) {
    must([&](Transaction& tx) { ASSERT_TRUE(Custody(tx).begin_erasure(owner)); });
    for (bool more = true; more;) {
      must([&](Transaction& tx) { more = !Custody(tx).erase_some(owner.id, 2).nothing(); });
    }
    must([&](Transaction& tx) { Custody(tx).finish_erasure(owner.id); });
  }
};

TEST_F(CustodyTest, AnErasedPersonIsInNoByteOfAnyFile) {
  Owner owner;
  std::string peer_id;
  must([&](Transaction& tx) {
    auto peer = person(tx, 7);
    peer.note = "sits beside the window";
    peer.groups = {"night-watch"};
    peer = tx.update_peer(peer).value();
    owner = peer.owner;
    peer_id = peer.id;
    session(tx, peer, 1, now().wall - hours(2), hours(1));
    tx.store_answer({0, "k", {}, 201, peer.id + " 0", now().wall});
    sessions::Baseline baseline;
    baseline.peer = peer.public_key;
    baseline.endpoint = Endpoint::parse("198.51.100.99:51820").value();
    tx.put_baseline("wg0", baseline);
    // Somebody else, from elsewhere.
    session(tx, person(tx, 8), 2, now().wall - hours(2), hours(1), "203.0.113.5");
    ASSERT_TRUE(tx.revoke_peer(peer.id));
  });
  const std::string outer{"\x04\xC6\x33\x64\x07", 5};
  const std::vector<std::string> personal{"Owner 7",
                                          "owner-7",
                                          "owner7@example.com",
                                          outer,
                                          "198.51.100.7",
                                          "198.51.100.9",
                                          "sits beside the window",
                                          "night-watch",
                                          std::string(reinterpret_cast<const char*>(key_number(7).bytes().data()), 32)};
  for (const auto& text : personal) EXPECT_GT(files_with(text), 0U) << text;
  erase(owner);
  EXPECT_GT(files_with("Owner 7"), 0U) << "the write-ahead log has it: otherwise purging is not what this test shows";
  ASSERT_TRUE(purge());
  // The other person's sessions were moved to 198.51.100.99, too.
  for (const auto& text : personal) {
    if (text == "198.51.100.9") continue;
    EXPECT_EQ(files_with(text), 0U) << text;
  }
  for (const std::string text : {"Owner 8", "owner8@example.com", "203.0.113.5"}) EXPECT_GT(files_with(text), 0U) << text;
  must([&](Transaction& tx) {
    const auto peer = tx.find_peer(peer_id);
    ASSERT_TRUE(peer);
    EXPECT_TRUE(peer->owner.name.empty());
    EXPECT_TRUE(peer->owner.email.empty());
    EXPECT_EQ(peer->owner.handle.substr(0, 7), "erased-");
    EXPECT_FALSE(tx.stored_answer(0, "k"));
    EXPECT_TRUE(tx.baselines("wg0").empty());
    const auto erased = Custody(tx).find_erasure(owner.id);
    ASSERT_TRUE(erased);
    EXPECT_TRUE(erased->finished);
    EXPECT_TRUE(tx.open_sessions("wg0").empty());
  });
  // What is written afterwards survives.
  must([&](Transaction& tx) { person(tx, 9); });
  reopen();
  must([&](Transaction& tx) { EXPECT_TRUE(tx.find_peer_by_name("owner-9/laptop")); });
  // The leaves of the erased have lost what opens them, on purpose: the fixture's check of digests does not apply.
  must([&](Transaction& tx) {
    ASSERT_TRUE(tx.store_signed_log({tx.leaf_count(), "note"}));
    ASSERT_TRUE(tx.drop_leaves_below(tx.leaf_count()));
  });
}

// secure_delete alone leaves, of two thousand people, some in pages that were split.
TEST_F(CustodyTest, NobodyIsLeftInThePagesThatWereSplit) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  // What tells each of them is a number of 19 digits.
  std::vector<std::pair<std::string, Owner>> owners;
  for (int batch = 0; batch < 100; ++batch) {
    must([&](Transaction& tx) {
      for (int n = 0; n < 100; ++n) {
        const std::string unique = std::to_string(1'000'000'000'000'000'000U + random() % 1'000'000'000'000'000'000U);
        auto owner = tx.find_or_create_owner("Name" + unique, "mail" + unique + "@example.com", "handle" + unique);
        owners.emplace_back(unique, owner.value());
      }
    });
  }
  std::shuffle(owners.begin(), owners.end(), random);
  owners.resize(2'000);
  must([&](Transaction& tx) {
    for (const auto& [unique, owner] : owners) ASSERT_TRUE(Custody(tx).begin_erasure(owner));
  });
  ASSERT_TRUE(purge());
  std::ostringstream bytes;
  bytes << std::ifstream(database(), std::ios::binary).rdbuf();
  std::set<std::string> left;
  std::string digits;
  for (const char c : bytes.str()) {
    if (c >= '0' && c <= '9') {
      digits += c;
      if (digits.size() >= 19) left.insert(digits.substr(digits.size() - 19));
    } else {
      digits.clear();
    }
  }
  EXPECT_GE(left.size(), 8'000U) << "the others are still there";
  for (const auto& [unique, owner] : owners) EXPECT_FALSE(left.contains(unique)) << unique;
}

TEST_F(CustodyTest, PurgingSaysWhenAnotherProgramIsInTheWay) {
  must([&](Transaction& tx) { person(tx, 1); });
  {
    SQLite::Database other(database().string(), SQLite::OPEN_READONLY, 100);
    other.exec("BEGIN");
    ASSERT_GT(other.execAndGet("SELECT count(*) FROM owners").getInt64(), 0);
    must([&](Transaction& tx) { person(tx, 2); });
    EXPECT_EQ(purge().error().code, Errc::unavailable);
    must([&](Transaction& tx) { person(tx, 3); });
    other.exec("ROLLBACK");
  }
  ASSERT_TRUE(purge());
  must([&](Transaction& tx) { person(tx, 4); });
  reopen();
  must([&](Transaction& tx) { EXPECT_EQ(tx.peer_counts(tx.now().wall).total, 4U); });
}

TEST(PageScrub, KnowsWhatOfAPageIsUsed) {
  std::array<std::uint8_t, 4096> page{};
  EXPECT_TRUE(unused_of(page, false).empty()) << "no b-tree page";
  page[0] = 13;    // table leaf
  page[4] = 3;     // cells
  page[5] = 0x0F;  // the first cell is at 0x0F00
  EXPECT_EQ(unused_of(page, false).data(), page.data() + 8 + 6);
  EXPECT_EQ(unused_of(page, false).size(), 0x0F00U - 14);
  page[0] = 2;  // interior: four bytes more of header
  EXPECT_EQ(unused_of(page, false).data(), page.data() + 12 + 6);
  page[3] = 0xFF;  // more cells than a page holds
  EXPECT_TRUE(unused_of(page, false).empty());
  EXPECT_TRUE(unused_of(std::span(page).first(100), false).empty());
}

TEST_F(CustodyTest, AHoldKeepsWhatItNamesAndNothingElse) {
  must([&](Transaction& tx) {
    const auto a = person(tx, 1);
    const auto b = person(tx, 2);
    const WallTime t = now().wall - hours(100);
    session(tx, a, 1, t, hours(1));
    session(tx, b, 2, t + hours(50), hours(1), "203.0.113.5");
    Custody custody(tx);
    EXPECT_FALSE(custody.hold_on(a.owner.id));
    const auto by_person = custody.put_hold({.owner_id = a.owner.id, .reason = "case 4711", .approver = "counsel"});
    EXPECT_EQ(custody.hold_on(a.owner.id)->id, by_person.id);
    EXPECT_FALSE(custody.hold_on(b.owner.id));
    custody.delete_hold(by_person.id);
    EXPECT_FALSE(custody.hold_on(a.owner.id));

    const auto by_outer = custody.put_hold({.address = IpAddress::parse("203.0.113.5").value(), .reason = "r", .approver = "x"});
    EXPECT_FALSE(custody.hold_on(a.owner.id));
    EXPECT_EQ(custody.hold_on(b.owner.id)->id, by_outer.id);
    EXPECT_EQ(custody.find_hold(by_outer.id)->address, IpAddress::parse("203.0.113.5").value());
    custody.delete_hold(by_outer.id);
    const auto by_inner = custody.put_hold({.address = IpAddress::parse("10.66.0.1").value(), .reason = "r", .approver = "x"});
    EXPECT_EQ(custody.hold_on(a.owner.id)->id, by_inner.id);
    EXPECT_FALSE(custody.hold_on(b.owner.id));
    custody.delete_hold(by_inner.id);

    const auto by_time = custody.put_hold({.from = t + hours(49), .to = t + hours(60), .reason = "r", .approver = "x"});
    EXPECT_FALSE(custody.hold_on(a.owner.id));
    EXPECT_EQ(custody.hold_on(b.owner.id)->id, by_time.id);
    custody.delete_hold(by_time.id);
    custody.put_hold({.owner_id = a.owner.id, .reason = "r", .approver = "x", .expires = now().wall - hours(1)});
    EXPECT_FALSE(custody.hold_on(a.owner.id)) << "it has expired";
  });
}

TEST_F(CustodyTest, SessionsThatMovedOftenExpireInStepsARecordHasRoomFor) {
  const WallTime t = now().wall;
  constexpr std::uint64_t kMoves = 1200;
  must([&](Transaction& tx) {
    const PeerRecord a = person(tx, 1);
    for (std::uint8_t n = 1; n <= 2; ++n) {
      session(tx, a, n, t - hours(100), hours(1));
      sessions::SessionId id{};
      id.fill(n);
      for (std::uint64_t i = 0; i < kMoves; ++i)
        ASSERT_TRUE(tx.move_session(
            id, {Endpoint::parse("192.0.2.7:4711").value(), t - hours(100), tx.append(about(a, "192.0.2.7")).value()}));
    }
  });
  must([&](Transaction& tx) {
    Custody::Cursor cursor;
    const auto first = Custody(tx).expire_sessions(t - hours(60), cursor, 10);
    EXPECT_EQ(first.sessions, 1U);
    EXPECT_TRUE(cursor.more);
    const auto second = Custody(tx).expire_sessions(t - hours(60), cursor, 10);
    EXPECT_EQ(second.sessions, 1U);
    EXPECT_FALSE(cursor.more);
    ASSERT_TRUE(tx.store_signed_log({tx.leaf_count(), "note"}));
    ASSERT_TRUE(tx.drop_leaves_below(tx.leaf_count()));
  });
}

TEST_F(CustodyTest, RetentionTakesEndedSessionsUnlessTheyAreHeld) {
  PeerRecord a;
  PeerRecord b;
  const WallTime t = now().wall;
  must([&](Transaction& tx) {
    a = person(tx, 1);
    b = person(tx, 2);
    session(tx, a, 1, t - hours(100), hours(1));
    session(tx, a, 2, t - hours(50), hours(1));
    session(tx, b, 3, t - hours(100), hours(1));
    session(tx, a, 4, t - hours(100), std::nullopt);
    Custody(tx).put_hold({.owner_id = b.owner.id, .reason = "r", .approver = "x"});
  });
  must([&](Transaction& tx) {
    Custody::Cursor cursor;
    const auto deleted = Custody(tx).expire_sessions(t - hours(60), cursor, 10);
    EXPECT_FALSE(cursor.more);
    EXPECT_EQ(deleted.sessions, 1U);
    EXPECT_EQ(deleted.addresses, 2U);
    EXPECT_EQ(deleted.records, (std::vector<std::uint64_t>{2, 3, 4}));
  });
  must([&](Transaction& tx) {
    sessions::SessionId id{};
    id.fill(1);
    EXPECT_TRUE(tx.find_session(id)->endpoints.empty());
    id.fill(3);
    EXPECT_EQ(tx.find_session(id)->endpoints.size(), 2U) << "held";
    id.fill(4);
    EXPECT_EQ(tx.find_session(id)->endpoints.size(), 2U) << "still open";
    Custody::Cursor cursor;
    EXPECT_TRUE(Custody(tx).expire_sessions(t - hours(60), cursor, 10).nothing()) << "the second time there is nothing to do";
    // b is held and was recorded second of all.
    EXPECT_EQ(Custody(tx).lowest_needed(t), 1U);
    for (const auto& hold : Custody(tx).holds()) Custody(tx).delete_hold(hold.id);
    EXPECT_EQ(Custody(tx).lowest_needed(t), 11U) << "the open session";
    EXPECT_EQ(Custody(tx).lowest_needed(t - hours(55)), 5U) << "a session that is not old enough";
  });
  // In steps, all below a record; the session that is open keeps its row.
  must([&](Transaction& tx) {
    std::uint64_t sessions = 0;
    for (;;) {
      const auto step = Custody(tx).drop_below(11, 2);
      sessions += step.sessions;
      if (step.nothing()) break;
      EXPECT_LE(step.disclosures + step.sessions, 4U);
    }
    EXPECT_EQ(sessions, 3U);
    EXPECT_TRUE(tx.disclosures_of(10).empty());
    EXPECT_FALSE(tx.disclosures_of(11).empty());
    EXPECT_EQ(tx.open_sessions("wg0").size(), 1U);
    ASSERT_TRUE(tx.store_signed_log({tx.leaf_count(), "note"}));
    ASSERT_TRUE(tx.drop_leaves_below(tx.leaf_count()));
  });
}

TEST_F(CustodyTest, WhatWaitsForASecondAdminSurvivesARestart) {
  std::string id;
  must([&](Transaction& tx) {
    id = Custody(tx).put_confirmation({{}, "erasure", "{}", 4104, tx.now().wall, tx.now().wall + std::chrono::minutes(15)}).id;
    Custody(tx).set_retention({512, 256, 9, 365});
  });
  reopen();
  must([&](Transaction& tx) {
    Custody custody(tx);
    ASSERT_TRUE(custody.find_confirmation(id));
    EXPECT_EQ(custody.find_confirmation(id)->uid, 4104U);
    EXPECT_EQ(custody.confirmations().size(), 1U);
    custody.delete_confirmation(id);
    EXPECT_FALSE(custody.find_confirmation(id));
    EXPECT_EQ(custody.retention().minimum, 512U);
    EXPECT_EQ(custody.retention().pruned, 256U);
    EXPECT_EQ(custody.retention().days, 365);
  });
}

TEST_F(CustodyTest, TiesTellWhatStandsInTheWayOfAnErasure) {
  must([&](Transaction& tx) {
    auto peer = person(tx, 1);
    session(tx, peer, 1, now().wall - hours(1), std::nullopt);
    Custody custody(tx);
    EXPECT_EQ(custody.ties_of(peer.owner.id).peers, 1U);
    EXPECT_EQ(custody.ties_of(peer.owner.id).sessions, 1U);
    ASSERT_TRUE(tx.mark_on_device(peer.id, true));
    ASSERT_TRUE(tx.revoke_peer(peer.id));
    EXPECT_EQ(custody.ties_of(peer.owner.id).peers, 0U);
    EXPECT_EQ(custody.ties_of(peer.owner.id).leaving, 1U);
  });
}

}  // namespace
}  // namespace sanad::ledger
