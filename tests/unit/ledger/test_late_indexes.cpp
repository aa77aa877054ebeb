#include "control/ledger/late_indexes.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include "control/ledger/custody.hpp"
#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kPeople = 10;
constexpr std::uint64_t kBurst = 3 * LateIndexes::kAtOnce;

Endpoint address_of(std::uint64_t person) { return Endpoint::parse("198.51.100." + std::to_string(person) + ":51820").value(); }

class LateIndexesTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    must([this](Transaction& tx) {
      for (std::uint64_t n = 0; n < kPeople; ++n) people_.push_back(add_peer(tx, n).value());
    });
  }

  // Session number n is person n % kPeople's, seen from address_of() of the person.
  void open(Transaction& tx, std::uint64_t number) {
    const PeerRecord& peer = people_[number % kPeople];
    SessionRecord session;
    for (std::size_t i = 0; i < 8; ++i) session.id[i] = static_cast<std::uint8_t>(number >> (8 * i));
    session.peer_id = peer.id;
    session.owner_id = peer.owner.id;
    session.interface = "wg0";
    session.started = start_ + seconds{number};
    session.opened_evidence = tx.next_index();
    session.endpoints = {{address_of(number % kPeople), session.started, session.opened_evidence}};
    ASSERT_TRUE(tx.open_session(session));
    audit::EventDraft draft = audit::own_event({}, now().wall, "test", {});
    draft.personal = {{"user.name", boost::json::value(peer.owner.name), peer.owner.id}};
    ASSERT_TRUE(tx.append(draft));
  }
  void open_many(Transaction& tx, std::uint64_t from, std::uint64_t count) {
    for (std::uint64_t n = from; n < from + count; ++n) open(tx, n);
  }

  static std::size_t count(Transaction& tx, const SessionFilter& filter) {
    return tx.sessions(filter, {}, 1000).value().sessions.size();
  }
  // By each way that leads to a person's sessions.
  void expect_found(Transaction& tx, std::uint64_t person, std::size_t sessions, const std::string& when) {
    SessionFilter by_peer, by_owner, by_address;
    by_peer.peer_id = people_[person].id;
    by_owner.owner_id = people_[person].owner.id;
    by_address.outer = address_of(person).address;
    EXPECT_EQ(count(tx, by_peer), sessions) << when;
    EXPECT_EQ(count(tx, by_owner), sessions) << when;
    EXPECT_EQ(count(tx, by_address), sessions) << when;
    EXPECT_EQ(Custody(tx).ties_of(people_[person].owner.id).sessions, sessions) << when;
    EXPECT_EQ(tx.last_session_at(people_[person].id).has_value(), sessions > 0) << when;
  }

  // The storage thread puts late rows in soon after a burst, whenever nobody waits.
  void wait_until_settled() {
    for (int i = 0; i < 10'000 && rows("late") > 0; ++i) must([](Transaction&) {});
    ASSERT_EQ(rows("late"), 0);
  }
  int rows(const std::string& table) {
    SQLite::Database database(this->database().string(), SQLite::OPEN_READONLY);
    return database.execAndGet("SELECT count(*) FROM " + table).getInt();
  }

  std::vector<PeerRecord> people_;
  const WallTime start_ = WallTime::from_ms(1'795'510'800'000);
};

TEST_F(LateIndexesTest, ABurstIsFoundInItsOwnCommitAndAfterIt) {
  must([this](Transaction& tx) {
    open_many(tx, 0, kBurst);
    expect_found(tx, 3, 10, "in the commit itself");
  });
  must([this](Transaction& tx) { expect_found(tx, 3, 10, "after it"); });
  wait_until_settled();
  must([this](Transaction& tx) { expect_found(tx, 3, 10, "settled"); });
  EXPECT_EQ(rows("session_peers"), static_cast<int>(kBurst));
  EXPECT_EQ(rows("session_addresses"), static_cast<int>(kBurst));
  EXPECT_EQ(rows("disclosure_owners"), static_cast<int>(kBurst));
}

TEST_F(LateIndexesTest, FewRowsAreNeverLate) {
  must([this](Transaction& tx) { open_many(tx, 0, LateIndexes::kAtOnce); });
  EXPECT_EQ(rows("session_peers"), static_cast<int>(LateIndexes::kAtOnce));
  EXPECT_EQ(rows("late"), 0);
}

TEST_F(LateIndexesTest, WhatAFailedPartLeftOutIsForgottenAndTheRestIsNot) {
  must([this](Transaction& tx) {
    open_many(tx, 0, kBurst);
    const auto undone = tx.atomically([&]() -> Result<void> {
      open_many(tx, kBurst, 2 * static_cast<std::uint64_t>(LateIndexes::kRoom));
      return Error{Errc::conflict, "as the test wants it"};
    });
    EXPECT_FALSE(undone);
    open_many(tx, kBurst, 10);
    expect_found(tx, 3, 11, "in the commit itself");
  });
  wait_until_settled();
  must([this](Transaction& tx) { expect_found(tx, 3, 11, "settled"); });
  EXPECT_EQ(rows("session_peers"), static_cast<int>(kBurst + 10));
}

