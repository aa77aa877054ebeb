#pragma once
// A daemon of the test's own on a Unix socket in a temporary directory: canned answers in, the requests it got out.

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "control/cli/commands.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::cli::test {

class TemporaryDirectory final {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string at(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct Canned {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
};

struct Got {
  std::string line;     // "GET /v1/status"
  std::string headers;  // raw
  std::string body;
};

class FakeDaemon final {
 public:
  FakeDaemon();
  ~FakeDaemon();
  // Answers `line` ("GET /v1/peers?match=x&limit=1000") so; anything else is a 404 problem.
  void on(const std::string& line, Canned answer);
  [[nodiscard]] std::vector<Got> got() const;
  [[nodiscard]] std::string socket() const { return directory_.at("admin.sock"); }
  [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }

 private:
  void serve();
  void answer(int fd);

  TemporaryDirectory directory_;
  UniqueFd listener_;
  UniqueFd stop_read_, stop_write_;
  mutable std::mutex mutex_;
  std::map<std::string, Canned> answers_;  // guarded by mutex_
  std::vector<Got> got_;                   // guarded by mutex_
  std::thread thread_;
};

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

inline const WallTime kRunAt = *parse_rfc3339("2026-11-24T09:16:20Z");
// Runs one command as `sanad` would, without a terminal, at that time.
Ran run(const std::string& socket, std::vector<std::string> arguments, Terminal terminal = {}, std::string input = {});

}  // namespace sanad::cli::test
