#include "control/cli/text.hpp"

#include <cstdint>

namespace sanad::cli {
namespace {

constexpr char32_t kBroken = 0xFFFD;

// The next code point; malformed or overlong bytes come one at a time as U+FFFD.
char32_t take(std::string_view& text) {
  const auto byte_at = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte_at(0);
  std::size_t length = 0;
  char32_t point = 0;
  char32_t least = 0;
  if (lead < 0x80) {
    text.remove_prefix(1);
    return lead;
  }
  if (lead >= 0xC2 && lead < 0xE0) {
    length = 2, point = lead & 0x1FU, least = 0x80;
  } else if (lead >= 0xE0 && lead < 0xF0) {
    length = 3, point = lead & 0x0FU, least = 0x800;
  } else if (lead >= 0xF0 && lead < 0xF5) {
    length = 4, point = lead & 0x07U, least = 0x10000;
  }
  bool good = length != 0 && text.size() >= length;
  for (std::size_t i = 1; good && i < length; ++i) {
    good = (byte_at(i) & 0xC0U) == 0x80U;
    point = (point << 6U) | (byte_at(i) & 0x3FU);
  }
  if (!good || point < least || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
    text.remove_prefix(1);
    return kBroken;
  }
  text.remove_prefix(length);
  return point;
}

bool within(char32_t point, char32_t first, char32_t last) { return point >= first && point <= last; }

bool harmful(char32_t point) {
  return point < 0x20 || within(point, 0x7F, 0x9F) || within(point, 0x202A, 0x202E) || within(point, 0x2066, 0x2069) ||
         within(point, 0x2028, 0x2029) || point == 0x200E || point == 0x200F || point == 0x061C;
}

std::size_t width_of(char32_t point) {
  if (within(point, 0x0300, 0x036F) || within(point, 0x0483, 0x0489) || within(point, 0x0591, 0x05BD) ||
      within(point, 0x0610, 0x061A) || within(point, 0x064B, 0x065F) || point == 0x0670 || within(point, 0x06D6, 0x06DC) ||
      within(point, 0x0900, 0x0902) || point == 0x093C || point == 0x094D || within(point, 0x1AB0, 0x1AFF) ||
      within(point, 0x1DC0, 0x1DFF) || within(point, 0x200B, 0x200D) || within(point, 0x20D0, 0x20FF) ||
      within(point, 0xFE00, 0xFE0F) || within(point, 0xFE20, 0xFE2F)) {
    return 0;
  }
  if (within(point, 0x1100, 0x115F) || within(point, 0x2E80, 0x303E) || within(point, 0x3041, 0xA4CF) ||
      within(point, 0xAC00, 0xD7A3) || within(point, 0xF900, 0xFAFF) || within(point, 0xFE30, 0xFE6F) ||
      within(point, 0xFF00, 0xFF60) || within(point, 0xFFE0, 0xFFE6) || within(point, 0x1F300, 0x1F64F) ||
      within(point, 0x1F900, 0x1F9FF) || within(point, 0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

std::string filtered(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t point = take(text);
    const std::string_view bytes = before.substr(0, before.size() - text.size());
    const bool bad = point == kBroken || (harmful(point) && !(keep_lines && point == U'\n'));
    out += bad ? std::string_view("\xEF\xBF\xBD") : bytes;
  }
  return out;
}

}  // namespace

std::string safe(std::string_view text) { return filtered(text, false); }
std::string safe_lines(std::string_view text) { return filtered(text, true); }

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) columns += width_of(take(text));
  return columns;
}

std::string pad_right(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  return std::string(text) + std::string(width < columns ? columns - width : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  return std::string(width < columns ? columns - width : 0, ' ') + std::string(text);
}

std::string clip(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::string_view before = text;
    const std::size_t width = width_of(take(text));
    if (used + width + 1 > columns) break;
    used += width;
    out += before.substr(0, before.size() - text.size());
  }
  return columns == 0 ? out : out + "…";
}

std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (word) {
      out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "peer" : out;
}

}  // namespace sanad::cli
