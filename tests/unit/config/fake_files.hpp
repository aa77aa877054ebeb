#pragma once

#include <map>
#include <set>
#include <string>

#include "config/reader.hpp"

namespace sanad::config {

// A host in memory: what is in `secrets` and `open_files` is there, the rest is not.
class FakeFiles final : public FileAccess {
 public:
  // `wg genkey`, for tests only.
  static constexpr const char* kKey = "YAnOgpZ9lzkAyuBlAgkj5Bu3Pm5CqVvvJGNHI4RsIHM=\n";

  std::map<std::filesystem::path, std::string> secrets{{"/var/lib/sanad/keys/wg0.key", kKey}};
  std::set<std::filesystem::path> world_readable;
  std::set<std::filesystem::path> open_files;
  std::optional<std::filesystem::path> credential_directory;

  Result<std::string> read_secret(const std::filesystem::path& path) override {
    if (world_readable.contains(path))
      return Error{Errc::permission_denied, path.string() + " can be read by others", {}, "chmod 600 it"};
    const auto found = secrets.find(path);
    if (found == secrets.end()) return Error{Errc::not_found, "couldn't open " + path.string() + ": No such file or directory"};
    return found->second;
  }
  Result<void> readable(const std::filesystem::path& path) override {
    if (!open_files.contains(path))
      return Error{Errc::not_found, "couldn't open " + path.string() + ": No such file or directory"};
    return {};
  }
  std::optional<std::filesystem::path> credentials() override { return credential_directory; }
};

// The smallest file that is right.
inline constexpr std::string_view kSmallest =
    "gateway:\n"
    "  id: example-khi-1\n"
    "interfaces:\n"
    "  - addresses: [10.66.0.1/16, \"fd66::1/64\"]\n";

}  // namespace sanad::config
