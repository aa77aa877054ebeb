#pragma once
// What a witness decides about a checkpoint that is to be cosigned (c2sp.org/tlog-witness, add-checkpoint). Pure.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/checkpoint.hpp"
#include "control/audit/note.hpp"

namespace sanad::audit {

struct WitnessedLog {
  std::string origin;
  std::vector<VerifierKey> keys;  // Ed25519
};

struct WitnessVerdict {
  unsigned status = 200;    // of HTTP: 200, 400, 403, 404, 409, 422
  std::string why{};        // unless 200 and 409
  std::uint64_t known = 0;  // 409: the size cosigned last
  Checkpoint checkpoint{};  // 200 and 422: what the log has signed
  std::string note{};  // 200: the same with the signatures of the log's trusted keys only, to be stored before it is cosigned
};

// `last`: what was cosigned last for an origin; null: nothing was.
WitnessVerdict judge_checkpoint(std::string_view request, std::span<const WitnessedLog> logs,
                                const std::function<const Checkpoint*(const std::string& origin)>& last);

}  // namespace sanad::audit
