#pragma once
// Text -> Config. Reports every error there is at once, in the order of the file.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "gateway/base/result.hpp"

namespace sanad::config {

// What the reader asks of the host; a fake in tests. Blocking.
class FileAccess {
 public:
  virtual ~FileAccess() = default;
  // Content of a private key file; permission_denied when group or others may read it.
  virtual Result<std::string> read_secret(const std::filesystem::path& path) = 0;
  // Success when it is a regular file that this process can read.
  virtual Result<void> readable(const std::filesystem::path& path) = 0;
  // $CREDENTIALS_DIRECTORY, where "credential:NAME" is looked for; unset when the service manager passed none.
  virtual std::optional<std::filesystem::path> credentials() = 0;
};

struct ReadOutcome {
  std::optional<Config> config;  // set exactly when `errors` is empty
  std::vector<std::string>
      errors;  // "file:line:col: path: message", 1-based; at most kMaxErrors, then one line with the rest's count
};

inline constexpr std::size_t kMaxFileBytes = 1 << 20;
inline constexpr std::size_t kMaxErrors = 100;

// Pure but for what it asks of `files`. `filename` is only for the messages.
ReadOutcome parse(std::string_view text, std::string_view filename, FileAccess& files);

// Reads the file and the host. Blocking. A file that cannot be read is one error, "file: reason".
ReadOutcome read(const std::filesystem::path& path);

// The same for callers that want one Error: invalid_argument, all lines joined by newlines.
Result<Config> load(const std::filesystem::path& path);

}  // namespace sanad::config
