#pragma once
// What to do when the published log and state.db tell two histories, because one of them was put back from an older copy.
// Nothing is ever deleted. No daemon may run; blocks.
//
// Adopted: state.db is older, and the log is a continuation of it. The log stands, and state.db takes over where it ends. What
// state.db itself has forgotten (peers, sessions, disclosures) it has forgotten.
//
// Forked: anything else; the log is older, was lost or was changed, or its key is gone. The log is moved aside, with the records
// that state.db still held in pending.ndjson beside it. Another begins with the next record, under an origin that says so and
// with a new key.
//
// Either way a record says what was found, what was done, and who did it.

#include <cstdint>
#include <filesystem>
#include <string>

#include "control/audit/ocsf.hpp"
#include "control/ledger/ledger.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

struct RecoverySettings {
  std::filesystem::path state_dir;
  std::string gateway_id;
  audit::Actor actor;  // who asked
};

struct Recovery {
  enum class What { nothing, adopted, forked };
  What what = What::nothing;
  std::string why;               // what was wrong
  std::uint64_t evidence = 0;    // the record that says so
  std::string origin;            // of the log from now on
  std::filesystem::path kept{};  // forked: where the other history lies
};

// Errors: unavailable, io (try again), internal.
Result<Recovery> recover_log(ledger::Ledger& ledger, const RecoverySettings& settings);

}  // namespace sanad::service
