#include "control/service/recorder.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <iterator>
#include <utility>

#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"
#include "gateway/sessions/session_id.hpp"

namespace sanad::service {
namespace {

// Number of the latest batch that became durable. One is under way at a time, so one is enough to know.
constexpr const char* kMetaRecorded = "recorded_batch";

}  // namespace

Recorder::Recorder(boost::asio::io_context& loop, ledger::Ledger& ledger, std::size_t max_held)
    : loop_(loop), ledger_(ledger), retry_(loop), max_held_(max_held), run_(hex_encode(sessions::new_session_id())) {}

void Recorder::record(std::size_t weight, Job job, std::function<void(bool)> settled) {
  batches_.push_back(std::make_shared<Batch>(
      Batch{run_ + "-" + std::to_string(next_number_++), weight, std::move(job), std::move(settled), now().wall}));
  held_ += weight;
  while (held_ > max_held_ && batches_.size() > 2) drop_oldest();
  if (state_ == State::idle) send_head();
}

// The head may be durable already without our knowing, so the one behind it is the oldest that can be given up.
void Recorder::drop_oldest() {
  const auto victim = std::next(batches_.begin());
  auto batch = std::move(*victim);
  batches_.erase(victim);
  held_ -= batch->weight;
  lose(*batch);
}

void Recorder::lose(const Batch& batch) {
  if (lost_.count == 0) lost_.from = batch.queued;
  lost_.to = batch.queued;
  lost_.count += batch.weight;
  // Posted: whoever records is in the middle of something.
  if (batch.settled) boost::asio::post(loop_, [settled = batch.settled] { settled(false); });
}

void Recorder::send_head() {
  if (batches_.empty()) {
    state_ = State::idle;
    for (auto& waiter : std::exchange(idle_waiters_, {})) waiter();
    return;
  }
  state_ = State::sending;
  auto batch = batches_.front();
  if (!batch->before) batch->before = lost_;
  ledger_.submit<void>(
      [batch, tell = lost_record_](ledger::Transaction& txn) -> Result<void> {
        if (txn.meta(kMetaRecorded) == batch->number) return {};
        const Lost& lost = *batch->before;
        if (lost.count > 0 && tell)
          if (auto told = tell(txn, lost.count, lost.from, lost.to); !told) return told.error();
        if (auto done = batch->job(txn); !done) return done;
        txn.set_meta(kMetaRecorded, batch->number);
        return {};
      },
      [this, &loop = loop_](Result<void> result) {
        boost::asio::post(loop, [this, result = std::move(result)] { finished(result); });
      });
}

void Recorder::finished(const Result<void>& result) {
  // A batch that the ledger refuses for what it says (not because it cannot write) would block all behind it for ever: it is
  // a bug of ours, told loudly, and given up.
  if (!result && (result.error().code == Errc::unavailable || result.error().code == Errc::io)) {
    state_ = State::waiting;
    retry_.expires_after(std::chrono::seconds{1});
    retry_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) send_head();
    });
    return;
  }
  auto batch = std::move(batches_.front());
  batches_.pop_front();
  held_ -= batch->weight;
  if (result) {
    lost_.count -= batch->before->count;
    // Still `sending`: what it records itself waits its turn.
    if (batch->settled) batch->settled(true);
  } else {
    log::error("an observation could not be recorded: {}", result.error().message);
    lose(*batch);
  }
  send_head();
}

void Recorder::when_idle(std::function<void()> idle) {
  if (batches_.empty()) return idle();
  idle_waiters_.push_back(std::move(idle));
}

}  // namespace sanad::service