TEST_F(LateIndexesTest, AnUndoneCommitLeavesNothingLate) {
  const auto undone = change<void>(ledger(), [this](Transaction& tx) -> Result<void> {
    open_many(tx, 0, kBurst);
    return Error{Errc::conflict, "as the test wants it"};
  });
  EXPECT_FALSE(undone);
  must([this](Transaction& tx) {
    open_many(tx, 0, 20);
    expect_found(tx, 3, 2, "afterwards");
  });
  EXPECT_EQ(rows("session_peers"), 20);
}

TEST_F(LateIndexesTest, WhatIsLateSurvivesARestart) {
  // As if it had been killed before it came to settle.
  must([this](Transaction& tx) { open_many(tx, 0, kBurst); });
  wait_until_settled();
  ledger_.reset();
  {
    SQLite::Database killed(database().string(), SQLite::OPEN_READWRITE);
    killed.exec("DELETE FROM session_peers; DELETE FROM session_addresses; DELETE FROM disclosure_owners");
    killed.exec("INSERT INTO late SELECT 'sessions', min(seq), max(seq) FROM sessions");
    killed.exec("INSERT INTO late SELECT 'disclosures', min(leaf_index), max(leaf_index) FROM disclosures");
  }
  reopen();
  const auto found = ask<void>(ledger(), [this](Transaction& tx) -> Result<void> {
    expect_found(tx, 3, 10, "late");
    return {};
  });
  ASSERT_TRUE(found);
  must([this](Transaction& tx) { open(tx, kBurst + 7); });  // the third person's, among the late or not
  must([this](Transaction& tx) { expect_found(tx, 3, 11, "one more"); });
  wait_until_settled();
  must([this](Transaction& tx) { expect_found(tx, 3, 11, "settled"); });
  EXPECT_EQ(rows("session_peers"), static_cast<int>(kBurst + 1));
}

TEST_F(LateIndexesTest, ARowBelowWhatIsLeftToSettleIsLateToo) {
  must([this](Transaction& tx) { open_many(tx, 0, kBurst); });
  wait_until_settled();
  ledger_.reset();
  {
    // As between two steps of settling, the first of which took some of the room that was written ahead.
    SQLite::Database between(database().string(), SQLite::OPEN_READWRITE);
    between.exec("INSERT INTO late SELECT 'sessions', max(seq) + 50, max(seq) + 200 FROM sessions");
    between.exec("INSERT INTO late SELECT 'disclosures', max(leaf_index) + 50, max(leaf_index) + 200 FROM disclosures");
  }
  reopen();
  must([this](Transaction& tx) {
    open(tx, kBurst + 7);
    expect_found(tx, 3, 11, "in the commit itself");
    EXPECT_EQ(tx.last_session_at(people_[3].id), start_ + seconds{kBurst + 7});
  });
  wait_until_settled();
  must([this](Transaction& tx) { expect_found(tx, 3, 11, "settled"); });
  EXPECT_EQ(rows("session_peers"), static_cast<int>(kBurst + 1));
  EXPECT_EQ(rows("session_addresses"), static_cast<int>(kBurst + 1));
  EXPECT_EQ(rows("disclosure_owners"), static_cast<int>(kBurst + 1));
}

TEST_F(LateIndexesTest, ThousandsAreSettledInSteps) {
  constexpr std::uint64_t kMany = LateIndexes::kSettledAtOnce + LateIndexes::kAtOnce - 40;
  must([this](Transaction& tx) { open_many(tx, 0, kMany); });
  for (std::uint64_t n = 0; n < 100; ++n) must([&](Transaction& tx) { open(tx, kMany + n); });
  wait_until_settled();
  EXPECT_EQ(rows("session_peers"), static_cast<int>(kMany + 100));
  EXPECT_EQ(rows("session_addresses"), static_cast<int>(kMany + 100));
  EXPECT_EQ(rows("disclosure_owners"), static_cast<int>(kMany + 100));
}

class LateErasureTest : public LateIndexesTest {
 protected:
  void TearDown() override { ledger_.reset(); }  // what opens the digests is gone, which the fixture would hold against it
};

TEST_F(LateErasureTest, WhoIsErasedGoesFromTheLateRowsAndFromTheIndexes) {
  const Owner owner = people_[3].owner;
  must([&](Transaction& tx) {
    open_many(tx, 0, 40);
    Custody custody(tx);
    ASSERT_TRUE(custody.begin_erasure(owner));
    while (!custody.erase_some(owner.id, 3).nothing()) {
    }
    SessionFilter by_address;
    by_address.outer = address_of(3).address;
    EXPECT_EQ(count(tx, by_address), 0U);
    by_address.outer = address_of(4).address;
    EXPECT_EQ(count(tx, by_address), 4U);
  });
  wait_until_settled();
  SQLite::Database database(this->database().string(), SQLite::OPEN_READONLY);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM disclosure_owners WHERE owner_id = '" + owner.id + "'").getInt(), 0);
  EXPECT_EQ(rows("session_addresses"), 36);
  EXPECT_EQ(rows("disclosure_owners"), 36);
}

}  // namespace
}  // namespace sanad::ledger
