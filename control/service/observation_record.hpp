#pragma once
// From what was observed to rows and leaves: what one transaction of the poll writes. Runs on the storage thread.

#include <string>

#include "control/audit/ocsf.hpp"
#include "control/ledger/transaction.hpp"
#include "control/service/interface_loop.hpp"

namespace sanad::service {

struct RecordContext {
  audit::Reporter reporter;
  std::string boot_id;
  std::chrono::nanoseconds poll_interval{};
};

Result<void> record_observation(ledger::Transaction& txn, const Observation& observation, const RecordContext& context);
Result<void> record_backend(ledger::Transaction& txn, const BackendEvent& event, const RecordContext& context);

// meta "last_snapshot.<interface>".
std::string write_instant(Instant t);
std::optional<Instant> read_instant(const std::string& text);

}  // namespace sanad::service
