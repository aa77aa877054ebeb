#include "control/audit/add_checkpoint.hpp"

#include <algorithm>

#include "control/audit/decimal.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kOld = "old ";
constexpr std::size_t kHashLine = 44;  // base64 of 32 bytes

bool is_of(const NoteSignature& signature, const VerifierKey& key) {
  return signature.name == key.name && signature.key_id == key_id(key);
}

std::string line_of(const NoteSignature& signature) {
  return "\xE2\x80\x94 " + std::string(signature.name) + " " + std::string(signature.base64) + "\n";
}

}  // namespace

std::string add_checkpoint_text(const AddCheckpoint& request) {
  std::string text = std::string(kOld) + std::to_string(request.old_size) + "\n";
  for (const Hash& hash : request.proof) text += base64_encode(hash) + "\n";
  return text + "\n" + request.checkpoint;
}

Result<AddCheckpoint> parse_add_checkpoint(std::string_view text) {
  std::size_t number = 0;
  const auto refused = [&number](const std::string& why) {
    return Error{Errc::invalid_argument, "not an add-checkpoint request: line " + std::to_string(number) + ": " + why};
  };
  if (text.size() > kMaxAddCheckpointBytes) return refused("more than " + std::to_string(kMaxAddCheckpointBytes) + " bytes");
  AddCheckpoint request;
  while (true) {
    ++number;
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return refused("it does not end");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      const auto size = line.starts_with(kOld) ? parse_decimal(line.substr(kOld.size()), kMaxTreeSize) : std::nullopt;
      if (!size) return refused("it is not \"old\" and a decimal number in its only spelling");
      request.old_size = *size;
      continue;
    }
    if (line.empty()) break;
    if (request.proof.size() == kMaxProofHashes)
      return refused("more than " + std::to_string(kMaxProofHashes) + " hashes of a proof");
    const auto bytes = line.size() == kHashLine ? base64_decode(line) : Result<Bytes>(Bytes{});
    Hash hash{};
    if (!bytes || bytes->size() != hash.size()) return refused("it is not base64 of 32 bytes");
    std::copy(bytes->begin(), bytes->end(), hash.begin());
    request.proof.push_back(hash);
  }
  ++number;
  if (text.empty()) return refused("no checkpoint");
  request.checkpoint = text;
  return request;
}

std::string tree_size_text(std::uint64_t size) { return std::to_string(size) + "\n"; }

Result<std::uint64_t> parse_tree_size(std::string_view text) {
  const auto size = text.ends_with('\n') ? parse_decimal(text.substr(0, text.size() - 1), kMaxTreeSize) : std::nullopt;
  if (!size) return Error{Errc::corrupt, "not a tree size"};
  return *size;
}

Result<Cosignature> find_cosignature(std::string_view answer, std::string_view note_text, const VerifierKey& witness) {
  if (answer.size() > kMaxCosignaturesBytes) return Error{Errc::corrupt, "more than a witness has to say"};
  const std::string note = make_note(note_text, answer);
  const auto parsed = parse_note(note);
  // An empty line in the answer would make part of it the text.
  if (!parsed || parsed->text != note_text) return Error{Errc::corrupt, "not signature lines of a note"};
  const auto verified = verify_note(*parsed, std::span(&witness, 1));
  if (!verified) return verified.error();
  if (verified->front().timestamp == 0) return Error{Errc::corrupt, "a cosignature that says no time"};
  const auto own = std::find_if(parsed->signatures.begin(), parsed->signatures.end(),
                                [&witness](const NoteSignature& signature) { return is_of(signature, witness); });
  return Cosignature{line_of(*own), verified->front().timestamp};
}

std::string lines_of(const SignedNote& note, std::span<const VerifierKey> keys) {
  std::string lines;
  for (const auto& signature : note.signatures) {
    if (std::any_of(keys.begin(), keys.end(), [&signature](const VerifierKey& key) { return is_of(signature, key); }))
      lines += line_of(signature);
  }
  return lines;
}

}  // namespace sanad::audit
