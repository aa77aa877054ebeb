#pragma once
// Whether a published log is a continuation of what the ledger knows, and what the ledger lacks of it.

#include <filesystem>
#include <string>
#include <vector>

#include "control/ledger/records.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

struct LedgerHistory {
  ledger::SignedLog signed_log;
  std::uint64_t records = 0;                // how many there are
  std::vector<ledger::StoredLeaf> pending;  // all of them
  std::vector<ledger::LogKey> keys;
};

// Verifies all of the log. Errors: corrupt (the log does not verify, or is no continuation: why), not_found (no log, or the
// private key that would sign it on is gone), io.
Result<ledger::AdoptedLog> continuation_of(const LedgerHistory& history, const std::filesystem::path& state_dir,
                                           const std::string& gateway_id);

}  // namespace sanad::service
