#include "gateway/base/secret.hpp"

#include <string.h>

#include <algorithm>
#include <cstring>

namespace sanad {

void wipe(std::span<std::uint8_t> bytes) noexcept {
  if (!bytes.empty())
    explicit_bzero(bytes.data(), bytes.size());  // an empty span may hold a null pointer, which it must not be given
}

bool Secret32::is_zero() const noexcept {
  std::uint8_t sum = 0;
  for (const std::uint8_t b : bytes_) sum |= b;
  return sum == 0;
}

// By words, every one of them whatever the others said: a reconciliation compares a million, and CRYPTO_memcmp goes by bytes.
bool Secret32::operator==(const Secret32& other) const noexcept {
  std::uint64_t difference = 0;
  for (std::size_t i = 0; i < kSize; i += sizeof difference) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, bytes_.data() + i, sizeof a);
    std::memcpy(&b, other.bytes_.data() + i, sizeof b);
    difference |= a ^ b;
  }
  const volatile std::uint64_t all = difference;  // no shortcut through what was asked
  return all == 0;
}

}  // namespace sanad
