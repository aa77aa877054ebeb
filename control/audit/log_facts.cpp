#include "control/audit/log_facts.hpp"

#include <boost/json.hpp>
#include <cstring>
#include <optional>

namespace sanad::audit {
namespace {

namespace json = boost::json;

constexpr std::int64_t kBaseEventClass = 0;
constexpr std::int64_t kEntityManagementClass = 3004;
constexpr std::string_view kKeyAnnounced = "log_key";
constexpr std::string_view kClock = "clock";

Error unreadable(std::string_view what) { return {Errc::corrupt, "it does not read as " + std::string(what)}; }

const json::value* member(const json::value& value, std::string_view name) {
  const auto* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

const json::value* own_details(const json::value& event) {
  const auto* unmapped = member(event, "unmapped");
  return unmapped == nullptr ? nullptr : member(*unmapped, "sanad");
}

bool is_text(const json::value* value, std::string_view text) {
  return value != nullptr && value->is_string() && value->get_string() == text;
}

std::optional<std::string> text_of(const json::value* value) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<std::int64_t> integer_of(const json::value* value) {
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::optional<std::uint64_t> index_of(const json::value* value) {
  const auto number = integer_of(value);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

Result<LogFact> own_fact(const json::value& details) {
  if (is_text(member(details, "name"), kKeyAnnounced)) {
    const auto epoch = index_of(member(details, "epoch"));
    auto vkey = text_of(member(details, "key"));
    const auto first = index_of(member(details, "first_index"));
    if (!epoch || !vkey || !first) return unreadable("the announcement of a log key");
    return LogFact(KeyAnnouncement{*epoch, *std::move(vkey), *first});
  }
  if (is_text(member(details, "name"), kClock)) {
    const auto step = integer_of(member(details, "step_ms"));
    if (!step) return unreadable("a change of the clock");
    return LogFact(ClockStep{*step});
  }
  return LogFact();
}

Result<LogFact> entity_fact(const json::value& event, const json::value& details) {
  const auto* entity = member(event, "entity");
  if (entity != nullptr && is_text(member(*entity, "type"), "log") && is_text(member(details, "action"), "fork")) {
    const auto* in_force = member(details, "registration_in_force");
    if (in_force == nullptr) return LogFact();
    const auto index = index_of(member(*in_force, "index"));
    auto fingerprint = text_of(member(*in_force, "certificate_sha256"));
    if (!index || !fingerprint) return unreadable("the beginning of a log after a fork");
    return LogFact(RegistrationInstalled{*std::move(fingerprint), *index});
  }
  if (entity == nullptr || !is_text(member(*entity, "type"), "registration") || !is_text(member(details, "action"), "install")) {
    return LogFact();
  }
  auto fingerprint = text_of(member(*entity, "uid"));
  if (!fingerprint) return unreadable("the installation of a registration");
  return LogFact(RegistrationInstalled{*std::move(fingerprint), std::nullopt});
}

// memmem: std::string_view::find stops at every quotation mark, of which JSON is full.
const char* find_in(std::string_view text, std::string_view wanted) {
  return static_cast<const char*>(::memmem(text.data(), text.size(), wanted.data(), wanted.size()));
}

// Whether one of the classes that facts are of is named anywhere in the event.
bool is_of_a_class_with_facts(std::string_view event) {
  constexpr std::string_view kKey = R"("class_uid":)";
  while (const char* const at = find_in(event, kKey)) {
    event.remove_prefix(static_cast<std::size_t>(at - event.data()) + kKey.size());
    if (event.starts_with("0") || event.starts_with("3004")) return true;
  }
  return false;
}

// Parsing every record would cost more than hashing it; canonical JSON has one spelling to look for. Most records are of
// sessions.
bool may_be_fact(std::string_view event) {
  if (!is_of_a_class_with_facts(event)) return false;
  return find_in(event, R"("name":"log_key")") != nullptr || find_in(event, R"("name":"clock")") != nullptr ||
         find_in(event, R"("type":"registration")") != nullptr || find_in(event, R"("type":"log")") != nullptr;
}

}  // namespace

EventDraft key_announced(const Reporter& reporter, WallTime when, const KeyAnnouncement& key) {
  return own_event(reporter, when, kKeyAnnounced, {{"epoch", key.epoch}, {"key", key.vkey}, {"first_index", key.first_index}});
}

EventDraft key_destroyed(const Reporter& reporter, WallTime when, std::uint64_t epoch) {
  return own_event(reporter, when, "log_key_destroyed", {{"epoch", epoch}});
}

Result<LogFact> log_fact(std::string_view event) {
  if (!may_be_fact(event)) return LogFact();
  boost::system::error_code failed;
  const json::value parsed = json::parse({event.data(), event.size()}, failed);
  if (failed) return unreadable("JSON");
  const auto* details = own_details(parsed);
  const auto class_uid = integer_of(member(parsed, "class_uid"));
  if (details == nullptr || !class_uid) return LogFact();
  if (*class_uid == kBaseEventClass) return own_fact(*details);
  if (*class_uid == kEntityManagementClass) return entity_fact(parsed, *details);
  return LogFact();
}

}  // namespace sanad::audit
