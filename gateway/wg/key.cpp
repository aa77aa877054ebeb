#include "gateway/wg/key.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "gateway/base/encoding.hpp"

namespace sanad::wg {
namespace {

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// 44 characters: 32 bytes in padded base64.
constexpr std::size_t kTextSize = 44;

Result<Bytes> decode_key(std::string_view text) {
  if (text.size() != kTextSize)
    return Error{Errc::invalid_argument,
                 "not a WireGuard key (44 characters of base64 expected, got " + std::to_string(text.size()) + ")"};
  auto bytes = base64_decode(text);
  if (!bytes || bytes->size() != PublicKey::kSize)
    return Error{Errc::invalid_argument, "not a WireGuard key (not 32 bytes of base64)"};
  return bytes;
}

Result<Secret32> random_secret() {
  std::array<std::uint8_t, Secret32::kSize> bytes{};
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return Error{Errc::io, "the random generator gave no bytes"};
  Secret32 secret{bytes};
  wipe(bytes);
  return secret;
}

}  // namespace

Result<PublicKey> PublicKey::from_base64(std::string_view text) {
  auto bytes = decode_key(text);
  if (!bytes) return bytes.error();
  return PublicKey{std::span<const std::uint8_t, kSize>(bytes->data(), kSize)};
}

std::string PublicKey::to_base64() const { return base64_encode(bytes_); }

Result<Secret32> secret_from_base64(std::string_view text) {
  auto bytes = decode_key(text);
  if (!bytes) return bytes.error();
  Secret32 secret{std::span<const std::uint8_t, Secret32::kSize>(bytes->data(), Secret32::kSize)};
  wipe(*bytes);
  return secret;
}

std::string secret_to_base64(const Secret32& secret) { return base64_encode(secret.reveal()); }

Result<PrivateKey> generate_private_key() {
  auto secret = random_secret();
  if (!secret) return secret.error();
  std::array<std::uint8_t, Secret32::kSize> bytes{};
  std::copy(secret->reveal().begin(), secret->reveal().end(), bytes.begin());
  bytes[0] &= 248U;  // RFC 7748 section 5
  bytes[31] = static_cast<std::uint8_t>((bytes[31] & 127U) | 64U);
  PrivateKey key{bytes};
  wipe(bytes);
  return key;
}

Result<PresharedKey> generate_preshared_key() { return random_secret(); }

Result<PublicKey> derive_public_key(const PrivateKey& key) {
  const std::unique_ptr<EVP_PKEY, KeyFree> pkey{
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, key.reveal().data(), Secret32::kSize)};
  std::array<std::uint8_t, PublicKey::kSize> out{};
  std::size_t size = out.size();
  if (!pkey || EVP_PKEY_get_raw_public_key(pkey.get(), out.data(), &size) != 1 || size != out.size())
    return Error{Errc::internal, "couldn't derive the public key"};
  return PublicKey{out};
}

}  // namespace sanad::wg

std::size_t std::hash<sanad::wg::PublicKey>::operator()(const sanad::wg::PublicKey& key) const noexcept {
  // Curve points are as good as random already; eight of their bytes are the hash.
  std::size_t h = 0;
  std::memcpy(&h, key.bytes().data() + 8, sizeof h);
  return h;
}
