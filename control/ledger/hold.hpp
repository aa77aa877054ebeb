#pragma once
// Legal holds: what must not be deleted, by retention or by erasure. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "control/ledger/records.hpp"

namespace sanad::ledger {

// At least one of owner, address and window is given; all that are given must fit.
struct Hold {
  std::string id{};                    // "h-..."; empty when put: the ledger makes one
  std::string owner_id{};              // empty: anybody
  std::optional<IpAddress> address{};  // inside or outside the tunnel
  std::optional<WallTime> from{};      // [from, to)
  std::optional<WallTime> to{};
  std::string reason{};
  std::string approver{};  // who decided it, outside this system: a court, counsel
  WallTime created{};
  std::optional<WallTime> expires{};  // unset: until it is released
  std::uint32_t uid = 0;              // who entered it
  std::uint64_t evidence = 0;         // leaf index
};

bool in_force(const Hold& hold, WallTime now);
// Whether the session is among what the hold keeps.
bool keeps(const Hold& hold, const SessionRecord& session);
// Whether a record of that time, whoever it is about, is: only a hold that names neither person nor address keeps all of a time.
bool keeps_time(const Hold& hold, WallTime time);

// The first hold in force that keeps the session; null when none does.
const Hold* keeper_of(std::span<const Hold> holds, const SessionRecord& session, WallTime now);

}  // namespace sanad::ledger
