#pragma once
// Ed25519 (RFC 8032) through OpenSSL, and the file a log key lives in.

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "gateway/base/result.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::audit {

using Ed25519Public = std::array<std::uint8_t, 32>;
using Ed25519Signature = std::array<std::uint8_t, 64>;

// Errors: internal (OpenSSL refuses), here and below.
Result<Secret32> generate_ed25519();
Result<Ed25519Public> ed25519_public(const Secret32& seed);
Result<Ed25519Signature> ed25519_sign(const Secret32& seed, std::span<const std::uint8_t> message);
bool ed25519_verify(const Ed25519Public& key, std::span<const std::uint8_t> message, std::span<const std::uint8_t> signature);

// PKCS#8 PEM ("PRIVATE KEY"), as `openssl pkey` reads and writes it. The text is the caller's to wipe.
// read: invalid_argument when it is not an unencrypted Ed25519 key.
Result<std::string> ed25519_to_pem(const Secret32& seed);
Result<Secret32> ed25519_from_pem(std::string_view pem);

}  // namespace sanad::audit
