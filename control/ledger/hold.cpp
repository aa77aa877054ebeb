#include "control/ledger/hold.hpp"

#include <algorithm>

namespace sanad::ledger {
namespace {

bool used_address(const SessionRecord& session, const IpAddress& address) {
  return std::any_of(session.inner.begin(), session.inner.end(),
                     [&](const IpPrefix& inner) { return inner.contains(address); }) ||
         std::any_of(session.endpoints.begin(), session.endpoints.end(),
                     [&](const SessionEndpoint& outer) { return outer.address.address == address; });
}

}  // namespace

bool in_force(const Hold& hold, WallTime now) { return !hold.expires || now < *hold.expires; }

bool keeps(const Hold& hold, const SessionRecord& session) {
  if (!hold.owner_id.empty() && hold.owner_id != session.owner_id) return false;
  if (hold.address && !used_address(session, *hold.address)) return false;
  if (hold.to && session.started_bounds.not_before >= *hold.to) return false;
  return !hold.from || !session.end || session.end->bounds.not_after >= *hold.from;
}

bool keeps_time(const Hold& hold, WallTime time) {
  if (!hold.owner_id.empty() || hold.address) return false;
  return (!hold.from || time >= *hold.from) && (!hold.to || time < *hold.to);
}

const Hold* keeper_of(std::span<const Hold> holds, const SessionRecord& session, WallTime now) {
  const auto found =
      std::find_if(holds.begin(), holds.end(), [&](const Hold& hold) { return in_force(hold, now) && keeps(hold, session); });
  return found == holds.end() ? nullptr : &*found;
}

}  // namespace sanad::ledger
