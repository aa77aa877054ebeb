#include <memory>
#include <utility>

#include "control/service/custody.hpp"
#include "control/service/custody_jobs.hpp"
#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr const char* kOperation = "POST /v1/erasures";

// Nothing: not yet.
std::optional<Erased> erased_before(ledger::Transaction& txn, const std::string& person) {
  const auto erasure = ledger::Custody(txn).find_erasure(person);
  if (!erasure) return std::nullopt;
  Erased erased{person, erasure->began, erasure->evidence, 0, 0, true, {}};
  if (!erasure->finished || txn.meta(kMetaPurgeWanted)) {
    erased.overwritten = false;
    erased.why_not = "it is still under way";
  }
  return erased;
}

}  // namespace

void Custody::erase(Caller caller, std::string person, std::string reason, Done<NowOrWaiting<Erased>> done) {
  if (reason.empty()) return done(Error{Errc::invalid_argument, "is needed: why may it be erased, without the name", "reason"});
  if (reason.size() > kMaxReason || !is_plain_text(reason))
    return done(Error{Errc::invalid_argument, "must be plain text of at most 500 bytes", "reason"});
  struct Begun {
    NowOrWaiting<Erased> answer;
    bool carry_on = false;
  };
  gateway_.change<Begun>(
      [act = Act{gateway_.reporter(), audit_actor(caller)}, person, reason,
       two = needs_second(gateway_.config(), config::GuardedAct::erasure)](ledger::Transaction& txn) -> Result<Begun> {
        if (auto before = erased_before(txn, person)) return Begun{*std::move(before), false};
        auto owner = may_be_erased(txn, person, reason);
        if (!owner) return std::move(owner).error();
        if (two) {
          auto waiting = ask_for_second(txn, act, kActErasure, erasure_request(person, reason), person);
          if (!waiting) return std::move(waiting).error();
          return Begun{*std::move(waiting), false};
        }
        auto begun = begin_erasing(txn, act, *owner, reason);
        if (!begun) return std::move(begun).error();
        return Begun{*std::move(begun), true};
      },
      [this, caller, person, done = std::move(done)](Result<Begun> begun) {
        if (!begun) {
          if (begun.error().code == Errc::refused_by_policy) gateway_.refusals().record(caller, kOperation, person, "legal hold");
          return done(begun.error());
        }
        if (!begun->carry_on) return done(std::move(begun->answer));
        carry_on(std::get<Erased>(std::move(begun->answer)), [done](Result<Erased> erased) {
          if (!erased) return done(erased.error());
          done(NowOrWaiting<Erased>(*std::move(erased)));
        });
      });
}

void Custody::carry_on(Erased so_far, Done<Erased> done) {
  gateway_.change<EraseStep>([reporter = gateway_.reporter(),
                              person = so_far.person](ledger::Transaction& txn) { return erase_step(txn, reporter, person); },
                             [this, so_far, done](Result<EraseStep> step) mutable {
                               if (!step)
                                 return done(std::move(step).error().within("the erasure has begun and goes on by itself"));
                               so_far.disclosures += step->deleted.disclosures;
                               so_far.addresses += step->deleted.addresses;
                               if (!step->finished) return carry_on(std::move(so_far), std::move(done));
                               purge(gateway_, [so_far = std::move(so_far), done = std::move(done)](Result<void> purged) mutable {
                                 so_far.overwritten = purged.has_value();
                                 if (!purged) so_far.why_not = purged.error().message;
                                 done(std::move(so_far));
                               });
                             });
}

void Custody::resume_erasures(std::function<void(bool idle)> done) {
  using Unfinished = std::vector<ledger::Erasure>;
  gateway_.ask<Unfinished>(
      [](ledger::Transaction& txn) -> Result<Unfinished> { return ledger::Custody(txn).unfinished_erasures(); },
      [this, done = std::move(done)](Result<Unfinished> unfinished) {
        if (!unfinished || unfinished->empty()) return done(true);
        const auto& first = unfinished->front();
        log::info("an erasure that was interrupted goes on (record {})", first.evidence);
        carry_on({first.owner_id, first.began, first.evidence, 0, 0, true, {}}, [done](const Result<Erased>&) { done(false); });
      });
}

void purge(Gateway& gateway, std::function<void(Result<void>)> done) {
  using Wanted = std::optional<std::string>;
  gateway.ask<Wanted>([](ledger::Transaction& txn) -> Result<Wanted> { return txn.meta(kMetaPurgeWanted); },
                      [&gateway, done = std::move(done)](Result<Wanted> wanted) {
                        if (!wanted) return done(wanted.error());
                        gateway.ledger().purge([&gateway, &loop = gateway.loop(), seen = *wanted, done](Result<void> purged) {
                          boost::asio::post(loop, [&gateway, seen, purged = std::move(purged), done] {
                            if (!purged) return done(purged);
                            // Cleared only when it has succeeded, and nothing was deleted since it was asked for.
                            gateway.change<void>(
                                [seen](ledger::Transaction& txn) -> Result<void> {
                                  if (txn.meta(kMetaPurgeWanted) == seen) txn.forget_meta(kMetaPurgeWanted);
                                  return {};
                                },
                                [done](const Result<void>&) { done({}); });
                          });
                        });
                      });
}

}  // namespace sanad::service
