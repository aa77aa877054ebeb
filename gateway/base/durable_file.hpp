#pragma once
// Files that are either the old one or the new one, never half of each.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"

namespace sanad {

// Writes `content` beside `path`, fsyncs it, renames it into place and fsyncs the directory:
//   openat(O_CREAT|O_EXCL, mode) write* fsync close rename fsync(dir)
// When it returns success the new content survives a power cut. On error the old file is untouched and the temporary
// one removed. An fsync error is reported, never retried.
Result<void> write_file_durably(const std::filesystem::path& path, std::string_view content, mode_t mode);

// Whole file, refused (invalid_argument) above `limit` bytes. Regular files only.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit);

// The same, and refused (permission_denied) when group or others may read it: for private keys.
Result<std::string> read_secret_file(const std::filesystem::path& path, std::size_t limit);

Result<void> fsync_directory(const std::filesystem::path& directory);

}  // namespace sanad
