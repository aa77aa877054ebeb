#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/ledger/ledger.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

// Writes what was observed, in the order it was observed, and holds it while storage cannot write.
//
// Failure policy: a batch that storage refuses stays at the head and is tried again once a second; what comes later waits
// behind it. What waits is bounded by kMaxHeld events; beyond, the oldest batch is dropped and counted, and the count is
// recorded as the first thing once writing works again (the gap is itself a record).
//
// Loop thread only.
class Recorder {
 public:
  // Runs on the storage thread inside one transaction; may be run again after a failure, so it must not move from what it
  // captured.
  using Job = std::function<Result<void>(ledger::Transaction&)>;

  Recorder(boost::asio::io_context& loop, ledger::Ledger& ledger);

  // `weight`: how many events it holds, for the bound. `committed` runs on the loop thread once durable; not at all when
  // the batch had to be dropped.
  void record(std::size_t weight, Job job, std::function<void()> committed = {});

  [[nodiscard]] std::size_t held() const { return held_; }
  // When nothing is waiting. Used at stop: `idle` runs at once or after the last batch became durable.
  void when_idle(std::function<void()> idle);

  // How a dropped batch is told: builds the record of `count` lost events between two times.
  using LostRecord = std::function<Result<void>(ledger::Transaction&, std::uint64_t count, WallTime from, WallTime to)>;
  void on_lost(LostRecord record) { lost_record_ = std::move(record); }

 private:
  struct Batch {
    std::size_t weight;
    Job job;
    std::function<void()> committed;
    WallTime queued;
  };
  void send_head();
  void finished(const Result<void>& result);
  void drop_oldest();

  static constexpr std::size_t kMaxHeld = 200'000;

  boost::asio::io_context& loop_;
  ledger::Ledger& ledger_;
  boost::asio::steady_timer retry_;
  std::deque<std::shared_ptr<Batch>> batches_;  // shared: the head is also held by the job under way on the storage thread
  bool sending_ = false;
  std::size_t held_ = 0;
  std::uint64_t lost_ = 0;
  WallTime lost_from_;
  WallTime lost_to_;
  LostRecord lost_record_;
  std::vector<std::function<void()>> idle_waiters_;
};

}  // namespace sanad::service
