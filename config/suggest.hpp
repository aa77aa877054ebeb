#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace sanad::config {

// The name that `written` most likely is a slip of: at most two letters wrong, missing, extra or swapped, and fewer than half
// of them. Unset when nothing is that near. Pure; words above 64 bytes are nobody's slip.
std::optional<std::string_view> nearest(std::string_view written, const std::vector<std::string_view>& names);

}  // namespace sanad::config
