#pragma once
// When to read a device because of hints. Pure.
//
// A hint is worth a reading soon: after kSettle, in which the packet that completed the handshake is counted and others arrive
// that are seen by the same reading. But a reading of a big device takes long, and a storm of handshakes must not make one follow
// another: a reading because of hints begins only when kShare - 1 times as long has passed as the one before took.

#include <algorithm>
#include <chrono>
#include <optional>

#include "gateway/base/clock.hpp"

namespace sanad::hints {

class Pacer {
 public:
  static constexpr std::chrono::milliseconds kSettle{2};
  static constexpr int kShare = 10;

  // Something is to be seen since `at`.
  void hint(BootTime at) {
    if (!first_) first_ = at;
    latest_ = std::max(latest_, at);
  }
  // A reading, whatever for, began and was dealt with then. It answers the hints from before it.
  void looked(BootTime began, BootTime ended) {
    free_at_ = ended + (kShare - 1) * (ended - began);
    if (!first_) return;
    if (latest_ < began)
      first_.reset();
    else
      first_ = latest_;
  }
  // When a reading because of hints may begin, in the past too; unset: there is nothing to see.
  [[nodiscard]] std::optional<BootTime> due() const {
    if (!first_) return std::nullopt;
    return std::max(*first_ + kSettle, free_at_);
  }

 private:
  std::optional<BootTime> first_;
  BootTime latest_;
  BootTime free_at_;
};

}  // namespace sanad::hints
