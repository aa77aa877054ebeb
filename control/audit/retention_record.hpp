#pragma once
// The record that lets bundles be deleted, and what an auditor learns from the newest of them. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

#include "control/audit/ocsf.hpp"

namespace sanad::audit {

// Records below `to` are past retention: from now on their bundles may be missing. A multiple of 256.
struct MinimumRaised {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::int64_t policy_days = 0;
};
EventDraft minimum_raised(const Reporter& reporter, WallTime when, const MinimumRaised& raised);
// `event`: the "event" object of a leaf. Nothing when it is any other record.
std::optional<MinimumRaised> read_minimum_raised(std::string_view event);

}  // namespace sanad::audit
