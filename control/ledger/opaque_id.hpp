#pragma once
// Identifiers that say nothing about whom or what they name, but in which order they were made.

#include <cstdint>
#include <string>
#include <string_view>

#include "control/audit/leaf.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::ledger {

// "p-2xhq7kz5wr3nm": the prefix and 13 characters of a-z and 2-7, 64 bits. Later ones sort behind earlier ones (but for a clock
// that was set back between two runs of the program): rows with them as key are appended, where random keys would each dirty
// another page of every index. The time they are made of is in the leaf of the same change anyway.
class OpaqueIds {
 public:
  std::string make(std::string_view prefix, WallTime now, const audit::FillRandom& random);

 private:
  std::uint64_t last_ = 0;
};

// A name as a handle: lower-case ASCII letters and digits, everything else a single '-'; at most 32 characters; "peer" when
// nothing is left (a name in another script).
std::string slug(std::string_view name);

}  // namespace sanad::ledger
