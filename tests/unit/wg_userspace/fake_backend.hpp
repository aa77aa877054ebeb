#pragma once
// A UAPI server on a Unix socket in a directory of its own. It remembers what was set, or answers what the test says.

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gateway/base/unique_fd.hpp"

namespace sanad::wg {

class FakeBackend final {
 public:
  explicit FakeBackend(const std::string& interface_name);
  ~FakeBackend();
  FakeBackend(const FakeBackend&) = delete;
  FakeBackend& operator=(const FakeBackend&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  // From now on every request is answered with these bytes, then the connection is closed.
  void answer_always(std::string bytes);
  // Takes requests and says nothing.
  void stay_silent();
  // Refuses the n-th set (0 = the first) from now on with this errno.
  void refuse_set(std::size_t index, int code);

  [[nodiscard]] std::vector<std::string> sets() const;  // each `set=1` block received whole

 private:
  void serve();
  void serve_connection(int fd);
  std::string take_set(const std::string& block);  // the answer
  std::string describe() const;

  struct FakePeer {
    std::string preshared_key = std::string(64, '0');
    std::string keepalive = "0";
    std::vector<std::string> allowed_ips;
  };

  std::filesystem::path directory_;
  UniqueFd listener_;
  UniqueFd stop_;  // an eventfd
  mutable std::mutex mutex_;
  std::optional<std::string> fixed_answer_;  // all below guarded by mutex_
  bool silent_ = false;
  std::optional<std::pair<std::size_t, int>> refusal_;
  std::vector<std::string> sets_;
  std::map<std::string, std::string> device_;
  std::map<std::string, FakePeer> peers_;
  std::thread thread_;
};

}  // namespace sanad::wg
