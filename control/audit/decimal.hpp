#pragma once
// Numbers as C2SP texts spell them: one spelling each.

#include <cstdint>
#include <optional>
#include <string_view>

namespace sanad::audit {

// ASCII digits, no sign, no leading zero but in "0", at most `max`; anything else: nothing.
std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max);

}  // namespace sanad::audit
