#pragma once
// The messages of a witness (c2sp.org/tlog-witness): what a log sends to be cosigned, and what comes back. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/merkle.hpp"
#include "control/audit/note.hpp"
#include "gateway/base/result.hpp"

namespace sanad::audit {

// Room for 63 hashes and for sixteen signatures of the largest kind that is planned (about 5 kB each).
constexpr std::size_t kMaxAddCheckpointBytes = 256 * 1024;
// One cosignature has some 150 bytes; a witness may sign with several keys.
constexpr std::size_t kMaxCosignaturesBytes = 64 * 1024;

struct AddCheckpoint {
  std::uint64_t old_size = 0;
  std::vector<Hash> proof{};  // consistency, from old_size to the checkpoint's size
  std::string checkpoint{};   // the signed note, verbatim

  bool operator==(const AddCheckpoint&) const = default;
};

std::string add_checkpoint_text(const AddCheckpoint& request);
// Errors: invalid_argument, naming the line. The checkpoint is not looked into.
Result<AddCheckpoint> parse_add_checkpoint(std::string_view text);

// The body of a 409: the size that the witness has cosigned last.
constexpr const char* kTreeSizeType = "text/x.tlog.size";
std::string tree_size_text(std::uint64_t size);
Result<std::uint64_t> parse_tree_size(std::string_view text);  // corrupt

struct Cosignature {
  std::string line;             // "— <name> <base64>", with its newline
  std::uint64_t timestamp = 0;  // seconds since 1970, by the witness's clock
};
// The cosignature of `witness` over `note_text` in the answer to add-checkpoint; lines of others are passed over. Errors: corrupt
// (not signature lines, the witness's own is wrong or says no time), permission_denied (there is none of the witness).
Result<Cosignature> find_cosignature(std::string_view answer, std::string_view note_text, const VerifierKey& witness);

// The signature lines of a note whose name and id are those of one of the keys.
std::string lines_of(const SignedNote& note, std::span<const VerifierKey> keys);

}  // namespace sanad::audit
