#pragma once
// C2SP signed notes (c2sp.org/signed-note) and the two signature types we use: Ed25519 (0x01) by logs, cosignature/v1 (0x04) by
// witnesses. Pure. A note is read in one spelling only and in memory that its sender does not choose.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/ed25519.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::audit {

// The specification asks for 16 signatures at least, each up to about 5 kB.
constexpr std::size_t kMaxNoteBytes = 1U << 20;
constexpr std::size_t kMaxNoteSignatures = 1'000;

enum class KeyType : std::uint8_t { ed25519 = 0x01, cosignature_v1 = 0x04 };

struct VerifierKey {
  std::string name;
  KeyType type = KeyType::ed25519;
  Ed25519Public key{};
  bool operator==(const VerifierKey&) const = default;
};

// Not empty, UTF-8, no control character, no Unicode space, no '+'.
bool is_key_name(std::string_view name);
// SHA-256(name || "\n" || type || key), first four bytes, big-endian.
std::uint32_t key_id(const VerifierKey& key);
// "<name>+<key id, 8 hex digits>+<base64(type || key)>".
std::string to_vkey(const VerifierKey& key);
// Errors: invalid_argument (not a vkey, or its id is not that of its key), unsupported (another type of key).
Result<VerifierKey> parse_vkey(std::string_view text);

struct NoteSignature {
  std::string_view name;
  std::uint32_t key_id = 0;
  std::string_view base64;  // of key id and signature; known to decode
};

// Views into the text that was parsed.
struct SignedNote {
  std::string_view text;  // with its last newline: what is signed
  std::vector<NoteSignature> signatures;
};

// Errors: corrupt, with the line at fault. The text is not to be trusted before verify_note().
Result<SignedNote> parse_note(std::string_view note);

struct VerifiedSignature {
  std::size_t key = 0;          // which of the known keys
  std::uint64_t timestamp = 0;  // cosignatures only: seconds since 1970
};

// One entry for each known key that signed. Unknown signatures are skipped. Errors: corrupt (a known key's signature is wrong:
// the whole note is refused), permission_denied (no known key signed it).
Result<std::vector<VerifiedSignature>> verify_note(const SignedNote& note, std::span<const VerifierKey> known);

struct Signer {
  std::string name;
  Secret32 seed;
};
Result<VerifierKey> verifier_of(const Signer& signer, KeyType type = KeyType::ed25519);

// A signature line with its newline. `text` ends with a newline. Errors: invalid_argument (the name or the text cannot be in a
// note), internal.
Result<std::string> sign_note(std::string_view text, const Signer& signer);
// The line of a witness: a cosignature over a checkpoint's text as of `timestamp` (seconds since 1970, at most 2^63 - 1).
Result<std::string> cosign_note(std::string_view text, const Signer& signer, std::uint64_t timestamp);
// The whole note of a text and one signature line or more.
inline std::string make_note(std::string_view text, std::string_view signature_lines) {
  return std::string(text) + "\n" + std::string(signature_lines);
}

}  // namespace sanad::audit
