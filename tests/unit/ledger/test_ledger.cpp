#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>

#include <atomic>

#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

TEST_F(LedgerTest, KeepsStateAndEvidenceTogetherAcrossReopening) {
  const auto added = change<PeerRecord>(ledger(), [](Transaction& tx) -> Result<PeerRecord> {
    auto peer = add_peer(tx, 1, {IpPrefix::parse("10.66.0.2/32").value()});
    if (!peer) return peer;
    EXPECT_EQ(tx.next_index(), 0U);
    EXPECT_EQ(tx.append(peer_event(*peer, audit::EntityVerb::create)).value(), 0U);
    return peer;
  });
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(ledger().state().leaves, 1U);
  reopen();
  EXPECT_EQ(ledger().state().leaves, 1U);
  must([&added](Transaction& tx) {
    EXPECT_EQ(tx.find_peer(added->id)->name(), "owner-1/laptop");
    const auto leaves = tx.leaves(0, 10, true);
    ASSERT_EQ(leaves.size(), 1U);
    ASSERT_EQ(leaves[0].disclosures.size(), 2U);
    EXPECT_EQ(leaves[0].disclosures[0].name, "entity.name");
    EXPECT_EQ(leaves[0].disclosures[0].value_json, "\"owner-1/laptop\"");
    EXPECT_EQ(leaves[0].disclosures[0].owner_id, added->owner.id);
    EXPECT_TRUE(tx.leaves(0, 10, false)[0].disclosures.empty());
    EXPECT_TRUE(tx.leaves(1, 10, true).empty());
  });
  check_ledger(database(), true);
}

TEST_F(LedgerTest, AJobThatFailsLeavesNothingAndItsNeighboursStand) {
  std::vector<std::promise<Result<std::uint64_t>>> answers(3);
  std::promise<void> gate;
  // Held back, so that all three are in one batch.
  ledger().submit<void>([&gate](Transaction&) -> Result<void> { return gate.get_future().wait(), Result<void>{}; },
                        [](Result<void>) {});
  for (std::size_t i = 0; i < 3; ++i) {
    ledger().submit<std::uint64_t>(
        [i](Transaction& tx) -> Result<std::uint64_t> {
          auto peer = add_peer(tx, i, {});
          auto index = tx.append(peer_event(peer.value(), audit::EntityVerb::create));
          if (i == 1) return Error{Errc::conflict, "no"};
          return index;
        },
        [&answers, i](Result<std::uint64_t> result) { answers[i].set_value(std::move(result)); });
  }
  gate.set_value();
  EXPECT_EQ(answers[0].get_future().get().value(), 0U);
  EXPECT_EQ(answers[1].get_future().get().error().message, "no");
  EXPECT_EQ(answers[2].get_future().get().value(), 1U);
  must([](Transaction& tx) { EXPECT_EQ(tx.peer_counts(tx.now().wall).total, 2U); });
  check_ledger(database(), true);
}

TEST_F(LedgerTest, AJobThatThrowsIsAnInternalErrorAndIsUndone) {
  const auto answer = change<void>(ledger(), [](Transaction& tx) -> Result<void> {
    tx.set_meta("a", "b");
    throw std::logic_error("a bug");
  });
  EXPECT_EQ(answer.error().code, Errc::internal);
  must([](Transaction& tx) { EXPECT_FALSE(tx.meta("a")); });
}

TEST_F(LedgerTest, OneCommitForAllThatWait) {
  std::atomic<int> commits{0};
  LedgerOptions options;
  options.on_commit = [&commits](std::uint64_t, std::uint64_t) { ++commits; };
  reopen(options);
  std::promise<void> entered;
  std::promise<void> gate;
  std::promise<void> last;
  ledger().submit<void>(
      [&entered, &gate](Transaction&) -> Result<void> {
        entered.set_value();
        gate.get_future().wait();
        return {};
      },
      [](Result<void>) {});
  entered.get_future().wait();  // its batch is closed: all that follow wait for the next
  for (std::uint64_t i = 0; i < 500; ++i) {
    ledger().submit<void>(
        [i](Transaction& tx) -> Result<void> {
          EXPECT_EQ(tx.append(audit::own_event({}, now().wall, "test", {})).value(), i);
          return {};
        },
        [&last, i](Result<void>) {
          if (i == 499) last.set_value();
        });
  }
  gate.set_value();
  last.get_future().wait();
  ledger_.reset();
  EXPECT_EQ(commits, 1);
  reopen();
}

TEST_F(LedgerTest, AQuerySeesWhatWasSubmittedBeforeItAndCannotWrite) {
  ledger().submit<void>([](Transaction& tx) -> Result<void> { return tx.set_meta("k", "v"), Result<void>{}; },
                        [](Result<void>) {});
  const auto value = ask<std::string>(ledger(), [](Transaction& tx) -> Result<std::string> { return tx.meta("k").value(); });
  EXPECT_EQ(value.value(), "v");
  const auto refused = ask<void>(ledger(), [](Transaction& tx) -> Result<void> { return tx.set_meta("k", "w"), Result<void>{}; });
  EXPECT_EQ(refused.error().code, Errc::internal);
  must([](Transaction& tx) {
    EXPECT_EQ(tx.meta("k"), "v");
    tx.set_meta("k", "x");  // writing works again after a query
  });
}

