#pragma once
// A request and its answer as values, between the HTTP layer (session.cpp) and whoever answers. No Beast type crosses.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "control/access/actor.hpp"
#include "gateway/base/result.hpp"

namespace sanad::api {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct RequestHead {
  std::string method;  // "GET"; what HTTP does not know is kept as sent
  std::string target;  // "/v1/peers?limit=5", as sent
  Fields fields;       // names in lower case, in the order sent
  std::optional<std::uint64_t> content_length;
  bool chunked = false;

  // Empty when absent. Repeated fields: the first (Host, Content-Length and the like are refused earlier when repeated).
  [[nodiscard]] std::string_view field(std::string_view lower_case_name) const;
  [[nodiscard]] bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

struct Request {
  RequestHead head;
  std::string body;
};

// A body that is made while it is sent: the next part is asked for when the one before has left. So a slow reader costs
// one part of memory, however long the list.
class BodySource {
 public:
  using Part = Result<std::optional<std::string>>;  // unset: that was all. Never an empty string.
  virtual ~BodySource() = default;
  // Calls `done` once, on the loop thread, possibly before returning. Destruction while it waits is the end of it: `done`
  // is dropped uncalled. An error in the middle closes the connection without the final chunk, so that no client takes a
  // part for the whole.
  virtual void next(std::function<void(Part)> done) = 0;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;                    // sent when `stream` is null
  std::unique_ptr<BodySource> stream;  // sent in chunks
  Fields fields;                       // further ones
};

// Called exactly once, on the loop thread, possibly before the call that took it returns.
using Reply = std::function<void(Response)>;

// Who answers. Everything on the loop thread.
class Application {
 public:
  virtual ~Application() = default;
  // How many connections this actor may hold at a time.
  virtual std::size_t connections_for(const access::Actor& actor) = 0;
  // After the header, before a byte of the body is read: the body's limit, or the answer that refuses the request.
  virtual std::variant<std::size_t, Response> admit(const access::Actor& actor, const RequestHead& head) = 0;
  virtual void handle(const access::Actor& actor, Request request, Reply reply) = 0;
};

}  // namespace sanad::api
