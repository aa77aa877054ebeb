#include "control/audit/retention_record.hpp"

#include <boost/json.hpp>

namespace sanad::audit {
namespace {

constexpr const char* kName = "retention";
constexpr const char* kAction = "minimum";

std::optional<std::int64_t> number_at(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  return value->get_int64();
}

bool has_text(const boost::json::object& object, std::string_view key, std::string_view text) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() && std::string_view(value->get_string()) == text;
}

}  // namespace

EventDraft minimum_raised(const Reporter& reporter, WallTime when, const MinimumRaised& raised) {
  return own_event(reporter, when, kName,
                   {{"action", kAction}, {"old", raised.from}, {"new", raised.to}, {"policy_days", raised.policy_days}});
}

std::optional<MinimumRaised> read_minimum_raised(std::string_view event) {
  // Nearly every record is another one: this is cheaper than reading it.
  if (event.find(R"("name":"retention")") == std::string_view::npos) return std::nullopt;
  boost::json::error_code failed;
  const auto parsed = boost::json::parse(event, failed);
  if (failed || !parsed.is_object()) return std::nullopt;
  const auto& object = parsed.get_object();
  // Our own events are of OCSF's base class.
  if (number_at(object, "class_uid") != 0) return std::nullopt;
  const auto* sanad = parsed.find_pointer("/unmapped/sanad", failed);
  if (sanad == nullptr || !sanad->is_object()) return std::nullopt;
  const auto& details = sanad->get_object();
  if (!has_text(details, "name", kName) || !has_text(details, "action", kAction)) return std::nullopt;
  const auto from = number_at(details, "old");
  const auto to = number_at(details, "new");
  const auto days = number_at(details, "policy_days");
  if (!from || !to || !days) return std::nullopt;
  return MinimumRaised{static_cast<std::uint64_t>(*from), static_cast<std::uint64_t>(*to), *days};
}

}  // namespace sanad::audit
