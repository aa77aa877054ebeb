// The disk fails at every sync and every write in turn: what was acknowledged stays, what was not says so, and the ledger
// goes on once the disk does.

#include <sqlite3.h>

#include "tests/fakes/faulty_vfs.hpp"
#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

class LedgerFaults : public LedgerTest {
 protected:
  void SetUp() override {
    faults_.clear();
    reopen(options());
  }
  void TearDown() override {
    faults_.clear();
    LedgerTest::TearDown();
  }

  static LedgerOptions options() {
    LedgerOptions value;
    value.vfs = "faulty";
    value.retry_interval = std::chrono::nanoseconds{0};
    return value;
  }

  Result<PeerRecord> add(std::uint64_t n) {
    return change<PeerRecord>(ledger(), [n](Transaction& tx) -> Result<PeerRecord> {
      auto peer = add_peer(tx, n, {IpPrefix::host(tx.allocate({"wg0", IpPrefix::parse("10.0.0.0/8").value(), {}, {}}).value())});
      if (!peer) return peer;
      const auto leaf = tx.append(peer_event(*peer, audit::EntityVerb::create));
      if (!leaf) return leaf.error();
      return peer;
    });
  }

  // Adds peers until one is refused; all acknowledged ones must be there afterwards.
  void add_until_refused(std::uint64_t& next, std::vector<std::string>& acknowledged) {
    for (int i = 0; i < 100 && faults_.happened == 0; ++i) {
      const auto peer = add(next++);
      if (peer) {
        acknowledged.push_back(peer->id);
      } else {
        EXPECT_EQ(peer.error().code, Errc::unavailable) << peer.error().message;
        EXPECT_FALSE(peer.error().hint.empty());
      }
    }
    EXPECT_GT(faults_.happened, 0);
  }

  void expect_all(const std::vector<std::string>& acknowledged) {
    const auto checked = ask<void>(ledger(), [&acknowledged](Transaction& tx) -> Result<void> {
      for (const auto& id : acknowledged) EXPECT_TRUE(tx.find_peer(id)) << id;
      return {};
    });
    ASSERT_TRUE(checked) << checked.error().message;
  }

  fakes::Faults& faults_ = fakes::faulty_vfs();
};

