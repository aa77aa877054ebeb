#pragma once
// Figures as people say them. Pure.

#include <chrono>
#include <cstdint>
#include <string>

namespace sanad::cli {

std::string humane_bytes(std::int64_t bytes);                    // "812 B", "4.1 MB", "38 MB", "71 GB": powers of 1000
std::string humane_duration(std::chrono::nanoseconds duration);  // "0.6 s", "45 s", "12 min", "3 h 5 min", "2 d 4 h"
std::string with_thousands(std::int64_t number);                 // "1,204,331"

}  // namespace sanad::cli
