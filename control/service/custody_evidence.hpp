#pragma once
// The leaves of holds, erasures, confirmations and retention. Pure. Nothing personal is in them: reason, approver and address are
// disclosures.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/audit/ocsf.hpp"
#include "control/ledger/custody.hpp"

namespace sanad::service {

audit::EventDraft hold_placed(const audit::Reporter& reporter, WallTime when, const audit::Actor& actor,
                              const ledger::Hold& hold);
// `confirmation`: the id of the second admin's, empty where none was needed.
audit::EventDraft hold_released(const audit::Reporter& reporter, WallTime when, const audit::Actor& actor,
                                const ledger::Hold& hold, const std::string& confirmation);
audit::EventDraft hold_expired(const audit::Reporter& reporter, WallTime when, const ledger::Hold& hold);

// One step of an erasure. `actor` and `reason` in the first step only.
struct Redaction {
  std::string person;
  std::optional<audit::Actor> actor;
  std::string reason;
  std::string confirmation;
  ledger::Deleted deleted;
};
audit::EventDraft redacted(const audit::Reporter& reporter, WallTime when, const Redaction& redaction);

// `what`: "asked", "given", "expired", "withdrawn". No actor: time did it.
audit::EventDraft confirmation_event(const audit::Reporter& reporter, WallTime when, const std::optional<audit::Actor>& actor,
                                     std::string_view what, const ledger::Confirmation& confirmation, const std::string& target);

// What one record has room for: a leaf has 65,535 bytes, an index that stands alone takes some 20. The counts stand in the first.
std::vector<ledger::Deleted> in_parts(const ledger::Deleted& deleted);
audit::EventDraft sessions_expired(const audit::Reporter& reporter, WallTime when, WallTime cutoff, std::int64_t policy_days,
                                   const ledger::Deleted& deleted);
audit::EventDraft retention_changed(const audit::Reporter& reporter, WallTime when, const std::optional<audit::Actor>& actor,
                                    std::int64_t old_days, std::int64_t new_days, const std::string& confirmation);

// Ascending indices as [[first,last],...].
boost::json::array ranges(std::span<const std::uint64_t> indices);

}  // namespace sanad::service
