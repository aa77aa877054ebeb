#include "control/audit/note.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "control/audit/utf8.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014 and a space
constexpr std::size_t kKeyIdBytes = 4;
constexpr std::size_t kTimestampBytes = 8;
constexpr std::uint64_t kMaxTimestamp = (std::uint64_t{1} << 63) - 1;

std::array<std::uint8_t, kKeyIdBytes> id_bytes(std::uint32_t id) {
  return {static_cast<std::uint8_t>(id >> 24U), static_cast<std::uint8_t>(id >> 16U), static_cast<std::uint8_t>(id >> 8U),
          static_cast<std::uint8_t>(id)};
}

std::uint64_t big_endian(std::span<const std::uint8_t> bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = (value << 8U) | byte;
  return value;
}

// The code point of a sequence that utf8_length() found well formed.
std::uint32_t code_point(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead;
  std::uint32_t code = lead & (0xFFU >> (sequence.size() + 1));
  for (const char c : sequence.substr(1)) code = (code << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
  return code;
}

// Unicode's White_Space property.
bool is_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

// UTF-8 whose only characters below U+0020 are newlines.
bool is_note_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || (static_cast<unsigned char>(text[0]) < 0x20 && text[0] != '\n')) return false;
    text.remove_prefix(length);
  }
  return true;
}

Error refused(std::string why) { return {Errc::corrupt, "not a signed note: " + std::move(why)}; }

// Safe to print: what a hostile note calls itself is shown only when it is a name, and not at any length.
std::string shown(std::string_view name) { return std::string(name.substr(0, 100)); }

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return Error{Errc::corrupt, "it does not begin with an em dash and a space"};
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return Error{Errc::corrupt, "it has no signature"};
  NoteSignature signature{line.substr(0, space), 0, line.substr(space + 1)};
  if (!is_key_name(signature.name)) return Error{Errc::corrupt, "its key name is not one"};
  const auto bytes = base64_decode(signature.base64);
  if (!bytes || bytes->size() <= kKeyIdBytes)
    return Error{Errc::corrupt, "its signature is not base64 of a key id and a signature"};
  signature.key_id = static_cast<std::uint32_t>(big_endian(std::span(*bytes).first(kKeyIdBytes)));
  return signature;
}

std::string cosigned_message(std::string_view text, std::uint64_t timestamp) {
  std::string message = "cosignature/v1\ntime " + std::to_string(timestamp) + "\n";
  message += text;
  return message;
}

Result<VerifiedSignature> verify_one(std::string_view text, const NoteSignature& signature, const VerifierKey& key) {
  const Error wrong{Errc::corrupt, "the signature of " + shown(key.name) + " is wrong"};
  const auto bytes = base64_decode(signature.base64);
  if (!bytes) return wrong;
  auto rest = std::span(*bytes).subspan(kKeyIdBytes);
  VerifiedSignature verified;
  if (key.type == KeyType::ed25519) {
    if (!ed25519_verify(key.key, as_bytes(text), rest)) return wrong;
    return verified;
  }
  if (rest.size() <= kTimestampBytes) return wrong;
  verified.timestamp = big_endian(rest.first(kTimestampBytes));
  rest = rest.subspan(kTimestampBytes);
  if (verified.timestamp > kMaxTimestamp) return wrong;
  if (!ed25519_verify(key.key, as_bytes(cosigned_message(text, verified.timestamp)), rest)) return wrong;
  return verified;
}

Result<std::string> signature_line(const Signer& signer, KeyType type, std::span<const std::uint8_t> signature) {
  auto key = verifier_of(signer, type);
  if (!key) return std::move(key).error();
  const auto id = id_bytes(key_id(*key));
  Bytes bytes(id.begin(), id.end());
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return std::string(kDash) + signer.name + " " + base64_encode(bytes) + "\n";
}

Result<void> check_signable(std::string_view text) {
  if (text.empty() || text.back() != '\n' || !is_note_text(text)) {
    return Error{Errc::invalid_argument, "a note's text is UTF-8 without control characters and ends with a newline"};
  }
  return {};
}

}  // namespace

bool is_key_name(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    const std::size_t length = utf8_length(name);
    if (length == 0) return false;
    const std::uint32_t code = code_point(name.substr(0, length));
    if (code < 0x20 || code == '+' || is_space(code)) return false;
    name.remove_prefix(length);
  }
  return true;
}

std::uint32_t key_id(const VerifierKey& key) {
  Bytes input(key.name.begin(), key.name.end());
  input.push_back('\n');
  input.push_back(static_cast<std::uint8_t>(key.type));
  input.insert(input.end(), key.key.begin(), key.key.end());
  const Sha256 digest = sha256(input);
  return static_cast<std::uint32_t>(big_endian(std::span(digest).first(kKeyIdBytes)));
}

std::string to_vkey(const VerifierKey& key) {
  Bytes material{static_cast<std::uint8_t>(key.type)};
  material.insert(material.end(), key.key.begin(), key.key.end());
  return key.name + "+" + hex_encode(id_bytes(key_id(key))) + "+" + base64_encode(material);
}

