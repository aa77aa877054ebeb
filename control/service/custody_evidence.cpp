#include "control/service/custody_evidence.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

namespace sanad::service {
namespace {

namespace json = boost::json;

// Names in unmapped.sanad of our own events.
constexpr const char* kHold = "hold";
constexpr const char* kRedaction = "redaction";
constexpr const char* kConfirmation = "confirmation";
constexpr const char* kRetention = "retention";

json::object hold_details(const ledger::Hold& hold, std::string_view action) {
  json::object details{{"action", action}, {"hold", hold.id}};
  if (!hold.owner_id.empty()) details["owner"] = hold.owner_id;
  if (hold.from) details["from"] = hold.from->ms();
  if (hold.to) details["to"] = hold.to->ms();
  if (hold.expires) details["expires"] = hold.expires->ms();
  return details;
}

void add_confirmation(json::object& details, const std::string& id) {
  if (!id.empty()) details["confirmation"] = id;
}

audit::EventDraft event(const audit::Reporter& reporter, WallTime when, const std::optional<audit::Actor>& actor,
                        std::string_view name, json::object details) {
  return actor ? audit::own_act(reporter, when, *actor, name, std::move(details))
               : audit::own_event(reporter, when, name, std::move(details));
}

}  // namespace

json::array ranges(std::span<const std::uint64_t> indices) {
  json::array out;
  for (std::size_t i = 0; i < indices.size();) {
    std::size_t last = i;
    while (last + 1 < indices.size() && indices[last + 1] <= indices[last] + 1) ++last;
    out.push_back(json::array{indices[i], indices[last]});
    i = last + 1;
  }
  return out;
}

audit::EventDraft hold_placed(const audit::Reporter& reporter, WallTime when, const audit::Actor& actor,
                              const ledger::Hold& hold) {
  std::vector<audit::Disclosable> personal;
  // What was written about a person goes when the person is erased; the address when the hold is released.
  personal.push_back({"unmapped.sanad.reason", json::value(hold.reason), hold.owner_id});
  personal.push_back({"unmapped.sanad.approver", json::value(hold.approver), {}});
  if (hold.address) personal.push_back({"unmapped.sanad.address", json::value(hold.address->to_string()), hold.id});
  return audit::own_act(reporter, when, actor, kHold, hold_details(hold, "place"), std::move(personal));
}

audit::EventDraft hold_released(const audit::Reporter& reporter, WallTime when, const audit::Actor& actor,
                                const ledger::Hold& hold, const std::string& confirmation) {
  auto details = hold_details(hold, "release");
  details["placed_in"] = hold.evidence;
  add_confirmation(details, confirmation);
  return audit::own_act(reporter, when, actor, kHold, std::move(details));
}

audit::EventDraft hold_expired(const audit::Reporter& reporter, WallTime when, const ledger::Hold& hold) {
  auto details = hold_details(hold, "expire");
  details["placed_in"] = hold.evidence;
  return audit::own_event(reporter, when, kHold, std::move(details));
}

audit::EventDraft redacted(const audit::Reporter& reporter, WallTime when, const Redaction& redaction) {
  json::object details{{"action", "erase"},
                       {"owner", redaction.person},
                       {"records", ranges(redaction.deleted.records)},
                       {"disclosures", redaction.deleted.disclosures},
                       {"addresses", redaction.deleted.addresses}};
  add_confirmation(details, redaction.confirmation);
  auto draft = event(reporter, when, redaction.actor, kRedaction, std::move(details));
  if (!redaction.reason.empty()) draft.personal.push_back({"unmapped.sanad.reason", json::value(redaction.reason), {}});
  return draft;
}

audit::EventDraft confirmation_event(const audit::Reporter& reporter, WallTime when, const std::optional<audit::Actor>& actor,
                                     std::string_view what, const ledger::Confirmation& confirmation, const std::string& target) {
  json::object details{{"action", what},
                       {"confirmation", confirmation.id},
                       {"act", confirmation.act},
                       {"asked_by", confirmation.uid},
                       {"target", target}};
  return event(reporter, when, actor, kConfirmation, std::move(details));
}

std::vector<ledger::Deleted> in_parts(const ledger::Deleted& deleted) {
  constexpr std::size_t kIndexes = 2000;
  std::vector<ledger::Deleted> out{deleted};
  out.front().records.resize(std::min(deleted.records.size(), kIndexes));
  for (std::size_t at = kIndexes; at < deleted.records.size(); at += kIndexes) {
    const auto begin = deleted.records.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = static_cast<std::ptrdiff_t>(std::min(kIndexes, deleted.records.size() - at));
    out.emplace_back().records.assign(begin, begin + count);
  }
  return out;
}

audit::EventDraft sessions_expired(const audit::Reporter& reporter, WallTime when, WallTime cutoff, std::int64_t policy_days,
                                   const ledger::Deleted& deleted) {
  return audit::own_event(reporter, when, kRetention,
                          {{"action", "sessions"},
                           {"policy_days", policy_days},
                           {"ended_before", cutoff.ms()},
                           {"sessions", deleted.sessions},
                           {"records", ranges(deleted.records)},
                           {"disclosures", deleted.disclosures},
                           {"addresses", deleted.addresses}});
}

audit::EventDraft retention_changed(const audit::Reporter& reporter, WallTime when, const std::optional<audit::Actor>& actor,
                                    std::int64_t old_days, std::int64_t new_days, const std::string& confirmation) {
  json::object details{{"action", "policy"}, {"old_days", old_days}, {"new_days", new_days}};
  add_confirmation(details, confirmation);
  return event(reporter, when, actor, kRetention, std::move(details));
}

}  // namespace sanad::service
