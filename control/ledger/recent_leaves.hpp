#pragma once
// Leaves on their way from the commit to the publisher, by a shorter way than through the database.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/ledger/leaf_run.hpp"

namespace sanad::ledger {

// Any thread. Bounded: when nobody takes them, the oldest commits' are forgotten.
class RecentLeaves {
 public:
  // What a burst makes in a second, by when the publisher has it: what it must read back from the database, every commit waits
  // for.
  static constexpr std::size_t kMostBytes = 64U << 20;
  explicit RecentLeaves(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

  // `first`: the index of leaves[0]. Durable already. When they do not follow what is kept, that is forgotten.
  void add(std::uint64_t first, LeafRun leaves);
  // From `from` on, without a gap; empty when `from` is not kept. Forgets those below and those given.
  std::vector<std::string> take(std::uint64_t from, std::size_t limit);

 private:
  struct Part {
    std::shared_ptr<const LeafRun> run;
    std::size_t from;
    std::size_t to;
  };
  std::vector<Part> take_parts(std::uint64_t from, std::size_t limit);
  void skip(std::size_t count);
  void forget_first_run();

  const std::size_t most_bytes_;
  std::mutex mutex_;
  // Shared with whoever copies leaves out of them without the lock: the thread that commits must not wait for that.
  std::deque<std::shared_ptr<const LeafRun>> runs_;  // guarded by mutex_
  std::uint64_t first_ = 0;                          // guarded by mutex_: the index of (*runs_.front())[skipped_]
  std::size_t skipped_ = 0;                          // guarded by mutex_: leaves of the first run that were forgotten already
  std::uint64_t next_ = 0;                           // guarded by mutex_: the index that follows the last
  std::size_t bytes_ = 0;                            // guarded by mutex_
};

}  // namespace sanad::ledger
