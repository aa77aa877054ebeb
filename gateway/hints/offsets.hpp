#pragma once
// Where the wireguard module keeps what we look at, read from the BTF (type information) that the running kernel shows in files.

#include "gateway/base/result.hpp"
#include "gateway/hints/record.h"

namespace sanad::hints {

// Errors: unsupported, with what is missing.
Result<SanadWgOffsets> find_offsets();

}  // namespace sanad::hints
