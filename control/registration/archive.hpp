#pragma once
// Files in one: a ustar archive (POSIX.1-1988), which every tar reads. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"

namespace sanad::registration {

struct ArchivedFile {
  std::string name;  // relative, at most 99 bytes
  std::string content;
};

// Mode 0600, no owner, all of the same time. internal: a name is too long.
Result<std::string> make_archive(const std::vector<ArchivedFile>& files, WallTime time);

}  // namespace sanad::registration
