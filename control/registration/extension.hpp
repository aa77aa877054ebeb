#pragma once
// The registration extension's DER, value to bytes and back. Pure.

#include <span>

#include "control/registration/claims.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::registration {

inline constexpr std::size_t kMaxExtensionDer = 2048;  // bytes; the bounded fields need less

// The claims must have passed check_claims.
Result<Bytes> encode_extension(const RegistrationClaims& claims);

// Fills the claims that the extension carries. DER only: what does not encode back to the same bytes is refused
// (invalid_argument, `field` set), trailing bytes included. Bounds are check_claims' to judge.
Result<void> decode_extension(std::span<const std::uint8_t> der, RegistrationClaims& claims);

}  // namespace sanad::registration
