// Any bytes as a note: never a crash, what is accepted is written back byte for byte, and nothing unsigned is ever trusted.

#include <cstdint>
#include <cstdlib>

#include "control/audit/checkpoint.hpp"
#include "control/audit/note.hpp"
#include "gateway/base/encoding.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::audit;
  const std::string text(data, data + size);
  const VerifierKey key{"sanad/gw-1", KeyType::ed25519, {}};
  if (const auto note = parse_note(text)) {
    require(!note->signatures.empty() && note->signatures.size() <= kMaxNoteSignatures);
    std::string again(note->text);
    again += '\n';
    for (const auto& signature : note->signatures) {
      require(is_key_name(signature.name));
      again += "\xE2\x80\x94 " + std::string(signature.name) + " " + std::string(signature.base64) + "\n";
    }
    require(again == text);
    require(!verify_note(*note, {}));
    (void)verify_note(*note, std::span(&key, 1));
  } else {
    require(sanad::is_plain_text(note.error().message));
  }
  if (const auto checkpoint = parse_checkpoint(text)) require(checkpoint_text(*checkpoint) == text);
  if (const auto vkey = parse_vkey(text)) require(to_vkey(*vkey) == text);
  return 0;
}
