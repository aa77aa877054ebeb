#pragma once
// Following the log as the daemon writes it (Server-Sent Events of GET /v1/events).

#include <boost/json/value.hpp>
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

// One leaf as a line for people: "#18  today 09:04:11  peer.added  peer=p-7hq... outcome=done". Safe to print.
std::string leaf_line(std::string_view index, std::string_view event, const boost::json::value& leaf, WallTime now);

struct WatchRequest {
  std::string from{};         // index; empty: from now on
  std::string only_prefix{};  // of the event's name; empty: all
  bool json = false;
};

// Until the daemon ends the stream; then reconnects where it was (Last-Event-ID), for as long as it answers.
Outcome<void> watch_events(Context& context, const WatchRequest& request);

}  // namespace sanad::cli
