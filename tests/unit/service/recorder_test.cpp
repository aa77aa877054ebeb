// Observations reach the ledger in order, once, also when the disk fails in between.

#include "control/service/recorder.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "control/audit/ocsf.hpp"
#include "tests/fakes/faulty_vfs.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using testing::count_containing;
using testing::leaves;

class RecorderTest : public ::testing::Test {
 protected:
  RecorderTest() {
    faults_.clear();
    ledger::LedgerOptions options;
    options.vfs = "faulty";
    options.retry_interval = std::chrono::nanoseconds{0};
    auto opened = ledger::Ledger::open(directory_.path() / "state.db", std::move(options));
    if (!opened) throw std::runtime_error(opened.error().message);
    ledger_ = std::move(*opened);
  }
  ~RecorderTest() override {
    faults_.clear();
    ledger_.reset();
  }

  static Recorder::Job job(int number) {
    return [number](ledger::Transaction& txn) -> Result<void> {
      auto index = txn.append(audit::own_event({.gateway_id = "test"}, txn.now().wall, "number_" + std::to_string(number), {}));
      if (!index) return index.error();
      return {};
    };
  }
  void break_disk() {
    faults_.code = SQLITE_IOERR_FSYNC;
    faults_.lasting = true;
    faults_.syncs_left = 0;
  }
  bool run(const std::function<bool()>& condition) { return testing::run_until(loop_, condition); }
  bool drained(Recorder& recorder) {
    bool idle = false;
    recorder.when_idle([&idle] { idle = true; });
    return run([&idle] { return idle; });
  }
  // The numbers in the order of their leaves.
  std::vector<int> recorded() {
    std::vector<int> out;
    for (const auto& leaf : leaves(*ledger_))
      if (const auto at = leaf.find("number_"); at != std::string::npos) out.push_back(std::stoi(leaf.substr(at + 7)));
    return out;
  }

  fakes::Faults& faults_ = fakes::faulty_vfs();
  testing::TempDirectory directory_;
  boost::asio::io_context loop_{1};
  std::unique_ptr<ledger::Ledger> ledger_;
};

TEST_F(RecorderTest, KeepsTheOrderAndTellsWhenDurable) {
  Recorder recorder(loop_, *ledger_);
  std::vector<int> settled;
  for (int i = 0; i < 20; ++i)
    recorder.record(1, job(i), [&settled, i](bool durable) {
      EXPECT_TRUE(durable);
      settled.push_back(i);
    });
  ASSERT_TRUE(drained(recorder));
  EXPECT_EQ(settled.size(), 20U);
  EXPECT_EQ(recorded(), settled);
  EXPECT_EQ(recorder.held(), 0U);
}

TEST_F(RecorderTest, WhatARecordCausesIsRecordedOnce) {
  Recorder recorder(loop_, *ledger_);
  recorder.record(1, job(0), [&recorder](bool) { recorder.record(1, job(2)); });
  recorder.record(1, job(1), [&recorder](bool) { recorder.record(1, job(3)); });
  ASSERT_TRUE(drained(recorder));
  EXPECT_EQ(recorded(), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(RecorderTest, RefusedBatchesAreTriedAgainInOrder) {
  Recorder recorder(loop_, *ledger_);
  break_disk();
  for (int i = 0; i < 5; ++i) recorder.record(1, job(i));
  ASSERT_TRUE(run([this] { return faults_.happened > 0; }));
  EXPECT_EQ(recorder.held(), 5U);
  faults_.clear();
  ASSERT_TRUE(drained(recorder));
  EXPECT_EQ(recorded(), (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(RecorderTest, ABatchThatBecameDurableAllTheSameIsNotDoubled) {
  Recorder recorder(loop_, *ledger_);
  // One sync fails after the commit was written: the ledger says "unavailable" and finds the commit when it opens the file again.
  for (int i = 0; i < 10; ++i) {
    faults_.code = SQLITE_IOERR_FSYNC;
    faults_.lasting = false;
    faults_.syncs_left = 0;
    recorder.record(1, job(i));
    ASSERT_TRUE(drained(recorder));
  }
  EXPECT_GT(faults_.happened, 0);
  EXPECT_EQ(recorded(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(RecorderTest, BoundedAndTheGapIsARecord) {
  Recorder recorder(loop_, *ledger_, 10);
  recorder.on_lost([](ledger::Transaction& txn, std::uint64_t count, WallTime from, WallTime to) -> Result<void> {
    EXPECT_LE(from, to);
    auto index = txn.append(audit::own_event({.gateway_id = "test"}, txn.now().wall, "lost_" + std::to_string(count), {}));
    if (!index) return index.error();
    return {};
  });
  break_disk();
  std::vector<int> given_up;
  for (int i = 0; i < 8; ++i)
    recorder.record(3, job(i), [&given_up, i](bool durable) {
      if (!durable) given_up.push_back(i);
    });
  EXPECT_LE(recorder.held(), 10U);
  ASSERT_TRUE(run([&given_up] { return given_up.size() == 5; }));
  EXPECT_EQ(given_up, (std::vector<int>{1, 2, 3, 4, 5}));  // the head may be durable already: it stays
  ASSERT_TRUE(run([this] { return faults_.happened > 0; }));
  faults_.clear();
  ASSERT_TRUE(drained(recorder));
  EXPECT_EQ(recorded(), (std::vector<int>{0, 6, 7}));
  const auto all = leaves(*ledger_);
  EXPECT_EQ(count_containing(all, "lost_15"), 1U);
  EXPECT_EQ(count_containing(all, "lost_"), 1U);
}

TEST_F(RecorderTest, ABatchRefusedForWhatItSaysBlocksNobody) {
  Recorder recorder(loop_, *ledger_);
  std::uint64_t lost = 0;
  recorder.on_lost([&lost](ledger::Transaction&, std::uint64_t count, WallTime, WallTime) -> Result<void> {
    lost = count;
    return {};
  });
  std::optional<bool> told;
  recorder.record(
      4,
      [](ledger::Transaction&) -> Result<void> {
        return Error{Errc::invalid_argument, "nonsense"};
      },
      [&told](bool durable) { told = durable; });
  recorder.record(1, job(1));
  ASSERT_TRUE(drained(recorder));
  ASSERT_TRUE(run([&told] { return told.has_value(); }));
  EXPECT_FALSE(*told);
  EXPECT_EQ(recorded(), std::vector<int>{1});
  EXPECT_EQ(lost, 4U);
}

}  // namespace
}  // namespace sanad::service
