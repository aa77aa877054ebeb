#include "control/service/retention_keeper.hpp"

#include <algorithm>
#include <utility>

#include "control/audit/checkpoint.hpp"
#include "control/audit/leaf_read.hpp"
#include "control/audit/pruned.hpp"
#include "control/service/custody_evidence.hpp"
#include "control/service/custody_jobs.hpp"
#include "control/service/gateway.hpp"
#include "control/service/published_log.hpp"
#include "control/service/retention_plan.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::hours kEvery{1};
constexpr std::chrono::hours kAnswersKept{24};  // for an Idempotency-Key: see openapi.yaml
constexpr std::size_t kSessionsAtOnce = 100;    // a commit of some milliseconds
constexpr std::uint64_t kBundlesAtOnce = 64;    // 16,384 records
constexpr std::chrono::seconds kLookAgain{2};   // until the checkpoint covers a record

// How many bundles from `minimum` on, all of them below `limit`, may go. Blocking.
std::uint64_t count_past(const audit::LogReader& log, std::uint64_t first, std::uint64_t minimum, std::uint64_t limit,
                         WallTime cutoff, const std::vector<ledger::Hold>& holds, WallTime now) {
  audit::Bundle bundle;
  std::vector<WallTime> times;
  std::uint64_t count = 0;
  for (std::uint64_t number = (minimum - first) / audit::kTileWidth; first + (number + 1) * audit::kTileWidth <= limit;
       ++number) {
    if (count == kBundlesAtOnce || !log.entries(number, audit::kTileWidth, bundle)) break;
    times.clear();
    for (const auto entry : bundle.entries) {
      const auto leaf = audit::read_leaf({reinterpret_cast<const char*>(entry.data()), entry.size()});
      constexpr std::uint64_t kLastMs = INT64_MAX / 1'000'000;
      if (!leaf || static_cast<std::uint64_t>(leaf->time_ms) > kLastMs) return count;  // damaged: evidence of that is not deleted
      times.push_back(WallTime::from_ms(leaf->time_ms));
    }
    if (!may_go({number, times}, cutoff, holds, now)) break;
    ++count;
  }
  return count;
}

// A log begun anew has nothing past retention yet, whatever the one before it had.
ledger::RetentionState retention_of_log(ledger::Custody& custody, std::uint64_t first) {
  auto state = custody.retention();
  state.minimum = std::max(state.minimum, first);
  state.pruned = std::max(state.pruned, first);
  return state;
}

// Of the checkpoint that auditors see; 0 when there is none.
std::uint64_t published_size(const audit::LogReader& log) {
  const auto text = log.checkpoint();
  if (!text) return 0;
  const auto note = audit::parse_note(*text);
  if (!note) return 0;
  const auto checkpoint = audit::parse_checkpoint(note->text);
  return checkpoint ? checkpoint->size : 0;
}

bool same_holds(const std::vector<ledger::Hold>& a, const std::vector<ledger::Hold>& b) {
  return std::ranges::equal(a, b, {}, &ledger::Hold::id, &ledger::Hold::id);
}

}  // namespace

RetentionKeeper::RetentionKeeper(Gateway& gateway, Custody& custody)
    : gateway_(gateway), custody_(custody), minute_(gateway.loop()) {}

void RetentionKeeper::start() {
  settle_policy([this] { every_minute(); });
}

void RetentionKeeper::stop() {
  stopping_ = true;
  minute_.cancel();
}

void RetentionKeeper::policy_changed() {
  next_run_ = BootTime{};
  settle_policy([] {});
}

void RetentionKeeper::every_minute() {
  if (stopping_) return;
  expire_waiting();
  custody_.resume_erasures([this](bool idle) {
    if (idle) purge_if_wanted();
  });
  if (!running_ && now().boot >= next_run_) run();
  minute_.expires_after(std::chrono::minutes{1});
  minute_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) every_minute();
  });
}

// ---- Policy ----

