#pragma once
// The moments at which peers were read. All peers of one snapshot share one, so a peer keeps its number: 4 bytes instead of 16.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gateway/base/clock.hpp"

namespace sanad::sessions {

class SampleTimes {
 public:
  using Id = std::uint32_t;

  [[nodiscard]] const Instant& operator[](Id id) const { return times_[id]; }

  // The number of a moment; the latest few are recognised.
  Id note(const Instant& time) {
    const std::size_t from = times_.size() - std::min<std::size_t>(times_.size(), kRecognised);
    for (std::size_t i = times_.size(); i > from; --i)
      if (times_[i - 1] == time) return static_cast<Id>(i - 1);
    times_.push_back(time);
    return static_cast<Id>(times_.size() - 1);
  }

  // So many have gathered that it is worth going through all peers for those still in use.
  [[nodiscard]] bool crowded() const { return times_.size() >= limit_; }
  // `for_each_id(f)` calls f(Id&) for every number in use; they are changed.
  template <class ForEachId>
  void compact(const ForEachId& for_each_id) {
    std::vector<Id> moved(times_.size(), kUnused);
    std::vector<Instant> kept;
    for_each_id([&](Id& id) {
      if (moved[id] == kUnused) {
        moved[id] = static_cast<Id>(kept.size());
        kept.push_back(times_[id]);
      }
      id = moved[id];
    });
    times_ = std::move(kept);
    limit_ = std::max(kLimit, times_.size() * 2);
  }

 private:
  static constexpr std::size_t kRecognised = 4;
  static constexpr std::size_t kLimit = 4096;  // half a day of polls at the default interval
  static constexpr Id kUnused = 0xFFFFFFFF;
  std::vector<Instant> times_;
  std::size_t limit_ = kLimit;
};

}  // namespace sanad::sessions
