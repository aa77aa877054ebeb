#pragma once
// Signatures by a registration certificate's key over any text: Ed25519 as it is, any other key with SHA-256. Pure.

#include <span>
#include <string_view>

#include "control/registration/certificate.hpp"

namespace sanad::registration {

// Errors: invalid_argument (not a private key), internal.
Result<Bytes> sign_text(std::string_view text, const PrivateKeyPem& key);
// By the key that the certificate (PEM, the first of a chain) is for. Says nothing about whether to believe the certificate.
// Errors: invalid_argument (no certificate), refused_by_policy (another key, or another text).
Result<void> check_text_signature(std::string_view certificate_pem, std::string_view text,
                                  std::span<const std::uint8_t> signature);

}  // namespace sanad::registration
