#include "gateway/base/encoding.hpp"

#include <array>

namespace sanad {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kHex = "0123456789abcdef";

constexpr std::array<std::int8_t, 256> reverse(std::string_view alphabet) {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}

std::string encode64(std::span<const std::uint8_t> in, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4 + 1);  // nothing of a key is left in a smaller buffer, nor by a caller's line feed
  out.resize(in.size() / 3 * 4);
  std::size_t i = 0;
  const char* const digits = alphabet.data();
  for (char *to = out.data(), *const end = to + out.size(); to != end; to += 4, i += 3) {
    const std::uint32_t v = (std::uint32_t{in[i]} << 16) | (std::uint32_t{in[i + 1]} << 8) | in[i + 2];
    to[0] = digits[v >> 18];
    to[1] = digits[(v >> 12) & 63U];
    to[2] = digits[(v >> 6) & 63U];
    to[3] = digits[v & 63U];
  }
  const std::size_t rest = in.size() - i;
  if (rest == 0) return out;
  std::uint32_t v = std::uint32_t{in[i]} << 16;
  if (rest == 2) v |= std::uint32_t{in[i + 1]} << 8;
  out.push_back(alphabet[(v >> 18) & 63U]);
  out.push_back(alphabet[(v >> 12) & 63U]);
  if (rest == 2) out.push_back(alphabet[(v >> 6) & 63U]);
  if (pad) out.append(3 - rest, '=');
  return out;
}

Error bad(const char* what) { return Error{Errc::invalid_argument, what}; }

Result<Bytes> decode64(std::string_view text, std::string_view alphabet, bool padded) {
  static constexpr auto standard = reverse(kStandard);
  static constexpr auto url = reverse(kUrl);
  const auto& table = alphabet == kStandard ? standard : url;
  if (padded) {
    if (text.size() % 4 != 0) return bad("not base64: length is not a multiple of four");
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return bad("not base64: impossible length");
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t acc = 0;
  int bits = 0;
  for (const char c : text) {
    const int v = table[static_cast<unsigned char>(c)];
    if (v < 0) return bad("not base64: a character outside the alphabet");
    acc = (acc << 6) | static_cast<std::uint32_t>(v);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(acc >> bits));
      acc &= (1U << bits) - 1U;
    }
  }
  // Left-over bits must be zero, or two texts would mean the same bytes.
  if (acc != 0) return bad("not base64: stray bits at the end");
  return out;
}

}  // namespace

std::string base64_encode(std::span<const std::uint8_t> bytes) { return encode64(bytes, kStandard, true); }
Result<Bytes> base64_decode(std::string_view text) { return decode64(text, kStandard, true); }
std::string base64url_encode(std::span<const std::uint8_t> bytes) { return encode64(bytes, kUrl, false); }
Result<Bytes> base64url_decode(std::string_view text) { return decode64(text, kUrl, false); }

std::string hex_encode(std::span<const std::uint8_t> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    out.push_back(kHex[b >> 4U]);
    out.push_back(kHex[b & 15U]);
  }
  return out;
}

Result<Bytes> hex_decode(std::string_view text) {
  static constexpr auto table = reverse(kHex);
  if (text.size() % 2 != 0) return bad("not hex: odd length");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = table[static_cast<unsigned char>(text[i])];
    const int low = table[static_cast<unsigned char>(text[i + 1])];
    if (high < 0 || low < 0) return bad("not hex: a character outside 0-9a-f");
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

bool is_plain_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      if (lead < 0x20 || lead == 0x7f) return false;
      ++i;
      continue;
    }
    std::size_t extra = 0;
    std::uint32_t code = 0;
    if ((lead & 0xe0U) == 0xc0) {
      extra = 1;
      code = lead & 0x1fU;
    } else if ((lead & 0xf0U) == 0xe0) {
      extra = 2;
      code = lead & 0x0fU;
    } else if ((lead & 0xf8U) == 0xf0) {
      extra = 3;
      code = lead & 0x07U;
    } else
      return false;
    if (text.size() - i <= extra) return false;
    for (std::size_t k = 1; k <= extra; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0U) != 0x80) return false;
      code = (code << 6U) | (next & 0x3fU);
    }
    // Overlong forms, surrogates and C1 controls are refused; so are U+2028 and U+2029, which editors break lines at, and the
    // marks that turn the direction of all that follows (U+202A to U+202E, U+2066 to U+2069): a name with one reads as another.
    constexpr std::array<std::uint32_t, 4> kLowest{0, 0x80, 0x800, 0x10000};
    if (code < kLowest[extra] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || code < 0xa0 ||
        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
      return false;
    i += extra + 1;
  }
  return true;
}

}  // namespace sanad
