#pragma once
// One POST to a server that may be slow, lie or be somebody else: bounded in time and size, follows nothing.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gateway/base/result.hpp"
#include "gateway/base/url.hpp"

namespace sanad::witness {

struct PostLimits {
  std::chrono::milliseconds timeout{10'000};  // for all of it: name, connection, TLS, request, answer
  std::size_t answer_bytes = 64 * 1024;
};

struct HttpAnswer {
  unsigned status = 0;
  std::string content_type;
  std::string body;
};

// Loop thread. With https, the server's certificate must be for the host and end in the system's trust store.
class HttpClient final {
 public:
  explicit HttpClient(boost::asio::io_context& loop, PostLimits limits = {}) : loop_(loop), limits_(limits) {}

  // `done` runs once, on the loop thread, later than this call; never when the loop ends first. Errors: timeout, unavailable
  // (no such name, refused, reset), permission_denied (TLS), corrupt (not HTTP, or too much of it).
  void post(const HttpUrl& url, std::string body, std::function<void(Result<HttpAnswer>)> done);

 private:
  boost::asio::io_context& loop_;
  PostLimits limits_;
  std::shared_ptr<void> tls_;  // made for the first https URL; shared with the exchanges under way
};

}  // namespace sanad::witness