void RetentionKeeper::settle_policy(std::function<void()> then) {
  // Answers with the confirmation that it waits for, if any.
  gateway_.change<std::string>(
      [days = std::int64_t{gateway_.config().retention.sessions.count()}, by = gateway_.configured_by(),
       reporter = gateway_.reporter(),
       two = needs_second(gateway_.config(), config::GuardedAct::retention)](ledger::Transaction& txn) -> Result<std::string> {
        ledger::Custody custody(txn);
        auto state = custody.retention();
        const WallTime when = txn.now().wall;
        // Only what the configuration says now may still be confirmed.
        for (const auto& waiting : custody.confirmations()) {
          if (waiting.act != kActRetention) continue;
          if (two && days < state.days && request_number(waiting.request, "days") == days) return std::string();
          custody.delete_confirmation(waiting.id);
          auto index = txn.append(confirmation_event(reporter, when, std::nullopt, "withdrawn", waiting, target_of(waiting)));
          if (!index) return std::move(index).error();
        }
        if (state.days == days) return std::string();
        if (state.days == 0) {
          state.days = days;
          custody.set_retention(state);
          return std::string();
        }
        if (two && days < state.days) {
          const Act act{reporter, {.uid = by, .gid = 0, .pid = 0, .user_name = {}, .program = {}, .role = {}}};
          const auto target = std::to_string(days) + " days";
          auto waiting = ask_for_second(txn, act, kActRetention, retention_request(days), target);
          if (!waiting) return std::move(waiting).error();
          return waiting->id;
        }
        auto index = change_retention(txn, reporter, std::nullopt, days, {});
        if (!index) return std::move(index).error();
        return std::string();
      },
      [then = std::move(then)](const Result<std::string>& settled) {
        if (settled && !settled->empty()) {
          log::warn("retention.sessions is shortened once another admin has confirmed it: sanad confirm {}", *settled);
        }
        if (!settled) log::error("the retention policy could not be recorded and stays as it was: {}", settled.error().message);
        then();
      });
}

// ---- What time does ----

