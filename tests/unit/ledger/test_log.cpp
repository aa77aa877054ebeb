#include <SQLiteCpp/SQLiteCpp.h>

#include <sstream>

#include "control/ledger/outbox_rows.hpp"
#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

class PublishedLogTest : public LedgerTest {
 protected:
  void add(std::size_t count) {
    must([count](Transaction& tx) {
      for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(tx.append(audit::own_event({}, now().wall, "test", {})));
    });
  }
  Result<void> sign(std::uint64_t size) {
    return change<void>(ledger(), [size](Transaction& tx) {
      return tx.store_signed_log({size, "note " + std::to_string(size)});
    });
  }
  Result<void> drop(std::uint64_t index) {
    return change<void>(ledger(), [index](Transaction& tx) { return tx.drop_leaves_below(index); });
  }
};

TEST_F(PublishedLogTest, IsNeverSignedSmallerOrTwiceOrBeyondWhatIsRecorded) {
  add(10);
  must([](Transaction& tx) { EXPECT_TRUE(tx.signed_log().note.empty()); });
  EXPECT_EQ(sign(0).error().code, Errc::internal);
  ASSERT_TRUE(sign(6));
  EXPECT_EQ(sign(6).error().code, Errc::internal);
  EXPECT_EQ(sign(5).error().code, Errc::internal);
  EXPECT_EQ(sign(11).error().code, Errc::internal);
  ASSERT_TRUE(sign(10));
  reopen();
  must([](Transaction& tx) {
    EXPECT_EQ(tx.signed_log().size, 10U);
    EXPECT_EQ(tx.signed_log().note, "note 10");
  });
}

TEST_F(PublishedLogTest, LeavesGoOnlyWhenTheyAreCoveredAndTheNextIndexStays) {
  add(3);
  add(5);
  add(2);
  EXPECT_EQ(drop(1).error().code, Errc::internal);
  ASSERT_TRUE(sign(8));
  EXPECT_EQ(drop(9).error().code, Errc::internal);
  // The second commit's leaves go together.
  ASSERT_TRUE(drop(7));
  must([](Transaction& tx) {
    EXPECT_EQ(tx.first_pending_leaf(), 3U);
    EXPECT_EQ(tx.leaves(0, 10, false).size(), 7U);
    const auto from_within = tx.leaves(5, 4, false);
    ASSERT_EQ(from_within.size(), 4U);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(from_within[i].index, 5 + i);
      EXPECT_NE(from_within[i].bytes.find("\"i\":" + std::to_string(5 + i) + ","), std::string::npos);
    }
  });
  ASSERT_TRUE(drop(8));
  must([](Transaction& tx) {
    EXPECT_EQ(tx.first_pending_leaf(), 8U);
    EXPECT_EQ(tx.leaves(0, 10, false).size(), 2U);
  });
  ASSERT_TRUE(sign(10));
  ASSERT_TRUE(drop(10));
  reopen();
  // Nothing is pending: where the log ends is known from what was signed.
  EXPECT_EQ(ledger().state().leaves, 10U);
  must([](Transaction& tx) {
    EXPECT_EQ(tx.first_pending_leaf(), 10U);
    EXPECT_EQ(tx.append(audit::own_event({}, now().wall, "test", {})).value(), 10U);
  });
}

