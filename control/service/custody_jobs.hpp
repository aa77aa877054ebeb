#pragma once
// What holds, erasures and confirmations do inside one transaction: state and leaf together. Storage thread, unless it says
// otherwise.

#include <functional>
#include <string>

#include "config/config.hpp"
#include "control/audit/ocsf.hpp"
#include "control/service/custody.hpp"

namespace sanad::service {

// meta: "1" when deleted rows wait for being overwritten (Ledger::purge).
inline constexpr const char* kMetaPurgeWanted = "purge_wanted";
// For jobs that delete something personal, after their record. The value grows with every record: a purge that began before
// this must not count as one that came after.
void want_purge(ledger::Transaction& txn);
// Rows that one step of deleting takes: a commit of some milliseconds.
inline constexpr std::size_t kRowsAtOnce = 500;

// Who does it, and what the evidence says of that.
struct Act {
  audit::Reporter reporter;
  audit::Actor actor;
  std::string confirmation{};  // id; empty: none was needed
};

// Records the wish and keeps it for a second admin.
Result<Waiting> ask_for_second(ledger::Transaction& txn, const Act& act, const char* kind, const std::string& request,
                               const std::string& target);

Result<Released> release_hold_now(ledger::Transaction& txn, const Act& act, const std::string& id);

// Whether the person may be erased now; see Custody::erase for the errors.
Result<ledger::Owner> may_be_erased(ledger::Transaction& txn, const std::string& person, const std::string& reason);
// The first step; the rest is erase_step()'s.
Result<Erased> begin_erasing(ledger::Transaction& txn, const Act& act, const ledger::Owner& owner, const std::string& reason);
// Deletes and records some more; nothing left: marks it as finished.
struct EraseStep {
  ledger::Deleted deleted;
  bool finished = false;
};
Result<EraseStep> erase_step(ledger::Transaction& txn, const audit::Reporter& reporter, const std::string& person);

Result<std::uint64_t> change_retention(ledger::Transaction& txn, const audit::Reporter& reporter,
                                       const std::optional<audit::Actor>& actor, std::int64_t days,
                                       const std::string& confirmation);

bool needs_second(const config::Config& config, config::GuardedAct act);

// Overwrites what deleted rows left behind, and notes when that is done. Loop thread, like `done`.
void purge(Gateway& gateway, std::function<void(Result<void>)> done);

// {"person":"o-...","reason":"..."}, {"hold":"h-..."}, {"days":30}: what a confirmation's request says.
std::string erasure_request(const std::string& person, const std::string& reason);
std::string release_request(const std::string& hold);
std::string retention_request(std::int64_t days);
std::string request_text(const std::string& request, const char* key);  // empty when it has none
std::int64_t request_number(const std::string& request, const char* key);
// What it is about: owner, hold, or the number of days.
std::string target_of(const ledger::Confirmation& confirmation);

}  // namespace sanad::service
