#include <utility>

#include "control/service/custody.hpp"
#include "control/service/custody_evidence.hpp"
#include "control/service/custody_jobs.hpp"
#include "control/service/gateway.hpp"
#include "control/service/idempotency.hpp"
#include "control/service/peer_evidence.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

constexpr std::size_t kMaxApprover = 100;  // bytes

Result<void> check_text(const char* field, const std::string& text, std::size_t max) {
  if (text.empty()) return Error{Errc::invalid_argument, "is needed", field};
  if (text.size() > max) return Error{Errc::invalid_argument, "too long (at most " + std::to_string(max) + " bytes)", field};
  if (!is_plain_text(text)) return Error{Errc::invalid_argument, "holds control characters or is not UTF-8", field};
  return {};
}

Result<void> check(const NewHold& hold, WallTime now) {
  if (auto good = check_text("reason", hold.reason, kMaxReason); !good) return good;
  if (auto good = check_text("approver", hold.approver, kMaxApprover); !good) return good;
  if (hold.person.empty() && !hold.address && !hold.from && !hold.to) {
    return Error{Errc::invalid_argument, "a hold on everything is none: name a person, an address or a window", "person"};
  }
  if (hold.from && hold.to && *hold.from >= *hold.to) return Error{Errc::invalid_argument, "ends before it begins", "to"};
  if (hold.expires && *hold.expires <= now) return Error{Errc::invalid_argument, "is in the past", "expires"};
  return {};
}

}  // namespace

void Custody::add_hold(Caller caller, NewHold hold, Done<Changed<ledger::Hold>> done) {
  if (auto good = check(hold, now().wall); !good) return done(good.error());
  using Placed = Changed<ledger::Hold>;
  gateway_.change<Placed>(
      [caller, hold = std::move(hold), reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<Placed> {
        ledger::Custody custody(txn);
        if (auto earlier = earlier_answer(txn, caller)) {
          if (!*earlier) return earlier->error();
          auto placed = custody.find_hold((*earlier)->target);
          if (!placed) return Error{Errc::not_found, "the hold that this request placed was released"};
          return Placed{*std::move(placed), (*earlier)->evidence};
        }
        if (!hold.person.empty()) {
          if (!txn.find_owner(hold.person)) return Error{Errc::not_found, "there is no person " + hold.person, "person"};
          if (custody.find_erasure(hold.person))
            return Error{Errc::conflict, "the person was erased: nothing is left to hold", "person"};
        }
        ledger::Hold wanted;
        wanted.owner_id = hold.person;
        wanted.address = hold.address;
        wanted.from = hold.from;
        wanted.to = hold.to;
        wanted.reason = hold.reason;
        wanted.approver = hold.approver;
        wanted.expires = hold.expires;
        wanted.uid = caller.actor.uid;
        const auto placed = custody.put_hold(std::move(wanted));
        auto index = txn.append(hold_placed(reporter, txn.now().wall, audit_actor(caller), placed));
        if (!index) return std::move(index).error();
        remember_answer(txn, caller, placed.id, *index);
        return Placed{placed, *index};
      },
      std::move(done));
}

void Custody::holds(Done<std::vector<ledger::Hold>> done) {
  using Holds = std::vector<ledger::Hold>;
  gateway_.ask<Holds>([](ledger::Transaction& txn) -> Result<Holds> { return ledger::Custody(txn).holds(); }, std::move(done));
}

void Custody::release_hold(Caller caller, std::string id, Done<NowOrWaiting<Released>> done) {
  using Answer = NowOrWaiting<Released>;
  gateway_.change<Answer>(
      [act = Act{gateway_.reporter(), audit_actor(caller)}, id = std::move(id),
       two = needs_second(gateway_.config(), config::GuardedAct::hold_release)](ledger::Transaction& txn) -> Result<Answer> {
        if (!two) {
          auto released = release_hold_now(txn, act, id);
          if (!released) return std::move(released).error();
          return Answer(*std::move(released));
        }
        if (!ledger::Custody(txn).find_hold(id)) return Error{Errc::not_found, "there is no hold " + id, "id", "sanad hold list"};
        auto waiting = ask_for_second(txn, act, kActHoldRelease, release_request(id), id);
        if (!waiting) return std::move(waiting).error();
        return Answer(*std::move(waiting));
      },
      std::move(done));
}

}  // namespace sanad::service
