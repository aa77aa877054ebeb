#include "control/cli/watch.hpp"

#include <boost/json.hpp>

#include "control/cli/json_view.hpp"
#include "control/cli/leaf_view.hpp"

namespace sanad::cli {

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
      const auto leaf = parse_json(event->data);
      if (!leaf || !leaf_name(*leaf).starts_with(request.only_prefix)) return true;
      if (request.json) {
        context.out << to_line(*leaf) << std::endl;
      } else {
        context.out << leaf_line(int_at(*leaf, "i"), *leaf, nullptr, context.now()) << std::endl;
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
