#include "control/ledger/recent_leaves.hpp"

#include <utility>

namespace sanad::ledger {

void RecentLeaves::add(std::uint64_t first, std::vector<std::string> leaves) {
  if (leaves.empty()) return;
  const std::lock_guard lock(mutex_);
  if (first != first_ + leaves_.size()) {
    leaves_.clear();
    first_ = first;
    bytes_ = 0;
  }
  for (auto& leaf : leaves) {
    bytes_ += leaf.size();
    leaves_.push_back(std::move(leaf));
  }
  while (bytes_ > most_bytes_) forget_first();
}

std::vector<std::string> RecentLeaves::take(std::uint64_t from, std::size_t limit) {
  std::vector<std::string> out;
  const std::lock_guard lock(mutex_);
  if (from < first_) return out;
  while (!leaves_.empty() && first_ < from) forget_first();
  while (!leaves_.empty() && out.size() < limit) {
    out.push_back(std::move(leaves_.front()));
    bytes_ -= out.back().size();
    leaves_.pop_front();
    ++first_;
  }
  return out;
}

void RecentLeaves::forget_first() {
  bytes_ -= leaves_.front().size();
  leaves_.pop_front();
  ++first_;
}

}  // namespace sanad::ledger
