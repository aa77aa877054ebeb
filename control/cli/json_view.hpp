#pragma once
// Reading the daemon's answers by dotted path. What is missing, null or of another type reads as empty: an older or newer
// daemon must not crash the tool that is used to look at it.

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/clock.hpp"

namespace sanad::cli {

namespace json = boost::json;

std::optional<json::value> parse_json(std::string_view text);

const json::value* find(const json::value& root, std::string_view path);  // null when missing or null
std::string text_at(const json::value& root, std::string_view path);      // raw: for requests, never for the terminal
std::string shown(const json::value& root, std::string_view path);        // safe to print; "-" when empty
std::int64_t int_at(const json::value& root, std::string_view path);
std::optional<double> number_at(const json::value& root, std::string_view path);
bool bool_at(const json::value& root, std::string_view path);
std::optional<WallTime> time_at(const json::value& root, std::string_view path);
const json::array& array_at(const json::value& root, std::string_view path);
// "erased on 2027-03-14 (record #48211)" when the person of a peer or session was, else nothing.
std::string erased_text(const json::value& root);
std::string joined_at(const json::value& root, std::string_view path, std::string_view separator);  // safe to print

// One line of JSON; control characters that JSON would let through (DEL, C1) are escaped, so it is safe on a terminal.
std::string to_line(const json::value& value);

}  // namespace sanad::cli
