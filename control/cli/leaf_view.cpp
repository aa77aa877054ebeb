#include "control/cli/leaf_view.hpp"

#include <boost/json.hpp>

#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"

namespace sanad::cli {
namespace {

std::string disclosed(const json::value& disclosures, std::string_view name) {
  if (!disclosures.is_array()) return {};
  for (const auto& one : disclosures.get_array()) {
    if (text_at(one, "name") == name) return shown(one, "value");
  }
  return {};
}

// An opaque id, after the name it stands for where that is disclosed.
std::string named(const std::string& name, const std::string& id) { return name.empty() ? id : name + " (" + id + ")"; }

std::string session_words(const json::value& event, const json::value& disclosures, const std::string& name) {
  std::string text = "  " + named(disclosed(disclosures, "user.name"), shown(event, "unmapped.sanad.peer"));
  if (const std::string inner = joined_at(event, "unmapped.sanad.inner", ", "); !inner.empty()) text += "  inside " + inner;
  if (const std::string ip = disclosed(disclosures, "src_endpoint.ip"); !ip.empty()) text += "  from " + ip;
  if (name == "session.closed") {
    text += "  after " + humane_duration(std::chrono::milliseconds(int_at(event, "duration"))) + "  in " +
            humane_bytes(int_at(event, "cumulative_traffic.bytes_out")) + "  out " +
            humane_bytes(int_at(event, "cumulative_traffic.bytes_in")) + "  (" + shown(event, "status_detail") + ")";
  }
  return text;
}

std::string actor_words(const json::value& event, const json::value& disclosures) {
  if (find(event, "actor") == nullptr) return {};
  return "  by " + named(disclosed(disclosures, "actor.user.name"), "uid " + shown(event, "actor.user.uid"));
}

// Everything of ours that the class has no word for; what stands in every event says nothing about this one.
std::string own_words(const json::value& event) {
  const auto* own = find(event, "unmapped.sanad");
  if (own == nullptr || !own->is_object()) return {};
  std::string text;
  for (const auto& [key, value] : own->get_object()) {
    if (key == "clock" || key == "registration" || key == "name" || key == "action" || key == "role" || value.is_null()) continue;
    text += "  " + safe(std::string_view(key)) + "=" +
            (value.is_string() ? safe(std::string_view(value.get_string())) : to_line(value));
  }
  return text;
}

}  // namespace

std::string leaf_name(const json::value& leaf) {
  // type_uid = class_uid * 100 + activity_id (OCSF 1.8.0).
  switch (const auto type = int_at(leaf, "event.type_uid")) {
    case 401401:
      return "session.opened";
    case 401402:
      return "session.closed";
    case 401403:
      return "session.roamed";
    case 401499:
      return "session.attempted";
    case 600203:
      return "lifecycle.start";
    case 600204:
      return "lifecycle.stop";
    case 600299:
      return "lifecycle.heartbeat";
    default:
      if (type / 100 == 6003) return "api.call";
      if (type / 100 == 3004) return "entity." + shown(leaf, "event.unmapped.sanad.action");
      const std::string own = text_at(leaf, "event.unmapped.sanad.name");
      return own.empty() ? "record" : safe(own);
  }
}

std::string leaf_line(std::int64_t index, const json::value& leaf, const json::value& disclosures, WallTime now) {
  const std::string name = leaf_name(leaf);
  std::string text = "#" + std::to_string(index);
  if (const auto ms = int_at(leaf, "t"); ms != 0) text += "  " + show_time(WallTime::from_ms(ms), now);
  text += "  " + name;
  const auto* event = find(leaf, "event");
  if (event == nullptr) return text + "  " + to_line(leaf);
  if (name.starts_with("session.")) return text + session_words(*event, disclosures, name);
  if (name == "api.call") {
    text += "  " + shown(*event, "api.operation");
    for (const auto& resource : array_at(*event, "resources")) text += "  " + shown(resource, "uid");
    text += actor_words(*event, disclosures) + "  " + shown(*event, "status_code");
    const std::string why = text_at(*event, "status_detail");
    return text + (why.empty() ? "" : ": " + safe(why));
  }
  if (name.starts_with("entity."))
    text += "  " + shown(*event, "entity.type") + " " + shown(*event, "entity.uid") + actor_words(*event, disclosures);
  return text + own_words(*event);
}

}  // namespace sanad::cli
