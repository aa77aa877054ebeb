#pragma once
// The cosignatures in a log's directory, and the policy beside them. Written on the publisher's thread only: `checkpoint` has one
// writer.
//
// A witness's line is added to `checkpoint` while that still holds the text which was cosigned, and in any case kept in
// cosigned/<key id>, so that the latest checkpoint of each witness stays when the log has grown on. The cosigned checkpoints of
// an hour leave one in the archive. A file never holds a line over another text than its own.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "control/audit/add_checkpoint.hpp"
#include "control/audit/note.hpp"
#include "control/audit/policy.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"

namespace sanad::audit {

struct CosignedCheckpoint {
  std::uint64_t size = 0;       // records
  std::uint64_t timestamp = 0;  // seconds since 1970, by the witness's clock
};

class CosignedFiles final {
 public:
  explicit CosignedFiles(std::filesystem::path log) : log_(std::move(log)) {}

  // Keeps `cosignature` of `witness` over the checkpoint `note`, durably. The caller has verified it (find_cosignature). Errors:
  // io; corrupt (`note` is not a checkpoint).
  Result<void> add(const std::string& note, const VerifierKey& witness, const Cosignature& cosignature, WallTime now);

  // What the directory has of a witness: nothing when there is nothing, or nothing that its key has signed.
  [[nodiscard]] std::optional<CosignedCheckpoint> latest(const VerifierKey& witness) const;

  // Writes `policy` unless it is there. Errors: io.
  Result<void> write_policy(const Policy& policy);

 private:
  std::filesystem::path log_;
  std::int64_t archived_hour_ = 0;  // hours since 1970
};

// The file of a witness under cosigned/.
std::string cosigned_name(const VerifierKey& witness);

}  // namespace sanad::audit
