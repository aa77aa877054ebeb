#pragma once
// Random bytes, many small requests at the price of few.

#include <cstdint>
#include <span>

namespace sanad {

// From getrandom(2), through a buffer of each thread that is wiped as it is used up. Throws std::runtime_error when the kernel
// gives none: nothing that needs randomness can sensibly go on. Not across fork(): a child would repeat its parent's.
void fill_random(std::span<std::uint8_t> out);

}  // namespace sanad
