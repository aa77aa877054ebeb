#pragma once

#include <cstddef>
#include <string_view>

namespace sanad::audit {

// Bytes of one well-formed UTF-8 sequence at the front of `text` (RFC 3629 table), 0 when there is none.
std::size_t utf8_length(std::string_view text);

}  // namespace sanad::audit
