#pragma once

#include <string>

#include "control/audit/leaf.hpp"

namespace sanad::ledger {

// `prefix` and 13 random characters of RFC 4648 base32 in lower case (65 bits): "p-7hq2k5xwz3nma".
std::string make_opaque_id(std::string_view prefix, const audit::FillRandom& random);

// A name as a handle: lower-case ASCII letters and digits, everything else a single '-'; at most 32 characters; "peer" when
// nothing is left (a name in another script).
std::string slug(std::string_view name);

}  // namespace sanad::ledger
