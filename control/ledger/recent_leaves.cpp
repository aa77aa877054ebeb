#include "control/ledger/recent_leaves.hpp"

#include <algorithm>
#include <utility>

namespace sanad::ledger {

void RecentLeaves::add(std::uint64_t first, LeafRun leaves) {
  if (leaves.empty()) return;
  const std::lock_guard lock(mutex_);
  if (first != next_) {
    runs_.clear();
    bytes_ = 0;
  }
  if (runs_.empty()) {
    first_ = first;
    skipped_ = 0;
  }
  next_ = first + leaves.size();
  bytes_ += leaves.bytes();
  runs_.push_back(std::make_shared<const LeafRun>(std::move(leaves)));
  while (bytes_ > most_bytes_) forget_first_run();
}

std::vector<std::string> RecentLeaves::take(std::uint64_t from, std::size_t limit) {
  std::vector<std::string> out;
  for (const Part& part : take_parts(from, limit)) {
    for (std::size_t i = part.from; i < part.to; ++i) out.emplace_back((*part.run)[i]);
  }
  return out;
}

std::vector<RecentLeaves::Part> RecentLeaves::take_parts(std::uint64_t from, std::size_t limit) {
  std::vector<Part> parts;
  const std::lock_guard lock(mutex_);
  if (from < first_) return parts;
  while (!runs_.empty() && limit > 0) {
    const auto& run = runs_.front();
    skip(std::min<std::uint64_t>(from - std::min(from, first_), run->size() - skipped_));
    const std::size_t count = std::min(limit, run->size() - skipped_);
    if (count > 0) parts.push_back({run, skipped_, skipped_ + count});
    limit -= count;
    skip(count);
    if (skipped_ == run->size()) forget_first_run();
  }
  return parts;
}

void RecentLeaves::skip(std::size_t count) {
  skipped_ += count;
  first_ += count;
}

void RecentLeaves::forget_first_run() {
  first_ += runs_.front()->size() - skipped_;
  skipped_ = 0;
  bytes_ -= runs_.front()->bytes();
  runs_.pop_front();
}

}  // namespace sanad::ledger
