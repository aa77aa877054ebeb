#pragma once
// HTTP/1.1 on the daemon's Unix socket, one connection a request. Blocking; one thread.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/cli/failure.hpp"

namespace sanad::cli {

inline constexpr const char* kDefaultSocket = "/run/sanad/admin.sock";

struct Request {
  std::string method = "GET";
  std::string target;  // path and query, encoded (with_query)
  std::string body{};
  std::string content_type{};
  std::vector<std::pair<std::string, std::string>> headers{};
};

struct Response {
  int status = 0;
  std::string etag;
  std::string body;
};

// "/v1/peers" + {{"match", "a b"}} -> "/v1/peers?match=a%20b"; parameters with an empty value are left out.
std::string with_query(std::string_view path, const std::vector<std::pair<std::string, std::string>>& parameters);

class Client final {
 public:
  explicit Client(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  // The whole answer, up to 256 MiB. Status >= 400 is a Failure. A daemon silent for 60 s is one too.
  Outcome<Response> send(const Request& request) const;
  // The answer line by line as it comes, without line ends, while the request may still be on its way out. `on_line` returns
  // false to have enough. A line above 16 MiB is a Failure.
  Outcome<void> stream(const Request& request, const std::function<bool(std::string_view)>& on_line) const;

  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

 private:
  std::string socket_path_;
};

}  // namespace sanad::cli
