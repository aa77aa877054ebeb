#pragma once
// Keeps the write-ahead log short: chooses when its pages are moved into the database file, in the background or at once.
// Storage thread only. Those that take a Store throw SQLite::Exception on storage trouble.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "control/ledger/background_checkpoint.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {

// See LedgerOptions.
struct WalLimits {
  std::uint64_t checkpoint_bytes;
  std::uint64_t most_log_bytes;
};

class WalUpkeep final {
 public:
  // `ended` is called on the background's thread when a run there has ended: call look_after() then.
  WalUpkeep(const std::filesystem::path& database, const std::string& vfs, WalLimits limits, std::function<void()> ended)
      : limits_(limits), checkpoint_(database, vfs, std::move(ended)) {}

  // After writing only: where another process reads, nothing helps, and trying again at once would not end.
  void after_writing(Store& store);
  // Nobody waits: the moment to let the log begin anew.
  void when_idle(Store& store);
  // Why the run in the background failed that has ended since the last call.
  std::optional<BackgroundCheckpoint::Failure> look_after();
  // Before the database is closed, or its log emptied: waits for the run under way; two at a time refuse each other.
  void stop();

 private:
  void move_now(Store& store);

  const WalLimits limits_;
  std::uint64_t moved_bytes_ = 0;  // by runs in the background since the log began anew
  BackgroundCheckpoint checkpoint_;
};

}  // namespace sanad::ledger
