#include "control/audit/decimal.hpp"

namespace sanad::audit {

std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const std::uint64_t most = max / 10;
  const std::uint64_t last = max % 10;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > most || (value == most && digit > last)) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace sanad::audit
