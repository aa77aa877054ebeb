#include "control/service/custody_jobs.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>

#include "control/service/custody_evidence.hpp"

namespace sanad::service {
namespace {

namespace json = boost::json;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool tells(const std::string& reason, const std::string& word) {
  return !word.empty() && lower(reason).find(lower(word)) != std::string::npos;
}

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

Error held(const ledger::Hold& hold) {
  return {Errc::refused_by_policy,
          "a legal hold keeps this person's records: " + hold.id + " (approved by " + hold.approver + ", " +
              (hold.expires ? "until " + to_rfc3339(*hold.expires) : "until it is released") + ")",
          "person", "sanad hold list says more; it ends by itself or with: sanad hold release " + hold.id};
}

}  // namespace

std::string erasure_request(const std::string& person, const std::string& reason) {
  return json::serialize(json::object{{"person", person}, {"reason", reason}});
}
std::string release_request(const std::string& hold) { return json::serialize(json::object{{"hold", hold}}); }
std::string retention_request(std::int64_t days) { return json::serialize(json::object{{"days", days}}); }

std::string request_text(const std::string& request, const char* key) {
  const auto parsed = json::parse(request);
  const auto* value = parsed.as_object().if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t request_number(const std::string& request, const char* key) { return json::parse(request).at(key).as_int64(); }

std::string target_of(const ledger::Confirmation& confirmation) {
  if (confirmation.act == kActErasure) return request_text(confirmation.request, "person");
  if (confirmation.act == kActHoldRelease) return request_text(confirmation.request, "hold");
  return std::to_string(request_number(confirmation.request, "days")) + " days";
}

void want_purge(ledger::Transaction& txn) { txn.set_meta(kMetaPurgeWanted, std::to_string(txn.next_index())); }

Result<Waiting> ask_for_second(ledger::Transaction& txn, const Act& act, const char* kind, const std::string& request,
                               const std::string& target) {
  const WallTime when = txn.now().wall;
  const auto waiting = ledger::Custody(txn).put_confirmation(
      {{}, kind, request, static_cast<std::uint32_t>(act.actor.uid), when, when + kConfirmWithin});
  auto index = txn.append(confirmation_event(act.reporter, when, act.actor, "asked", waiting, target));
  if (!index) return std::move(index).error();
  return Waiting{waiting.id, waiting.act, waiting.expires, *index};
}

Result<Released> release_hold_now(ledger::Transaction& txn, const Act& act, const std::string& id) {
  ledger::Custody custody(txn);
  const auto hold = custody.find_hold(id);
  if (!hold) return Error{Errc::not_found, "there is no hold " + id, "id", "sanad hold list"};
  auto index = txn.append(hold_released(act.reporter, txn.now().wall, act.actor, *hold, act.confirmation));
  if (!index) return std::move(index).error();
  custody.delete_hold(id);
  custody.forget_disclosures_of(id);
  want_purge(txn);
  return Released{id, *index};
}

Result<ledger::Owner> may_be_erased(ledger::Transaction& txn, const std::string& person, const std::string& reason) {
  ledger::Custody custody(txn);
  auto owner = txn.find_owner(person);
  if (!owner) return Error{Errc::not_found, "there is no person " + person, "person", "sanad peer list"};
  if (const auto hold = custody.hold_on(person)) return held(*hold);
  const auto ties = custody.ties_of(person);
  if (ties.peers > 0) {
    return Error{Errc::conflict, counted(ties.peers, "device of this person is", "devices of this person are") + " in service",
                 "person", "revoke first: sanad peer revoke --all-of " + owner->handle};
  }
  if (ties.leaving > 0 || ties.sessions > 0) {
    return Error{Errc::unavailable, "the person's last session is being closed", "person", "try again in half a minute"};
  }
  if (tells(reason, owner->name) || tells(reason, owner->email) || tells(reason, owner->handle)) {
    return Error{Errc::invalid_argument, "the reason names the person, and it is kept", "reason",
                 "say it without the name, as \"request 2027-17\""};
  }
  return *std::move(owner);
}

Result<Erased> begin_erasing(ledger::Transaction& txn, const Act& act, const ledger::Owner& owner, const std::string& reason) {
  ledger::Custody custody(txn);
  if (auto begun = custody.begin_erasure(owner); !begun) return std::move(begun).error();
  auto deleted = custody.erase_some(owner.id, kRowsAtOnce);
  const WallTime when = txn.now().wall;
  auto index = txn.append(redacted(act.reporter, when, {owner.id, act.actor, reason, act.confirmation, deleted}));
  if (!index) return std::move(index).error();
  want_purge(txn);
  return Erased{owner.id, when, *index, deleted.disclosures, deleted.addresses, true, {}};
}

Result<EraseStep> erase_step(ledger::Transaction& txn, const audit::Reporter& reporter, const std::string& person) {
  ledger::Custody custody(txn);
  EraseStep step{custody.erase_some(person, kRowsAtOnce), false};
  step.finished = step.deleted.nothing();
  if (step.finished) {
    custody.finish_erasure(person);
    return step;
  }
  auto index = txn.append(redacted(reporter, txn.now().wall, {person, std::nullopt, {}, {}, step.deleted}));
  if (!index) return std::move(index).error();
  want_purge(txn);
  return step;
}

Result<std::uint64_t> change_retention(ledger::Transaction& txn, const audit::Reporter& reporter,
                                       const std::optional<audit::Actor>& actor, std::int64_t days,
                                       const std::string& confirmation) {
  ledger::Custody custody(txn);
  auto state = custody.retention();
  auto index = txn.append(retention_changed(reporter, txn.now().wall, actor, state.days, days, confirmation));
  if (!index) return index;
  state.days = days;
  custody.set_retention(state);
  return index;
}

}  // namespace sanad::service
