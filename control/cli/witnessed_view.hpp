#pragma once
// What witnesses say of a log that was verified, for `sanad log verify`.

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "control/audit/verifier.hpp"
#include "control/audit/witnessed.hpp"
#include "control/cli/context.hpp"
#include "control/cli/failure.hpp"

namespace sanad::cli {

struct WitnessQuestion {
  std::optional<audit::Policy> policy;       // unset: no quorum is demanded
  std::vector<audit::NamedCheckpoint> kept;  // from elsewhere
};

struct WitnessReport {
  audit::Witnessed witnessed;
  std::vector<std::optional<std::int64_t>> before_last_s;  // for each witness: from the last record it cosigned to the log's last
};

// `own`: the directory's cosigned checkpoints, read before it was verified. Errors: those of check_witnesses.
Result<WitnessReport> ask_witnesses(const audit::LogReader& log, const audit::VerifiedLog& verified,
                                    const std::vector<audit::VerifierKey>& log_keys, const WitnessQuestion& question,
                                    const std::vector<audit::NamedCheckpoint>& own);

void print_witnessed(Context& context, const WitnessReport& report, const WitnessQuestion& question,
                     const audit::VerifiedLog& verified);
void add_witnessed(const WitnessReport& report, const WitnessQuestion& question, boost::json::object& answer);
// The failure of a log whose policy's quorum is missing.
Outcome<void> demand_quorum(const WitnessReport& report, const WitnessQuestion& question);

}  // namespace sanad::cli