TEST_F(PublishedLogTest, WhatOneCommitAppendsIsKeptInRowsOfABoundedSize) {
  add(2 * kOutboxRowLeaves + 5);
  must([](Transaction& tx) {
    for (std::size_t i = 0; i < 3; ++i)
      tx.append(audit::own_event({}, now().wall, "long", {{"text", std::string(60'000, 'x')}})).value();
  });
  ASSERT_TRUE(sign(2 * kOutboxRowLeaves + 8));
  ASSERT_TRUE(drop(kOutboxRowLeaves));
  must([](Transaction& tx) {
    EXPECT_EQ(tx.first_pending_leaf(), kOutboxRowLeaves);
    EXPECT_EQ(tx.leaves(0, 10'000, false).size(), kOutboxRowLeaves + 8);
  });
}

TEST_F(PublishedLogTest, AnotherLogIsTakenUpInACommitOfItsOwn) {
  const auto refused = change<void>(ledger(), [](Transaction& tx) -> Result<void> {
    if (auto index = tx.append(audit::own_event({}, now().wall, "test", {})); !index) return index.error();
    return tx.begin_log_anew({1, "a", 1});
  });
  EXPECT_EQ(refused.error().code, Errc::internal);
  EXPECT_EQ(ledger().state().leaves, 0U);
}

TEST_F(PublishedLogTest, DisclosuresOutliveThePendingLeaf) {
  must([](Transaction& tx) {
    const auto peer = add_peer(tx, 1).value();
    ASSERT_TRUE(tx.append(peer_event(peer, audit::EntityVerb::create)));
  });
  ASSERT_TRUE(sign(1));
  ASSERT_TRUE(drop(1));
  must([](Transaction& tx) {
    EXPECT_EQ(tx.disclosures_of(0).size(), 2U);
    EXPECT_TRUE(tx.disclosures_of(1).empty());
  });
}

TEST_F(PublishedLogTest, KeysAreKeptByEpochAndNeverReplaced) {
  must([](Transaction& tx) {
    EXPECT_TRUE(tx.log_keys().empty());
    EXPECT_FALSE(tx.log_epoch_began());
    ASSERT_TRUE(tx.begin_log_epoch({1, "a", 0}));
  });
  add(3);
  must([](Transaction& tx) {
    ASSERT_TRUE(tx.begin_log_epoch({2, "b", 3}));
    EXPECT_EQ(tx.log_epoch_began()->ns, tx.now().wall.ns);
  });
  add(1);
  must([](Transaction& tx) {
    const auto keys = tx.log_keys();
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys[0].vkey, "a");
    EXPECT_EQ(keys[1].vkey, "b");
    EXPECT_EQ(keys[1].first_index, 3U);
    const auto leaves = tx.leaves(0, 10, false);
    EXPECT_NE(leaves.at(2).bytes.find("\"epoch\":1,"), std::string::npos);
    EXPECT_NE(leaves.at(3).bytes.find("\"epoch\":2,"), std::string::npos);
  });
  for (const LogKey& wrong : {LogKey{2, "c", 4}, LogKey{4, "c", 4}, LogKey{3, "c", 5}, LogKey{3, "c", 3}}) {
    const auto refused = change<void>(ledger(), [&](Transaction& tx) { return tx.begin_log_epoch(wrong); });
    EXPECT_EQ(refused.error().code, Errc::internal);
  }
}

TEST_F(PublishedLogTest, ADatabaseOfBeforeThePublisherIsBroughtUpToDate) {
  add(3);
  ledger_.reset();
  {
    SQLite::Database old(database().string(), SQLite::OPEN_READWRITE);
    old.exec("DROP VIEW sessions_of_peer; DROP VIEW sessions_at_address; DROP VIEW disclosures_of_owner");
    old.exec("DROP TRIGGER session_gone; DROP TRIGGER endpoint_gone; DROP TRIGGER disclosure_gone");
    old.exec("DROP TABLE session_peers; DROP TABLE session_addresses; DROP TABLE disclosure_owners; DROP TABLE late");
    old.exec("CREATE INDEX sessions_by_peer ON sessions(peer_id, started)");
    old.exec("CREATE INDEX session_endpoints_by_address ON session_endpoints(address)");
    old.exec("CREATE INDEX disclosures_by_owner ON disclosures(owner_id) WHERE owner_id <> ''");
    old.exec("CREATE TABLE pending_leaves(leaf_index INTEGER PRIMARY KEY, leaf BLOB NOT NULL)");
    std::istringstream leaves(old.execAndGet("SELECT text FROM outbox").getString());
    for (std::string leaf; std::getline(leaves, leaf);) {
      SQLite::Statement row(old, "INSERT INTO pending_leaves(leaf) VALUES(CAST(? AS BLOB))");
      row.bind(1, leaf);
      row.exec();
    }
    old.exec("UPDATE pending_leaves SET leaf_index = leaf_index - 1");  // the first got row id 1
    old.exec("DROP TABLE outbox");
    old.exec("DROP TABLE signed_log; DROP TABLE log_keys; PRAGMA user_version = 1");
    old.exec("DROP TABLE holds; DROP TABLE confirmations; DROP TABLE erasures; DROP TABLE retention");
    old.exec(
        "DROP INDEX sessions_by_end; DROP INDEX sessions_by_closing; DROP INDEX peers_by_owner; ALTER TABLE sessions DROP COLUMN "
        "personal");
  }
  reopen();
  EXPECT_EQ(ledger().state().leaves, 3U);
  must([](Transaction& tx) { EXPECT_EQ(tx.leaves(0, 10, false).size(), 3U); });
  ASSERT_TRUE(sign(3));
}

}  // namespace
}  // namespace sanad::ledger
