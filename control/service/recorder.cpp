#include "control/service/recorder.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "gateway/base/log.hpp"

namespace sanad::service {

Recorder::Recorder(boost::asio::io_context& loop, ledger::Ledger& ledger) : loop_(loop), ledger_(ledger), retry_(loop) {}

void Recorder::record(std::size_t weight, Job job, std::function<void()> committed) {
  batches_.push_back(std::make_shared<Batch>(Batch{weight, std::move(job), std::move(committed), now().wall}));
  held_ += weight;
  while (held_ > kMaxHeld && batches_.size() > 2) drop_oldest();
  if (!sending_) send_head();
}

void Recorder::drop_oldest() {
  // The head may be under way; the one behind it is the oldest that can still be given up.
  const auto victim = sending_ ? std::next(batches_.begin()) : batches_.begin();
  if (lost_ == 0) lost_from_ = (*victim)->queued;
  lost_to_ = (*victim)->queued;
  lost_ += (*victim)->weight;
  held_ -= (*victim)->weight;
  batches_.erase(victim);
}

void Recorder::send_head() {
  if (batches_.empty()) {
    for (auto& waiter : std::exchange(idle_waiters_, {})) waiter();
    return;
  }
  sending_ = true;
  auto batch = batches_.front();
  ledger_.submit<void>(
      [batch, lost = lost_, from = lost_from_, to = lost_to_, tell = lost_record_](ledger::Transaction& txn) -> Result<void> {
        if (lost > 0 && tell) {
          if (auto told = tell(txn, lost, from, to); !told) return told.error();
        }
        return batch->job(txn);
      },
      [this, lost = lost_](Result<void> result) {
        boost::asio::post(loop_, [this, lost, result = std::move(result)] {
          if (result) lost_ -= lost;
          finished(result);
        });
      });
}

void Recorder::finished(const Result<void>& result) {
  sending_ = false;
  // A batch that the ledger refuses for what it says (not because it cannot write) would block all behind it for ever: it is
  // a bug of ours, told loudly, and given up.
  const bool retry = !result && (result.error().code == Errc::unavailable || result.error().code == Errc::io);
  if (retry) {
    retry_.expires_after(std::chrono::seconds{1});
    retry_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec && !sending_) send_head();
    });
    return;
  }
  auto batch = std::move(batches_.front());
  batches_.pop_front();
  held_ -= batch->weight;
  if (result) {
    if (batch->committed) batch->committed();
  } else {
    log::error("an observation could not be recorded: {}", result.error().message);
  }
  send_head();
}

void Recorder::when_idle(std::function<void()> idle) {
  if (batches_.empty()) return idle();
  idle_waiters_.push_back(std::move(idle));
}

}  // namespace sanad::service
