#pragma once
// What the daemon keeps beside a record: the values behind its digests.

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "control/cli/client.hpp"

namespace sanad::cli {

// The RFC 9901 disclosures of the record that are called so, or all for "all". The daemon records that they were read, and gives
// them to whoever may see personal data. Failure not_found: the record has none of that name, or it was erased.
Outcome<std::vector<std::string>> disclosures_of(const Client& client, std::uint64_t record,
                                                 const std::vector<std::string>& names);

// All disclosures of the records from `from` on and below `to`, a record at a time: one line of JSON, {"record": n,
// "disclosures":
// ["<RFC 9901>", ...]}, for each that has any. The daemon records that they were read. Returns how many records had some.
Outcome<std::uint64_t> write_disclosures(const Client& client, std::uint64_t from, std::uint64_t to, std::ostream& out);

}  // namespace sanad::cli
