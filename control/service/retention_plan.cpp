#include "control/service/retention_plan.hpp"

#include <algorithm>
#include <chrono>

#include "control/audit/tile.hpp"

namespace sanad::service {

using audit::kTileWidth;

WallTime cutoff_of(WallTime now, std::int64_t policy_days) {
  if (policy_days <= 0) return WallTime{INT64_MIN};
  return now - std::chrono::days{policy_days};
}

bool may_go(const BundleTimes& bundle, WallTime cutoff, std::span<const ledger::Hold> holds, WallTime now) {
  return std::all_of(bundle.records.begin(), bundle.records.end(), [&](WallTime time) {
    return time < cutoff && std::none_of(holds.begin(), holds.end(), [&](const ledger::Hold& hold) {
             return ledger::in_force(hold, now) && ledger::keeps_time(hold, time);
           });
  });
}

std::uint64_t new_minimum(std::uint64_t first, std::uint64_t minimum, std::uint64_t candidates, std::uint64_t lowest_needed) {
  const std::uint64_t wanted = minimum + candidates * kTileWidth;
  const std::uint64_t needed = lowest_needed < first ? 0 : lowest_needed - first;
  return std::max(minimum, std::min(wanted, first + needed / kTileWidth * kTileWidth));
}

}  // namespace sanad::service
