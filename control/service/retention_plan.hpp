#pragma once
// What retention deletes at a moment, given the policy, the holds and what the log's bundles hold. Pure.

#include <cstdint>
#include <span>

#include "control/ledger/hold.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::service {

// What is personal of sessions that ended before it is past retention, and so are records made before it. 0 days: nothing is.
WallTime cutoff_of(WallTime now, std::int64_t policy_days);

// A full bundle of the log.
struct BundleTimes {
  std::uint64_t number = 0;
  std::span<const WallTime> records;  // each record's time
};
// Whether all of it is past retention and no hold on a time keeps any of it.
bool may_go(const BundleTimes& bundle, WallTime cutoff, std::span<const ledger::Hold> holds, WallTime now);

// The lowest record whose bundle is kept: where bundles begin that may not go, but never above what somebody needs.
// `first`: the log's first record, where bundles are counted from. `candidates`: how many bundles, from the one `minimum` begins,
// may go.
std::uint64_t new_minimum(std::uint64_t first, std::uint64_t minimum, std::uint64_t candidates, std::uint64_t lowest_needed);

}  // namespace sanad::service