TEST_F(LedgerFaults, APurgeThatFailsLosesNothingAndSucceedsLater) {
  const auto purge = [this] {
    std::promise<Result<void>> answer;
    ledger().purge([&answer](Result<void> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  };
  std::uint64_t next = 0;
  std::vector<std::string> acknowledged;
  for (const int code : {SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, SQLITE_IOERR_TRUNCATE, SQLITE_FULL}) {
    for (int after = 0; after < 3; ++after) {
      for (int i = 0; i < 5; ++i) acknowledged.push_back(add(next++).value().id);
      faults_.code = code;
      (code == SQLITE_IOERR_FSYNC ? faults_.syncs_left : faults_.writes_left) = after;
      const auto purged = purge();
      EXPECT_TRUE(purged || faults_.happened > 0) << purged.error().message;
      faults_.clear();
      ASSERT_NO_FATAL_FAILURE(expect_all(acknowledged));
    }
  }
  // The first commit after a failure makes it writable again.
  acknowledged.push_back(add(next++).value().id);
  ASSERT_TRUE(purge());
  reopen(options());
  expect_all(acknowledged);
}

TEST_F(LedgerFaults, EverySyncAndEveryWriteFailsOnce) {
  auto with_checkpoints = options();
  with_checkpoints.checkpoint_bytes = 100'000;  // every few changes
  std::uint64_t next = 0;
  std::vector<std::string> acknowledged;
  for (const int code : {SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, SQLITE_FULL}) {
    for (int nth = 0; nth < 30; ++nth) {
      SCOPED_TRACE("code " + std::to_string(code) + ", call " + std::to_string(nth));
      faults_.clear();
      reopen(with_checkpoints);
      faults_.code = code;
      (code == SQLITE_IOERR_FSYNC ? faults_.syncs_left : faults_.writes_left) = nth;
      add_until_refused(next, acknowledged);
      expect_all(acknowledged);
      const auto after = add(next++);
      ASSERT_TRUE(after) << after.error().message;
      acknowledged.push_back(after->id);
      // What failed in the background may be told after that answer; the next commit heals it as well.
      if (!ledger().state().writable) acknowledged.push_back(add(next++).value().id);
      EXPECT_TRUE(ledger().state().writable);
      check_ledger(database(), true);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(LedgerFaults, AFullDiskIsSaidAndReadingGoesOn) {
  const auto first = add(1).value();
  faults_.code = SQLITE_FULL;
  faults_.lasting = true;
  faults_.writes_left = 0;
  for (int i = 0; i < 3; ++i) {
    const auto refused = add(2);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    EXPECT_NE(refused.error().hint.find("free some space"), std::string::npos) << refused.error().hint;
  }
  EXPECT_FALSE(ledger().state().writable);
  EXPECT_NE(ledger().state().problem.find("full"), std::string::npos) << ledger().state().problem;
  EXPECT_EQ(ledger().state().leaves, 1U);
  expect_all({first.id});
  faults_.clear();
  EXPECT_TRUE(add(2));
  EXPECT_TRUE(ledger().state().writable);
  EXPECT_EQ(ledger().state().problem, "");
  check_ledger(database(), true);
}

TEST_F(LedgerFaults, EveryoneInAFailedBatchIsTold) {
  std::promise<void> entered;
  std::promise<void> gate;
  std::vector<std::promise<Result<void>>> answers(5);
  ledger().submit<void>(
      [&entered, &gate](Transaction&) -> Result<void> {
        entered.set_value();
        return gate.get_future().wait(), Result<void>{};
      },
      [](Result<void>) {});
  entered.get_future().wait();  // its batch is closed: the others make one of their own
  for (auto& answer : answers) {
    ledger().submit<void>([](Transaction& tx) -> Result<void> { return tx.set_meta("a", "b"), Result<void>{}; },
                          [&answer](Result<void> result) { answer.set_value(std::move(result)); });
  }
  ledger().submit<void>([](Transaction&) -> Result<void> { return Error{Errc::conflict, "its own error"}; }, [](Result<void>) {});
  faults_.code = SQLITE_IOERR_FSYNC;
  faults_.syncs_left = 0;
  gate.set_value();
  for (auto& answer : answers) EXPECT_EQ(answer.get_future().get().error().code, Errc::unavailable);
}

TEST_F(LedgerFaults, RetriesNoMoreOftenThanAsked) {
  auto patient = options();
  patient.retry_interval = std::chrono::hours{1};
  reopen(patient);
  faults_.code = SQLITE_IOERR_FSYNC;
  faults_.syncs_left = 0;
  EXPECT_FALSE(add(1));
  EXPECT_EQ(faults_.happened, 1);
  bool ran = false;
  const auto refused = change<void>(ledger(), [&ran](Transaction&) -> Result<void> { return ran = true, Result<void>{}; });
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_FALSE(ran);
  expect_all({});  // reading goes on
}

TEST_F(LedgerFaults, FewerLeavesThanAcknowledgedKeepsItClosed) {
  ASSERT_TRUE(add(1));
  faults_.code = SQLITE_IOERR_FSYNC;
  faults_.on_fault = [this] { std::filesystem::remove(database().string() + "-wal"); };
  faults_.syncs_left = 0;
  EXPECT_FALSE(add(2));
  EXPECT_NE(ledger().state().problem.find("1 records were acknowledged"), std::string::npos) << ledger().state().problem;
  EXPECT_EQ(add(3).error().code, Errc::unavailable);
  EXPECT_EQ(ask<void>(ledger(), [](Transaction&) -> Result<void> { return {}; }).error().code, Errc::unavailable);
  EXPECT_FALSE(ledger().state().writable);
}

}  // namespace
}  // namespace sanad::ledger