TEST_F(LedgerTest, AnEpochSetInAJobHoldsFromTheNextLeaf) {
  must([](Transaction& tx) {
    tx.append(audit::own_event({}, now().wall, "announce", {})).value();
    tx.set_meta(kMetaEpoch, "2");
    tx.append(audit::own_event({}, now().wall, "first", {})).value();
  });
  must([](Transaction& tx) {
    const auto leaves = tx.leaves(0, 2, false);
    EXPECT_NE(leaves.at(0).bytes.find("\"epoch\":1,"), std::string::npos);
    EXPECT_NE(leaves.at(1).bytes.find("\"epoch\":2,"), std::string::npos);
  });
}

TEST_F(LedgerTest, AnEventThatDoesNotFitIsRefusedAndChangesNothing) {
  const auto answer = change<std::uint64_t>(ledger(), [](Transaction& tx) {
    return tx.append(audit::own_event({}, now().wall, "long", {{"text", std::string(70'000, 'x')}}));
  });
  EXPECT_EQ(answer.error().code, Errc::invalid_argument);
  EXPECT_EQ(ledger().state().leaves, 0U);
}

TEST_F(LedgerTest, TheFileIsPrivate) {
  must([](Transaction& tx) { tx.set_meta("a", "b"); });
  for (const auto* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat status {};
    ASSERT_EQ(::stat((database().string() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST_F(LedgerTest, ASecondDaemonIsKeptOut) {
  const auto second = Ledger::open(database());
  EXPECT_EQ(second.error().code, Errc::unavailable);
}

TEST_F(LedgerTest, ANewerDatabaseIsLeftAlone) {
  ledger_.reset();
  const auto set_version = [this](int version) {
    SQLite::Database(database().string(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = " + std::to_string(version));
  };
  const int current = SQLite::Database(database().string(), SQLite::OPEN_READONLY).execAndGet("PRAGMA user_version").getInt();
  set_version(99);
  const auto refused = Ledger::open(database());
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  EXPECT_NE(refused.error().message.find("schema 99"), std::string::npos) << refused.error().message;
  set_version(current);
  reopen();
}

TEST_F(LedgerTest, WhatIsNoLedgerIsRefused) {
  const auto other = directory_.path() / "other.db";
  SQLite::Database(other.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE t(a)");
  EXPECT_EQ(Ledger::open(other).error().code, Errc::corrupt);
  const auto text = directory_.path() / "text.db";
  std::FILE* file = std::fopen(text.c_str(), "w");
  std::fputs(std::string(8192, 'x').c_str(), file);
  std::fclose(file);
  EXPECT_EQ(Ledger::open(text).error().code, Errc::corrupt);
  EXPECT_EQ(Ledger::open(directory_.path() / "none" / "state.db").error().code, Errc::not_found);
}

TEST_F(LedgerTest, CheckpointsKeepTheLogShort) {
  LedgerOptions options;
  options.checkpoint_bytes = 1U << 20;
  options.most_log_bytes = 6U << 20;
  reopen(options);
  for (int round = 0; round < 50; ++round) {
    must([](Transaction& tx) {
      for (int i = 0; i < 200; ++i)
        tx.append(audit::own_event({}, now().wall, "test", {{"text", std::string(200, 'x')}})).value();
    });
  }
  // 50 rounds write more than 10 MiB into the log; it is used over and over.
  EXPECT_LT(std::filesystem::file_size(database().string() + "-wal"), options.most_log_bytes + (1U << 20));
}

TEST_F(LedgerTest, RegistrationsAnswersAndValues) {
  must([](Transaction& tx) {
    EXPECT_FALSE(tx.current_registration());
    tx.put_registration({"pem 1", "f1", "24-1", std::nullopt, "", WallTime{5}, 0, std::nullopt, ""});
    tx.put_registration({"pem 2", "f2", "", WallTime{9}, "note", WallTime{6}, 7, std::nullopt, ""});
    EXPECT_EQ(tx.current_registration()->fingerprint, "f2");
    EXPECT_TRUE(tx.set_grace("f2", WallTime{77}, "https://example.com/notice"));
    EXPECT_EQ(tx.set_grace("f3", WallTime{77}, "").error().code, Errc::not_found);
    EXPECT_EQ(tx.current_registration()->grace_until, WallTime{77});
    ASSERT_EQ(tx.registration_history().size(), 2U);
    EXPECT_EQ(tx.registration_history()[0].certificate_pem, "pem 1");

    Sha256 digest{};
    digest[31] = 7;
    tx.store_answer({1000, "key", digest, 201, "{}", WallTime{100}});
    EXPECT_FALSE(tx.stored_answer(1001, "key"));
    EXPECT_EQ(tx.stored_answer(1000, "key")->request_digest, digest);
    EXPECT_EQ(tx.stored_answer(1000, "key")->status, 201U);
    EXPECT_EQ(tx.prune_answers(WallTime{100}), 0U);
    EXPECT_EQ(tx.prune_answers(WallTime{101}), 1U);
    EXPECT_FALSE(tx.stored_answer(1000, "key"));
  });
}

}  // namespace
}  // namespace sanad::ledger
