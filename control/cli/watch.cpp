#include "control/cli/watch.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "control/cli/json_view.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"

namespace sanad::cli {
namespace {

// Digests and salts are for proofs; a person following the log reads what happened.
void flatten(std::string& out, const std::string& prefix, const json::value& value, int depth) {
  if (value.is_null()) return;
  if (value.is_object() && depth < 3) {
    for (const auto& [key, inner] : value.get_object())
      flatten(out, prefix.empty() ? std::string(key) : prefix + "." + std::string(key), inner, depth + 1);
    return;
  }
  std::string text = value.is_string() ? safe(std::string_view(value.get_string())) : to_line(value);
  if (text.find(' ') != std::string::npos && value.is_string()) text = "\"" + text + "\"";
  out += "  " + safe(prefix) + "=" + text;
}

}  // namespace

std::optional<SseEvent> SseParser::line(std::string_view text) {
  if (text.empty()) {
    if (event_.data.empty()) {
      event_ = {};
      return std::nullopt;
    }
    return std::exchange(event_, {});
  }
  if (text.front() == ':') return std::nullopt;
  const std::string_view field = text.substr(0, text.find(':'));
  std::string_view value = text.substr(std::min(text.size(), field.size() + 1));
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id") event_.id = value;
  if (field == "event") event_.name = value;
  if (field == "data") event_.data += (event_.data.empty() ? "" : "\n") + std::string(value);
  return std::nullopt;
}

std::string leaf_line(std::string_view index, std::string_view event, const json::value& leaf, WallTime now) {
  std::string out = "#" + safe(index);
  std::optional<WallTime> time;
  for (const char* key : {"time", "at", "recorded_at", "ts"}) {
    if (!time) time = time_at(leaf, key);
  }
  if (time) out += "  " + show_time(*time, now);
  if (!event.empty()) out += "  " + safe(event);
  if (!leaf.is_object()) return out + "  " + to_line(leaf);
  for (const auto& [key, value] : leaf.get_object()) {
    if (key == "time" || key == "at" || key == "recorded_at" || key == "ts" || key == "index" || key == "class" || key == "v")
      continue;
    flatten(out, std::string(key), value, 0);
  }
  return out;
}

Outcome<void> watch_events(Context& context, const WatchRequest& request) {
  std::string last;
  for (bool first = true;; first = false) {
    Request get{"GET", with_query("/v1/events", {{"from", last.empty() ? request.from : ""}})};
    get.headers.emplace_back("Accept", "text/event-stream");
    if (!last.empty()) get.headers.emplace_back("Last-Event-ID", last);
    SseParser parser;
    std::size_t events = 0;
    const auto streamed = context.client().stream(get, [&](std::string_view line) {
      const auto event = parser.line(line);
      if (!event) return true;
      ++events;
      if (!event->id.empty()) last = event->id;
      if (!event->name.starts_with(request.only_prefix)) return true;
      const auto leaf = parse_json(event->data);
      if (request.json) {
        if (leaf) context.out << to_line(*leaf) << std::endl;
      } else {
        context.out << leaf_line(event->id, event->name, leaf.value_or(nullptr), context.now()) << std::endl;
      }
      return context.out.good();
    });
    if (!context.out.good()) return {};
    // A stream that ended after it had something to say is a restart; one that never had is an answer.
    if (!streamed && (first || events == 0)) return streamed.error();
    if (streamed && events == 0) return {};
  }
}

}  // namespace sanad::cli
