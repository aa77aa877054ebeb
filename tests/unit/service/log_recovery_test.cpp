#include "control/service/log_recovery.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "control/audit/key_following.hpp"
#include "control/audit/origin.hpp"
#include "control/audit/verifier.hpp"
#include "control/service/log_key_file.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

namespace fs = std::filesystem;
using testing::ask;
using testing::change;

// A state directory that is written, copied as a backup would be, written on, and put back in part.
class LogRecoveryTest : public ::testing::Test {
 protected:
  // Everything published when it returns.
  void run(std::size_t records, bool rotate = false) {
    const Open open(state());
    if (rotate) {
      std::promise<Result<RotatedKey>> answer;
      open.log->rotate_key(std::nullopt, [&](Result<RotatedKey> done) { answer.set_value(std::move(done)); });
      ASSERT_TRUE(answer.get_future().get());
    }
    ASSERT_TRUE(change<void>(*open.ledger, [records](ledger::Transaction& txn) -> Result<void> {
      for (std::size_t i = 0; i < records; ++i) {
        if (auto index = txn.append(audit::own_event({}, now().wall, "test", {})); !index) return std::move(index).error();
      }
      return {};
    }));
  }
  // Committed, and not published.
  void commit_only(std::size_t records) {
    CommitSignal signal;
    auto ledger = ledger::Ledger::open(state() / "state.db", {});
    ASSERT_TRUE(ledger);
    ASSERT_TRUE(change<void>(**ledger, [records](ledger::Transaction& txn) -> Result<void> {
      for (std::size_t i = 0; i < records; ++i) {
        if (auto index = txn.append(audit::own_event({}, now().wall, "late", {})); !index) return std::move(index).error();
      }
      return {};
    }));
  }
  void back_up() {
    fs::remove_all(backup());
    fs::copy(state(), backup(), fs::copy_options::recursive);
  }
  void put_back(const std::vector<std::string>& names) {
    for (const auto& name : names) {
      fs::remove_all(state() / name);
      if (fs::exists(backup() / name)) fs::copy(backup() / name, state() / name, fs::copy_options::recursive);
    }
  }
  const std::vector<std::string> database_{"state.db", "state.db-wal", "state.db-shm"};

  [[nodiscard]] Result<Recovery> recover() {
    auto ledger = ledger::Ledger::open(state() / "state.db", {});
    if (!ledger) return std::move(ledger).error();
    audit::Actor actor;
    actor.uid = 4711;
    actor.user_name = "root";
    actor.role = "admin";
    return recover_log(**ledger, {state(), "gw-1", actor});
  }
  [[nodiscard]] Result<void> try_start() {
    CommitSignal signal;
    auto ledger = ledger::Ledger::open(state() / "state.db", {});
    if (!ledger) return std::move(ledger).error();
    auto log = PublishedLog::open(**ledger, signal, {state(), "gw-1"});
    if (!log) return std::move(log).error();
    return {};
  }
  [[nodiscard]] audit::VerifiedLog verified(const fs::path& log) {
    auto verdict = audit::verify_log(audit::LogReader(log), {});
    EXPECT_TRUE(verdict) << verdict.error().message;
    return verdict ? *verdict : audit::VerifiedLog{};
  }
  [[nodiscard]] fs::path state() const { return directory_.path() / "state"; }
  [[nodiscard]] fs::path backup() const { return directory_.path() / "backup"; }
  [[nodiscard]] fs::path log() const { return log_directory(state()); }