void RetentionKeeper::expire_waiting() {
  gateway_.change<void>(
      [reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<void> {
        ledger::Custody custody(txn);
        const WallTime when = txn.now().wall;
        for (const auto& waiting : custody.confirmations()) {
          if (when < waiting.expires) continue;
          custody.delete_confirmation(waiting.id);
          auto index = txn.append(confirmation_event(reporter, when, std::nullopt, "expired", waiting, target_of(waiting)));
          if (!index) return std::move(index).error();
        }
        for (const auto& hold : custody.holds()) {
          if (ledger::in_force(hold, when)) continue;
          custody.delete_hold(hold.id);
          custody.forget_disclosures_of(hold.id);
          if (auto index = txn.append(hold_expired(reporter, when, hold)); !index) return std::move(index).error();
          want_purge(txn);
        }
        txn.prune_answers(WallTime{when.ns - std::chrono::nanoseconds(kAnswersKept).count()});
        return {};
      },
      [](const Result<void>& expired) {
        if (!expired) log::warn("what has expired could not be recorded yet: {}", expired.error().message);
      });
}

void RetentionKeeper::purge_if_wanted() {
  gateway_.ask<bool>([](ledger::Transaction& txn) -> Result<bool> { return txn.meta(kMetaPurgeWanted).has_value(); },
                     [this](Result<bool> wanted) {
                       if (!wanted || !*wanted || stopping_) return;
                       purge(gateway_, [](const Result<void>& purged) {
                         if (!purged) log::warn("deleted rows are not overwritten yet: {}", purged.error().message);
                       });
                     });
}

// ---- A run ----

void RetentionKeeper::run() {
  running_ = true;
  next_run_ = now().boot + kEvery;
  expire_sessions({});
}

void RetentionKeeper::expire_sessions(ledger::Custody::Cursor cursor) {
  if (stopping_) return;
  gateway_.change<ledger::Custody::Cursor>(
      [cursor, reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<ledger::Custody::Cursor> {
        ledger::Custody custody(txn);
        auto next = cursor;
        const WallTime when = txn.now().wall;
        const auto days = custody.retention().days;
        const WallTime cutoff = cutoff_of(when, days);
        const auto deleted = custody.expire_sessions(cutoff, next, kSessionsAtOnce);
        if (deleted.nothing()) return next;
        for (const auto& part : in_parts(deleted)) {
          auto index = txn.append(sessions_expired(reporter, when, cutoff, days, part));
          if (!index) return std::move(index).error();
        }
        want_purge(txn);
        return next;
      },
      [this](Result<ledger::Custody::Cursor> next) {
        if (next && next->more) return expire_sessions(*next);
        if (!next) log::warn("retention goes on later: {}", next.error().message);
        look_at_bundles();
      });
}

void RetentionKeeper::look_at_bundles() {
  if (stopping_) return;
  gateway_.ask<Judgement>(
      [](ledger::Transaction& txn) -> Result<Judgement> {
        ledger::Custody custody(txn);
        const auto first = first_record(txn);
        if (!first) return first.error();
        const auto state = retention_of_log(custody, *first);
        const WallTime cutoff = cutoff_of(txn.now().wall, state.days);
        // Leaves that still wait in the outbox may not be in a bundle yet.
        const std::uint64_t limit = std::min(custody.lowest_needed(cutoff), txn.first_pending_leaf());
        return Judgement{*first, state.minimum, limit, state.days, custody.holds()};
      },
      [this](Result<Judgement> facts) {
        if (!facts) return prune();
        judge_bundles(*std::move(facts));
      });
}

void RetentionKeeper::judge_bundles(Judgement facts) {
  gateway_.device().post([this, &loop = gateway_.loop(),
                          log = audit::LogReader(log_directory(gateway_.config().gateway.state_dir)),
                          facts = std::move(facts)]() mutable {
    const WallTime when = now().wall;
    const auto count = count_past(log, facts.first, facts.minimum, facts.limit, cutoff_of(when, facts.days), facts.holds, when);
    boost::asio::post(loop, [this, count, facts = std::move(facts)]() mutable {
      if (count == 0) return prune();
      raise_minimum(std::move(facts), count);
    });
  });
}

void RetentionKeeper::raise_minimum(Judgement judged, std::uint64_t candidates) {
  const std::uint64_t judged_minimum = judged.minimum;
  gateway_.change<std::uint64_t>(
      [judged = std::move(judged), candidates,
       reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<std::uint64_t> {
        const std::uint64_t from = judged.minimum;
        ledger::Custody custody(txn);
        auto state = retention_of_log(custody, judged.first);
        // A hold was placed, or the policy changed, since the bundles were looked at: the next run looks again.
        if (state.minimum != from || state.days != judged.days || !same_holds(judged.holds, custody.holds())) return from;
        const WallTime when = txn.now().wall;
        const std::uint64_t to = new_minimum(judged.first, from, candidates, custody.lowest_needed(cutoff_of(when, state.days)));
        if (to == from) return from;
        auto index = txn.append(audit::minimum_raised(reporter, when, {from, to, state.days}));
        if (!index) return index;
        state.minimum = to;
        state.evidence = *index;
        custody.set_retention(state);
        want_purge(txn);
        return to;
      },
      [this, judged_minimum, candidates](Result<std::uint64_t> to) {
        if (!to || *to == judged_minimum) return prune();
        drop_rows(*to, candidates == kBundlesAtOnce);
      });
}

// Covered by the record that raised the minimum.
void RetentionKeeper::drop_rows(std::uint64_t below, bool more) {
  gateway_.change<bool>(
      [below](ledger::Transaction& txn) -> Result<bool> {
        return !ledger::Custody(txn).drop_below(below, kRowsAtOnce).nothing();
      },
      [this, below, more](Result<bool> again) {
        if (again && *again) return drop_rows(below, more);
        if (again && more) return look_at_bundles();
        prune();
      });
}

// Files go when an auditor can read why: the record must be under the published checkpoint.
void RetentionKeeper::prune() {
  running_ = false;
  if (stopping_) return;
  struct Pruning {
    std::uint64_t first = 0;
    ledger::RetentionState state;
  };
  gateway_.ask<Pruning>(
      [](ledger::Transaction& txn) -> Result<Pruning> {
        const auto first = first_record(txn);
        if (!first) return first.error();
        ledger::Custody custody(txn);
        return Pruning{*first, retention_of_log(custody, *first)};
      },
      [this](Result<Pruning> found) {
        if (!found || found->state.pruned >= found->state.minimum) return purge_if_wanted();
        gateway_.device().post([this, &loop = gateway_.loop(), directory = log_directory(gateway_.config().gateway.state_dir),
                                first = found->first, state = found->state] {
          const bool covered = first + published_size(audit::LogReader(directory)) > state.evidence;
          auto deleted = covered ? audit::delete_bundles(directory, (state.pruned - first) / audit::kTileWidth,
                                                         (state.minimum - first) / audit::kTileWidth)
                                 : Result<void>();
          boost::asio::post(loop, [this, covered, deleted = std::move(deleted), to = state.minimum] {
            if (!deleted) return log::warn("{}; tried again in an hour", deleted.error().message);
            if (!covered) {
              next_run_ = now().boot + kLookAgain;
              minute_.expires_after(kLookAgain);
              minute_.async_wait([this](const boost::system::error_code& ec) {
                if (!ec) every_minute();
              });
              return;
            }
            gateway_.change<void>(
                [to](ledger::Transaction& txn) -> Result<void> {
                  ledger::Custody custody(txn);
                  auto now_state = custody.retention();
                  now_state.pruned = to;
                  custody.set_retention(now_state);
                  return {};
                },
                [this, to](const Result<void>& noted) {
                  if (noted) log::info("records below {} are past retention: their bundles were deleted", to);
                  purge_if_wanted();
                });
          });
        });
      });
}

}  // namespace sanad::service
