#include "control/audit/checkpoint.hpp"

#include <algorithm>

#include "control/audit/decimal.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

Error refused(std::string why) { return {Errc::corrupt, "not a checkpoint: " + std::move(why)}; }

// Cuts one line off the front of `rest`; false when none ends there.
bool take_line(std::string_view& rest, std::string_view& line) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return false;
  line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

}  // namespace

std::string checkpoint_text(const Checkpoint& checkpoint) {
  std::string text = checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" + base64_encode(checkpoint.root) + "\n";
  for (const auto& line : checkpoint.extensions) text += line + "\n";
  return text;
}

Result<Checkpoint> parse_checkpoint(std::string_view note_text) {
  auto checkpoint = parse_checkpoint_form(note_text);
  if (checkpoint && checkpoint->size == 0 && checkpoint->root != empty_root())
    return refused("line 3: an empty log has another root");
  return checkpoint;
}

Result<Checkpoint> parse_checkpoint_form(std::string_view note_text) {
  Checkpoint checkpoint;
  std::string_view line;
  if (!take_line(note_text, line) || line.empty()) return refused("line 1: no origin");
  checkpoint.origin = line;
  if (!take_line(note_text, line)) return refused("line 2: no tree size");
  const auto size = parse_decimal(line, kMaxTreeSize);
  if (!size) return refused("line 2: the tree size is not a decimal number in its only spelling, at most 2^63 - 1");
  checkpoint.size = *size;
  if (!take_line(note_text, line)) return refused("line 3: no root hash");
  const auto root = base64_decode(line);
  if (!root || root->size() != checkpoint.root.size()) return refused("line 3: the root is not base64 of 32 bytes");
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  while (!note_text.empty()) {
    const auto number = std::to_string(4 + checkpoint.extensions.size());
    if (!take_line(note_text, line)) return refused("line " + number + ": it does not end");
    if (line.empty()) return refused("line " + number + ": an empty line");
    checkpoint.extensions.emplace_back(line);
  }
  return checkpoint;
}

Result<OpenedCheckpoint> open_checkpoint(std::string_view note, std::span<const VerifierKey> log_keys,
                                         std::span<const VerifierKey> witness_keys) {
  const auto parsed = parse_note(note);
  if (!parsed) return parsed.error();
  std::vector<VerifierKey> keys(log_keys.begin(), log_keys.end());
  keys.insert(keys.end(), witness_keys.begin(), witness_keys.end());
  auto signatures = verify_note(*parsed, keys);
  if (!signatures) return std::move(signatures).error();
  auto checkpoint = parse_checkpoint(parsed->text);
  if (!checkpoint) return std::move(checkpoint).error();
  const bool by_the_log = std::any_of(signatures->begin(), signatures->end(), [&](const VerifiedSignature& signature) {
    return signature.key < log_keys.size() && log_keys[signature.key].type == KeyType::ed25519 &&
           log_keys[signature.key].name == checkpoint->origin;
  });
  if (!by_the_log) return Error{Errc::permission_denied, "no known key of the log it names signed it"};
  return OpenedCheckpoint{*std::move(checkpoint), *std::move(signatures)};
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const Signer& signer) {
  const std::string text = checkpoint_text(checkpoint);
  auto line = sign_note(text, signer);
  if (!line) return std::move(line).error();
  return make_note(text, *line);
}

}  // namespace sanad::audit
