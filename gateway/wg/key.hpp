#pragma once
// WireGuard keys as types: a public key can be printed, a private one cannot.

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::wg {

class PublicKey {
 public:
  static constexpr std::size_t kSize = 32;
  PublicKey() = default;  // the zero key, which WireGuard uses for "none"
  explicit PublicKey(std::span<const std::uint8_t, kSize> bytes) { std::copy(bytes.begin(), bytes.end(), bytes_.begin()); }
  // 44 characters of base64, the one spelling `wg` prints.
  static Result<PublicKey> from_base64(std::string_view text);

  [[nodiscard]] std::span<const std::uint8_t, kSize> bytes() const { return bytes_; }
  [[nodiscard]] std::string to_base64() const;
  [[nodiscard]] bool is_zero() const { return *this == PublicKey{}; }
  auto operator<=>(const PublicKey&) const = default;

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

using PrivateKey = Secret32;
using PresharedKey = Secret32;

Result<Secret32> secret_from_base64(std::string_view text);
// The returned text is a secret: write it to a 0600 file or a client's profile, then wipe it.
std::string secret_to_base64(const Secret32& secret);

Result<PrivateKey> generate_private_key();  // clamped as RFC 7748 asks, so that `wg` prints it unchanged
Result<PresharedKey> generate_preshared_key();
Result<PublicKey> derive_public_key(const PrivateKey& key);  // X25519

}  // namespace sanad::wg

template <>
struct std::hash<sanad::wg::PublicKey> {
  std::size_t operator()(const sanad::wg::PublicKey& key) const noexcept;
};
