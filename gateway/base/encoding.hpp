#pragma once
// Base64 and hex, one spelling each: what decode accepts is exactly what encode writes.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.hpp"

namespace sanad {

using Bytes = std::vector<std::uint8_t>;

std::string base64_encode(std::span<const std::uint8_t> bytes);     // RFC 4648 section 4, padded
Result<Bytes> base64_decode(std::string_view text);                 // rejects spaces, bad padding, stray bits
std::string base64url_encode(std::span<const std::uint8_t> bytes);  // RFC 4648 section 5, no padding
Result<Bytes> base64url_decode(std::string_view text);
std::string hex_encode(std::span<const std::uint8_t> bytes);  // lower case
Result<Bytes> hex_decode(std::string_view text);              // lower case only

inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// True when `text` is valid UTF-8 without control characters (below U+0020, U+007F, U+0080..U+009F).
// Every free string from outside passes here, so that no log, table or profile can be forged with CR LF.
bool is_plain_text(std::string_view text);

}  // namespace sanad
