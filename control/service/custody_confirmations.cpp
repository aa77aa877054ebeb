#include <algorithm>
#include <utility>

#include "control/service/custody.hpp"
#include "control/service/custody_evidence.hpp"
#include "control/service/custody_jobs.hpp"
#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"

namespace sanad::service {
namespace {

constexpr const char* kOperation = "POST /v1/confirmations/{id}";

struct Outcome {
  Confirmed confirmed;
  bool carry_on = false;  // an erasure has begun
  bool too_late = false;
};

Result<Outcome> carry_out(ledger::Transaction& txn, const Act& act, const ledger::Confirmation& asked) {
  Outcome out{{asked.act, 0, std::nullopt}};
  if (asked.act == kActErasure) {
    const std::string reason = request_text(asked.request, "reason");
    // Judged anew: a hold may have been placed meanwhile.
    auto owner = may_be_erased(txn, request_text(asked.request, "person"), reason);
    if (!owner) return std::move(owner).error();
    auto begun = begin_erasing(txn, act, *owner, reason);
    if (!begun) return std::move(begun).error();
    out.confirmed.evidence = begun->evidence;
    out.confirmed.erased = *std::move(begun);
    out.carry_on = true;
  } else if (asked.act == kActHoldRelease) {
    auto released = release_hold_now(txn, act, request_text(asked.request, "hold"));
    if (!released) return std::move(released).error();
    out.confirmed.evidence = released->evidence;
  } else {
    auto index = change_retention(txn, act.reporter, act.actor, request_number(asked.request, "days"), asked.id);
    if (!index) return std::move(index).error();
    out.confirmed.evidence = *index;
  }
  return out;
}

Result<Outcome> confirm_now(ledger::Transaction& txn, const Caller& caller, Act act, const std::string& id) {
  ledger::Custody custody(txn);
  const auto asked = custody.find_confirmation(id);
  if (!asked) {
    return Error{Errc::not_found, "nothing with this id waits for a confirmation", "id",
                 "what was asked for more than 15 minutes ago must be asked for again"};
  }
  const std::string target = target_of(*asked);
  if (txn.now().wall >= asked->expires) {
    custody.delete_confirmation(id);
    auto index = txn.append(confirmation_event(act.reporter, txn.now().wall, std::nullopt, "expired", *asked, target));
    if (!index) return std::move(index).error();
    Outcome late{{asked->act, *index, std::nullopt}};
    late.too_late = true;
    return late;
  }
  if (asked->uid == caller.actor.uid) {
    return Error{Errc::refused_by_policy, "you asked for it yourself: a different admin has to confirm", "id",
                 "another admin runs: sanad confirm " + id};
  }
  if (auto index = txn.append(confirmation_event(act.reporter, txn.now().wall, act.actor, "given", *asked, target)); !index)
    return std::move(index).error();
  custody.delete_confirmation(id);
  act.confirmation = id;
  return carry_out(txn, act, *asked);
}

}  // namespace

bool needs_second(const config::Config& config, config::GuardedAct act) {
  const auto& guarded = config.access.dual_control;
  return std::find(guarded.begin(), guarded.end(), act) != guarded.end();
}

void Custody::confirmations(Done<std::vector<ledger::Confirmation>> done) {
  using Confirmations = std::vector<ledger::Confirmation>;
  gateway_.ask<Confirmations>(
      [](ledger::Transaction& txn) -> Result<Confirmations> { return ledger::Custody(txn).confirmations(); }, std::move(done));
}

void Custody::confirm(Caller caller, std::string id, Done<Confirmed> done) {
  gateway_.change<Outcome>(
      [caller, id, act = Act{gateway_.reporter(), audit_actor(caller)}](ledger::Transaction& txn) {
        return confirm_now(txn, caller, act, id);
      },
      [this, caller, id, done = std::move(done)](Result<Outcome> outcome) {
        if (!outcome) {
          if (outcome.error().code == Errc::refused_by_policy)
            gateway_.refusals().record(caller, kOperation, id, outcome.error().field == "id" ? "same user" : "legal hold");
          return done(outcome.error());
        }
        if (outcome->too_late) {
          gateway_.refusals().record(caller, kOperation, id, "expired");
          return done(Error{Errc::refused_by_policy, "it was asked for more than 15 minutes ago", "id", "ask for it again"});
        }
        if (!outcome->carry_on) return done(std::move(outcome->confirmed));
        carry_on(*outcome->confirmed.erased, [confirmed = outcome->confirmed, done](Result<Erased> erased) mutable {
          if (!erased) return done(erased.error());
          confirmed.erased = *std::move(erased);
          done(std::move(confirmed));
        });
      });
}

}  // namespace sanad::service
