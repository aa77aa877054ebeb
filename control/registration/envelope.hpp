#pragma once
// A file for one reader: CMS AuthEnvelopedData (RFC 5083) with AES-256-GCM, as `openssl cms -decrypt` opens it. Pure.

#include <string_view>

#include "gateway/base/encoding.hpp"
#include "gateway/base/result.hpp"

namespace sanad::registration {

inline constexpr std::size_t kLeastPassphrase = 12;   // bytes
inline constexpr std::size_t kMostPassphrase = 1024;  // bytes

// DER. The passphrase goes through PBKDF2, 600,000 rounds (OWASP's figure for HMAC-SHA-256). invalid_argument: too short or too
// long.
Result<Bytes> seal_with_passphrase(std::string_view content, std::string_view passphrase);
// For the holder of the certificate's key: RSA or elliptic curve. invalid_argument: no certificate, or a key that cannot decrypt
// (Ed25519 only signs).
Result<Bytes> seal_for_recipient(std::string_view content, std::string_view certificate_pem);

}  // namespace sanad::registration