Result<VerifierKey> parse_vkey(std::string_view text) {
  const Error not_one{Errc::invalid_argument, "not a verifier key (name+8 hex digits+base64)"};
  if (text.size() > kMaxNoteBytes) return not_one;
  const std::size_t first = text.find('+');
  // Base64 may hold a '+' too: the id ends at the second, the key is all the rest.
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos || !is_key_name(text.substr(0, first))) return not_one;
  const auto id = hex_decode(text.substr(first + 1, second - first - 1));
  const auto material = base64_decode(text.substr(second + 1));
  if (!id || id->size() != kKeyIdBytes || !material || material->empty()) return not_one;
  const std::uint8_t type = material->front();
  if (type != static_cast<std::uint8_t>(KeyType::ed25519) && type != static_cast<std::uint8_t>(KeyType::cosignature_v1)) {
    return Error{Errc::unsupported,
                 "a verifier key of type " + std::to_string(type) + "; Ed25519 (1) and cosignature/v1 (4) are understood"};
  }
  VerifierKey key{std::string(text.substr(0, first)), static_cast<KeyType>(type), {}};
  if (material->size() != 1 + key.key.size()) return not_one;
  std::copy(material->begin() + 1, material->end(), key.key.begin());
  if (key_id(key) != big_endian(*id))
    return Error{Errc::invalid_argument, "a verifier key whose id is not that of its key: it was changed or mistyped"};
  return key;
}

Result<SignedNote> parse_note(std::string_view note) {
  if (note.size() > kMaxNoteBytes) return refused("it is larger than " + std::to_string(kMaxNoteBytes) + " bytes");
  if (!is_note_text(note)) return refused("it is not UTF-8, or holds control characters (a CR, perhaps)");
  const std::size_t split = note.rfind("\n\n");
  if (split == std::string_view::npos) return refused("no empty line between text and signatures");
  SignedNote parsed{note.substr(0, split + 1), {}};
  std::string_view rest = note.substr(split + 2);
  if (rest.empty()) return refused("no signatures");
  if (rest.back() != '\n') return refused("the last line does not end");
  while (!rest.empty()) {
    if (parsed.signatures.size() == kMaxNoteSignatures)
      return refused("more than " + std::to_string(kMaxNoteSignatures) + " signatures");
    const std::size_t end = rest.find('\n');
    auto signature = parse_signature(rest.substr(0, end));
    if (!signature) {
      const auto line =
          std::count(parsed.text.begin(), parsed.text.end(), '\n') + 2 + static_cast<std::ptrdiff_t>(parsed.signatures.size());
      return refused("signature line " + std::to_string(line) + ": " + signature.error().message);
    }
    parsed.signatures.push_back(*signature);
    rest.remove_prefix(end + 1);
  }
  return parsed;
}

Result<std::vector<VerifiedSignature>> verify_note(const SignedNote& note, std::span<const VerifierKey> known) {
  std::vector<VerifiedSignature> verified;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const std::uint32_t id = key_id(known[i]);
    bool counted = false;
    for (const auto& signature : note.signatures) {
      if (signature.key_id != id || signature.name != known[i].name) continue;
      auto one = verify_one(note.text, signature, known[i]);
      if (!one) return std::move(one).error();
      one->key = i;
      // A key that signed twice signed; a later cosignature of the same tree says no more than the first.
      if (!std::exchange(counted, true)) verified.push_back(*one);
    }
  }
  if (verified.empty()) return Error{Errc::permission_denied, "none of the known keys signed it"};
  return verified;
}

Result<VerifierKey> verifier_of(const Signer& signer, KeyType type) {
  if (!is_key_name(signer.name)) return Error{Errc::invalid_argument, "a key's name has no spaces, control characters or '+'"};
  auto key = ed25519_public(signer.seed);
  if (!key) return std::move(key).error();
  return VerifierKey{signer.name, type, *key};
}

Result<std::string> sign_note(std::string_view text, const Signer& signer) {
  if (auto good = check_signable(text); !good) return std::move(good).error();
  auto signature = ed25519_sign(signer.seed, as_bytes(text));
  if (!signature) return std::move(signature).error();
  return signature_line(signer, KeyType::ed25519, *signature);
}

Result<std::string> cosign_note(std::string_view text, const Signer& signer, std::uint64_t timestamp) {
  if (auto good = check_signable(text); !good) return std::move(good).error();
  if (timestamp > kMaxTimestamp) return Error{Errc::invalid_argument, "a cosignature's time is at most 2^63 - 1"};
  auto signature = ed25519_sign(signer.seed, as_bytes(cosigned_message(text, timestamp)));
  if (!signature) return std::move(signature).error();
  Bytes timestamped(kTimestampBytes);
  for (std::size_t i = 0; i < kTimestampBytes; ++i)
    timestamped[i] = static_cast<std::uint8_t>(timestamp >> (8 * (kTimestampBytes - 1 - i)));
  timestamped.insert(timestamped.end(), signature->begin(), signature->end());
  return signature_line(signer, KeyType::cosignature_v1, timestamped);
}

}  // namespace sanad::audit
