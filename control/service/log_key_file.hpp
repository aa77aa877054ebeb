#pragma once
// The files of the log's private keys: <state>/keys/log-<epoch>.key, mode 0600; or the systemd credential log-<epoch>.key, which
// is taken where there is one. Blocking.

#include <cstdint>
#include <filesystem>

#include "gateway/base/result.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::service {

class LogKeyFile final {
 public:
  LogKeyFile(const std::filesystem::path& state_dir, std::uint64_t epoch);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Errors: not_found, permission_denied (others may read it), invalid_argument, io.
  [[nodiscard]] Result<Secret32> read() const;
  // The key that is there, left by whoever was killed before using it; else a new one, durable when this returns.
  [[nodiscard]] Result<Secret32> read_or_make() const;
  // Overwrites, unlinks, makes that durable. True: there is no such file any more. False: it is a credential, which whoever
  // provides it has to take away. What a disk keeps of overwritten blocks is beyond our reach.
  [[nodiscard]] Result<bool> destroy() const;

 private:
  std::filesystem::path path_;
  bool credential_ = false;
};

}  // namespace sanad::service
