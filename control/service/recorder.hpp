#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
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
// behind it. A batch that was refused may have become durable after all (see Ledger): each carries its number into the
// transaction, so that it is never written twice. What waits is bounded by kMaxHeld events; beyond, the oldest batch behind the
// head is dropped and counted, and the count is recorded as the first thing once writing works again (the gap is itself a
// record). A batch that is refused for what it says, which is a bug of ours, is counted as lost likewise.
//
// Loop thread only.
class Recorder {
 public:
  // Runs on the storage thread inside one transaction; may be run again after a failure, so it must not move from what it
  // captured.
  using Job = std::function<Result<void>(ledger::Transaction&)>;

  static constexpr std::size_t kMaxHeld = 200'000;

  // `max_held`: the bound; tests make it small.
  Recorder(boost::asio::io_context& loop, ledger::Ledger& ledger, std::size_t max_held = kMaxHeld);

  // `weight`: how many events and rows it holds, for the bound. `settled` runs once, on the loop thread, later than this call:
  // true when the batch is durable, false when it was given up.
  void record(std::size_t weight, Job job, std::function<void(bool durable)> settled = {});

  [[nodiscard]] std::size_t held() const { return held_; }
  // When nothing is waiting. Used at stop: `idle` runs at once or after the last batch became durable.
  void when_idle(std::function<void()> idle);

  // How a dropped batch is told: builds the record of `count` lost events between two times.
  using LostRecord = std::function<Result<void>(ledger::Transaction&, std::uint64_t count, WallTime from, WallTime to)>;
  void on_lost(LostRecord record) { lost_record_ = std::move(record); }

 private:
  struct Lost {
    std::uint64_t count = 0;
    WallTime from;
    WallTime to;
  };
  struct Batch {
    std::string number;  // unique for ever
    std::size_t weight;
    Job job;
    std::function<void(bool)> settled;
    WallTime queued;
    std::optional<Lost> before{};  // what was lost before it, as told by its first attempt
  };
  enum class State { idle, sending, waiting };  // waiting: for the next attempt
  void send_head();
  void finished(const Result<void>& result);
  void drop_oldest();
  void lose(const Batch& batch);

  boost::asio::io_context& loop_;
  ledger::Ledger& ledger_;
  boost::asio::steady_timer retry_;
  std::deque<std::shared_ptr<Batch>> batches_;  // shared: the head is also held by the job under way on the storage thread
  std::size_t max_held_;
  std::string run_;  // first half of this run's batch numbers
  std::uint64_t next_number_ = 1;
  State state_ = State::idle;
  std::size_t held_ = 0;
  Lost lost_;
  LostRecord lost_record_;
  std::vector<std::function<void()>> idle_waiters_;
};

}  // namespace sanad::service
