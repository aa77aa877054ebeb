#pragma once
// Everything a log's directory claims, checked: bundles -> leaves -> tiles -> root -> signatures -> epochs, and the order of the
// records. Bundles that a retention record of the log covers may be missing: their records are then taken from the tiles. Memory
// does not grow with the log.
//
// Keys: the checkpoint, and every archived one, must be signed by the key of the epoch that its last record is of; each epoch's
// last tree, which ends with the announcement of the next key, must be in the archive. So whoever holds the key of any epoch is
// led to all later ones, and nobody who has only a later key can have changed what an earlier one signed.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/checkpoint.hpp"
#include "control/audit/epoch_chain.hpp"
#include "control/audit/log_reader.hpp"
#include "control/audit/pruned.hpp"

namespace sanad::audit {

struct VerifyOptions {
  // Keys known from elsewhere, of any epochs: those that bear the log's name must all be its own, and one must. Empty: the
  // directory is believed.
  std::vector<VerifierKey> keys{};
  unsigned threads = 1;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};  // on the calling thread, now and then
};

struct VerifiedLog {
  Checkpoint checkpoint;
  std::uint64_t first_record = 0;  // number of the tree's first record (origin.hpp)
  std::string signed_by;           // vkey
  bool by_its_own_keys = false;    // nobody but the directory says that these are the right keys
  std::vector<LogEpoch> epochs{};  // with records
  std::vector<InstalledRegistration> registrations{};
  std::uint64_t archived = 0;              // checkpoints in the archive, all of them signed and consistent with the latest
  std::uint64_t clock_steps_back = 0;      // records whose time is before that of the record before
  std::optional<std::int64_t> first_ms{};  // time of the first record that is there, and of the last
  std::optional<std::int64_t> last_ms{};
  std::optional<PastRetention> past_retention{};  // set when bundles are missing that a retention record covers
};

// Errors: corrupt (the lowest record that is wrong, and the file it is in: also in `field`), permission_denied (signed by none of
// the keys), not_found (no log there, or a file of it is missing), io.
Result<VerifiedLog> verify_log(const LogReader& log, const VerifyOptions& options);

}  // namespace sanad::audit
