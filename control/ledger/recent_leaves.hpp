#pragma once
// Leaves on their way from the commit to the publisher, by a shorter way than through the database.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace sanad::ledger {

// Any thread. Bounded: when nobody takes them, the oldest are forgotten.
class RecentLeaves {
 public:
  explicit RecentLeaves(std::size_t most_bytes = 16U << 20) : most_bytes_(most_bytes) {}

  // `first`: the index of leaves[0]. Durable already. When they do not follow what is kept, that is forgotten.
  void add(std::uint64_t first, std::vector<std::string> leaves);
  // From `from` on, without a gap; empty when `from` is not kept. Forgets those below and those given.
  std::vector<std::string> take(std::uint64_t from, std::size_t limit);

 private:
  void forget_first();

  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::deque<std::string> leaves_;  // guarded by mutex_
  std::uint64_t first_ = 0;         // guarded by mutex_: the index of leaves_.front()
  std::size_t bytes_ = 0;           // guarded by mutex_
};

}  // namespace sanad::ledger
