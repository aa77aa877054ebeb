#pragma once
// JSON values -> the one spelling RFC 8785 gives them. Pure.

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"

namespace sanad::audit {

// Largest integer JSON readers agree on (RFC 7493 section 2.2: 2^53 - 1).
constexpr std::int64_t kMaxExactInteger = 9'007'199'254'740'991;

// Keys sorted by UTF-16 code units, no whitespace, ECMAScript escapes. Errors (invalid_argument, `field` = path of the value):
// a double, an integer beyond +-kMaxExactInteger, text that is not UTF-8 (RFC 8785 section 3.2.2.2 forbids lone surrogates).
// Counters that may grow past 2^53 are the caller's to write as strings.
Result<std::string> canonical_json(const boost::json::value& value);
// The same, appended; on error `out` is left with a part of the text.
Result<void> append_canonical(std::string& out, const boost::json::value& value);
Result<void> append_canonical(std::string& out, const boost::json::object& object);
// `text` as a JSON string in quotes; must be UTF-8.
Result<void> append_canonical_string(std::string& out, std::string_view text);
// How many bytes at the front stand for themselves in a JSON string: not control characters, quotes or backslashes, and ASCII.
std::size_t plain_prefix(std::string_view text);

}  // namespace sanad::audit
