#include "control/ledger/wal_upkeep.hpp"

namespace sanad::ledger {
namespace {

// By the storage thread while others wait: a few milliseconds.
constexpr std::uint64_t kMovedHere = 2U << 20;

}  // namespace

void WalUpkeep::after_writing(Store& store) {
  const std::uint64_t bytes = store.uncheckpointed_bytes();
  if (bytes < moved_bytes_) moved_bytes_ = 0;  // it began anew
  // Never two at a time: SQLite before 3.51.3 can lose pages when one begins while the other's end lets the log begin anew
  // (https://sqlite.org/wal.html#walresetbug). The log waits for the one under way.
  if (checkpoint_.running()) return;
  const std::uint64_t left = bytes - moved_bytes_;
  const bool long_enough = bytes >= limits_.most_log_bytes;
  // Run after run in the background, each shorter than the last, until what is left is no more than a commit or two.
  if (long_enough && (left <= kMovedHere || bytes >= 2 * limits_.most_log_bytes)) {
    move_now(store);
  } else if ((long_enough || left >= limits_.checkpoint_bytes) && checkpoint_.start()) {
    moved_bytes_ = bytes;
  }
}

void WalUpkeep::when_idle(Store& store) {
  if (!checkpoint_.running() && store.uncheckpointed_bytes() >= limits_.checkpoint_bytes) move_now(store);
}

std::optional<BackgroundCheckpoint::Failure> WalUpkeep::look_after() {
  if (!checkpoint_.take_ended()) return std::nullopt;
  return checkpoint_.take_failure();
}

void WalUpkeep::stop() {
  checkpoint_.stop();
  moved_bytes_ = 0;
}

void WalUpkeep::move_now(Store& store) {
  moved_bytes_ = store.uncheckpointed_bytes();
  store.checkpoint();
  if (store.uncheckpointed_bytes() == 0) moved_bytes_ = 0;
}

}  // namespace sanad::ledger