  // The old history is where the recovery says, byte for byte; the new one goes on with the next record, verifies, and says so.
  void expect_fork(const Recovery& recovery, std::uint64_t first, const std::string& old_checkpoint) {
    ASSERT_EQ(recovery.what, Recovery::What::forked);
    const auto kept = read_file(recovery.kept / "checkpoint", 1U << 20U);
    EXPECT_EQ(kept ? *kept : std::string(), old_checkpoint);
    EXPECT_EQ(recovery.origin, "sanad/gw-1/from-" + std::to_string(first));
    EXPECT_EQ(recovery.evidence, first + 1);
    ASSERT_NO_FATAL_FAILURE(run(700));
    const auto log_now = verified(log());
    EXPECT_EQ(log_now.first_record, first);
    EXPECT_EQ(log_now.checkpoint.size, 702U);
    const Open open(state());
    const auto leaves = ask<std::vector<ledger::StoredLeaf>>(
        *open.ledger, [this](ledger::Transaction& txn) { return read_leaves(txn, log(), 0, 1'000); });
    ASSERT_TRUE(leaves) << leaves.error().message;
    ASSERT_EQ(leaves->size(), 702U);
    EXPECT_EQ(leaves->front().index, first);
    EXPECT_NE(leaves->at(1).bytes.find("\"action\":\"fork\""), std::string::npos) << leaves->at(1).bytes;
    EXPECT_NE(leaves->at(1).bytes.find(recovery.kept.filename().string()), std::string::npos);
    EXPECT_EQ(leaves->at(1).bytes.find("\"root\""), std::string::npos) << "a name in a leaf";
  }

  struct Open {
    explicit Open(const fs::path& state) {
      fs::create_directories(state);
      ledger::LedgerOptions options;
      options.on_commit = [this](std::uint64_t, std::uint64_t) { signal.raise(); };
      ledger = ledger::Ledger::open(state / "state.db", std::move(options)).value();
      log = PublishedLog::open(*ledger, signal, {state, "gw-1", std::chrono::days{30}, std::chrono::milliseconds{5}}).value();
    }
    CommitSignal signal;
    std::unique_ptr<ledger::Ledger> ledger;
    std::unique_ptr<PublishedLog> log;
  };
  testing::TempDirectory directory_;
};

TEST_F(LogRecoveryTest, WhereNothingIsWrongNothingIsDone) {
  run(300);
  const auto before = read_file(log() / "checkpoint", 1U << 20U).value();
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  EXPECT_EQ(recovery->what, Recovery::What::nothing);
  EXPECT_EQ(read_file(log() / "checkpoint", 1U << 20U).value(), before);
}

TEST_F(LogRecoveryTest, AnOlderDatabaseTakesUpWhereTheLogEnds) {
  for (const bool rotated : {false, true}) {
    fs::remove_all(state());
    run(300);
    back_up();
    run(400, rotated);
    const auto size = verified(log()).checkpoint.size;
    put_back(database_);
    ASSERT_FALSE(try_start());
    const auto recovery = recover();
    ASSERT_TRUE(recovery) << recovery.error().message;
    EXPECT_EQ(recovery->what, Recovery::What::adopted) << recovery->why;
    EXPECT_EQ(recovery->evidence, size);
    run(10);
    const auto after = verified(log());
    EXPECT_EQ(after.checkpoint.origin, "sanad/gw-1");
    EXPECT_EQ(after.epochs.size(), rotated ? 2U : 1U);
    EXPECT_GE(after.checkpoint.size, size + 11);
    EXPECT_EQ(recover()->what, Recovery::What::nothing);
  }
}

TEST_F(LogRecoveryTest, ALostDatabaseTakesUpWhereTheLogEnds) {
  run(300);
  run(5, true);
  const auto size = verified(log()).checkpoint.size;
  for (const auto& name : database_) fs::remove(state() / name);
  ASSERT_FALSE(try_start());
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  EXPECT_EQ(recovery->what, Recovery::What::adopted) << recovery->why;
  run(1);
  EXPECT_GT(verified(log()).checkpoint.size, size);
}

TEST_F(LogRecoveryTest, AnOlderLogIsKeptAndAnotherBegins) {
  run(300);
  back_up();
  run(400);
  put_back({"log"});
  const auto old = read_file(log() / "checkpoint", 1U << 20U).value();
  const auto refused = try_start();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().hint.find("sanad log recover"), std::string::npos) << refused.error().hint;
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  ASSERT_NO_FATAL_FAILURE(expect_fork(*recovery, 701, old));
  EXPECT_EQ(verified(recovery->kept).checkpoint.size, 301U);
  EXPECT_FALSE(fs::exists(LogKeyFile(state(), 1).path())) << "the key of the log that was left can still sign";
}

TEST_F(LogRecoveryTest, ALostLogIsSaidToBeLost) {
  run(400);
  fs::remove_all(log());
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  ASSERT_NO_FATAL_FAILURE(expect_fork(*recovery, 401, ""));
}

TEST_F(LogRecoveryTest, BothFromDifferentCopiesAreBothKept) {
  run(300);
  back_up();
  run(300);
  const auto earlier = directory_.path() / "earlier";
  fs::copy(backup(), earlier, fs::copy_options::recursive);
  back_up();
  run(300);
  // state.db of the second copy, the log of the first: the log is behind.
  put_back(database_);
  fs::remove_all(log());
  fs::copy(earlier / "log", log(), fs::copy_options::recursive);
  const auto old = read_file(log() / "checkpoint", 1U << 20U).value();
  ASSERT_FALSE(try_start());
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  ASSERT_NO_FATAL_FAILURE(expect_fork(*recovery, 601, old));
}

TEST_F(LogRecoveryTest, WhatTheDatabaseStillHeldIsKeptBesideTheOldLog) {
  run(300);
  back_up();
  run(300);
  commit_only(7);
  put_back({"log"});
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  ASSERT_EQ(recovery->what, Recovery::What::forked);
  const auto kept = read_file(recovery->kept / "pending.ndjson", 1U << 24U).value();
  // What no full bundle holds is 512 to 607, the late ones last; and what was committed together with 512.
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '\n'), 307);
  std::size_t late = 0;
  for (std::size_t at = kept.find("\"name\":\"late\""); at != std::string::npos; at = kept.find("\"name\":\"late\"", at + 1))
    ++late;
  EXPECT_EQ(late, 7U);
}

