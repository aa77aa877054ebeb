#pragma once
// CSV (RFC 4180) with a header line, as spreadsheets write it, turned into the bodies of POST /v1/peers. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.hpp"

namespace sanad::cli {

// Records of fields; CRLF or LF, quoted fields with doubled quotes, a UTF-8 byte order mark skipped, empty lines too.
// invalid_argument with the line: a quote out of place or never closed.
Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text);

// Columns: name, email, handle, device, public_key, preshared_key, allowed_ips, keepalive, expires_at, not_before, groups, note,
// interface; lists are separated by spaces or semicolons, empty cells are left out. One line of JSON a record.
// invalid_argument: an unknown or repeated column, name or public_key missing, a record of another length.
Result<std::vector<std::string>> peers_of_csv(std::string_view text);

}  // namespace sanad::cli
