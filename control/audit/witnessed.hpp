#pragma once
// What witnesses say of a log that verify_log() has found whole.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/audit/checkpoint.hpp"
#include "control/audit/log_reader.hpp"
#include "control/audit/policy.hpp"

namespace sanad::audit {

struct NamedCheckpoint {
  std::string name;  // for messages: the file
  std::string note;
};

// Every checkpoint in the log's directory that somebody beside the log has signed. To be read before verify_log(), so that a log
// which grows meanwhile is larger than they say, never smaller. Errors: those of LogReader.
Result<std::vector<NamedCheckpoint>> cosigned_checkpoints(const LogReader& log);

struct WitnessSays {
  std::uint64_t size = 0;       // records that it has cosigned; 0: none
  std::uint64_t timestamp = 0;  // when, in seconds since 1970 by its own clock
};

struct Witnessed {
  std::vector<WitnessSays> by;            // one for each witness of the policy
  std::optional<std::uint64_t> quorum{};  // records that the quorum vouches for (0: it is missing); nothing: none is asked for
  std::uint64_t kept = 0;                 // the largest of the kept checkpoints
};

// `own`: the directory's cosigned_checkpoints(); `kept`: checkpoints kept elsewhere, an older one or what a witness shows. All
// must be signed by one of `log_keys` and of this log's history, whoever has cosigned them. Errors: corrupt (one says that the
// log was cut short or rewritten, or has a wrong signature), permission_denied (one is not signed by the log), io.
Result<Witnessed> check_witnesses(const LogReader& log, const Checkpoint& verified, std::span<const VerifierKey> log_keys,
                                  const Policy& policy, std::span<const NamedCheckpoint> own,
                                  std::span<const NamedCheckpoint> kept);

}  // namespace sanad::audit