TEST_F(LogRecoveryTest, ALogThatIsShortOfNoFullBundleIsMadeGoodWithoutRecovery) {
  run(300);
  back_up();
  run(10);
  put_back({"log"});
  EXPECT_TRUE(try_start());
  EXPECT_EQ(verified(log()).checkpoint.size, 311U);
}

TEST_F(LogRecoveryTest, ALogWithOtherRecordsIsNoContinuation) {
  run(300);
  back_up();
  run(50);
  const auto longer = read_file(log() / "checkpoint", 1U << 20U).value();
  // The same numbers again, with other records: a state.db that was put back, and used.
  const auto aside = directory_.path() / "aside";
  fs::rename(log(), aside);
  put_back({"log"});
  put_back(database_);
  run(20);
  fs::remove_all(log());
  fs::rename(aside, log());
  ASSERT_FALSE(try_start());
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  ASSERT_NO_FATAL_FAILURE(expect_fork(*recovery, 321, longer));
}

TEST_F(LogRecoveryTest, WithoutItsKeyALogCannotGoOn) {
  run(300);
  fs::remove(LogKeyFile(state(), 1).path());
  const auto old = read_file(log() / "checkpoint", 1U << 20U).value();
  const auto recovery = recover();
  ASSERT_TRUE(recovery) << recovery.error().message;
  ASSERT_NO_FATAL_FAILURE(expect_fork(*recovery, 301, old));
}

TEST(Origin, SaysWhereTheLogBegins) {
  EXPECT_EQ(audit::first_record_of("sanad/gw-1"), 0U);
  EXPECT_EQ(audit::first_record_of("sanad/gw-1/from-48211"), 48'211U);
  EXPECT_EQ(audit::first_record_of("sanad/gw-1/from-048211"), 0U);
  EXPECT_EQ(audit::first_record_of("sanad/from-7"), 7U);
  EXPECT_EQ(audit::origin_from("sanad/gw-1", 9), "sanad/gw-1/from-9");
  EXPECT_EQ(audit::origin_from("sanad/gw-1/from-9", 12), "sanad/gw-1/from-12");
}

}  // namespace
}  // namespace sanad::service
