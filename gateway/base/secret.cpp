#include "gateway/base/secret.hpp"

#include <openssl/crypto.h>
#include <string.h>

#include <algorithm>

namespace sanad {

void wipe(std::span<std::uint8_t> bytes) noexcept {
  if (!bytes.empty())
    explicit_bzero(bytes.data(), bytes.size());  // an empty span may hold a null pointer, which it must not be given
}

Secret32::Secret32(std::span<const std::uint8_t, kSize> bytes) noexcept { std::copy(bytes.begin(), bytes.end(), bytes_.begin()); }

bool Secret32::is_zero() const noexcept {
  std::uint8_t sum = 0;
  for (const std::uint8_t b : bytes_) sum |= b;
  return sum == 0;
}

bool Secret32::operator==(const Secret32& other) const noexcept {
  return CRYPTO_memcmp(bytes_.data(), other.bytes_.data(), kSize) == 0;
}

}  // namespace sanad
