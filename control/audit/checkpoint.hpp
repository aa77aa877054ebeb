#pragma once
// C2SP checkpoints (c2sp.org/tlog-checkpoint): the signed size and root of a log. Pure.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/merkle.hpp"
#include "control/audit/note.hpp"

namespace sanad::audit {

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};
  std::vector<std::string> extensions{};  // opaque lines; ours have none

  bool operator==(const Checkpoint&) const = default;
};

// The note text, last newline included.
std::string checkpoint_text(const Checkpoint& checkpoint);
// Errors: corrupt, naming the line. Sizes up to kMaxTreeSize; an empty log has the empty root.
Result<Checkpoint> parse_checkpoint(std::string_view note_text);
// The same, whatever root an empty log has: a witness tells that fault from a text that is no checkpoint.
Result<Checkpoint> parse_checkpoint_form(std::string_view note_text);

struct OpenedCheckpoint {
  Checkpoint checkpoint;
  std::vector<VerifiedSignature> signatures;  // by the logs' keys first, as far as known
};
// Reads a signed checkpoint that at least one Ed25519 key of `log_keys` with the name of the checkpoint's origin has signed, and
// checks what `witness_keys` signed beside. `signatures[..].key` counts log_keys and then witness_keys. Errors: corrupt,
// permission_denied.
Result<OpenedCheckpoint> open_checkpoint(std::string_view note, std::span<const VerifierKey> log_keys,
                                         std::span<const VerifierKey> witness_keys = {});

// The same by one log's key: text, signature line and all.
Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const Signer& signer);

}  // namespace sanad::audit
