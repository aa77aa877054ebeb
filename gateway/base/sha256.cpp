#include "gateway/base/sha256.hpp"

#include <openssl/sha.h>

namespace sanad {

Sha256 sha256(std::span<const std::uint8_t> bytes) {
  Sha256 out{};
  SHA256(bytes.data(), bytes.size(), out.data());
  return out;
}

}  // namespace sanad
