#pragma once
// From the key somebody has to all later ones of a log, without reading the whole of it.

#include <vector>

#include "control/audit/log_reader.hpp"

namespace sanad::audit {

// `known`, and every key of the log that they lead to: each was announced by the last record of the tree that the key before it
// signed last, which the archive has. What cannot be followed ends the list; what is no key of this log is kept as it is.
std::vector<VerifierKey> follow_keys(const LogReader& log, std::vector<VerifierKey> known);

}  // namespace sanad::audit
