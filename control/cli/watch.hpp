#pragma once
// Following the log as the daemon writes it (Server-Sent Events of GET /v1/events).

#include <optional>
#include <string>
#include <string_view>

#include "control/cli/context.hpp"

namespace sanad::cli {

struct SseEvent {
  std::string id;
  std::string name;
  std::string data;
};

// Lines in, events out (WHATWG HTML 9.2.6). Pure.
class SseParser final {
 public:
  std::optional<SseEvent> line(std::string_view text);  // an event on the empty line that ends it

 private:
  SseEvent event_;
};

struct WatchRequest {
  std::string from{};         // index; empty: from now on
  std::string only_prefix{};  // of leaf_name(); empty: all
  bool json = false;
};

// Until the daemon ends the stream; then reconnects where it was (Last-Event-ID), for as long as it answers.
Outcome<void> watch_events(Context& context, const WatchRequest& request);

}  // namespace sanad::cli
