#include "control/service/log_recovery.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "control/audit/log_facts.hpp"
#include "control/audit/origin.hpp"
#include "control/service/blocking_ledger.hpp"
#include "control/service/ledger_outbox.hpp"
#include "control/service/log_adoption.hpp"
#include "control/service/log_key_file.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::service {
namespace {

constexpr const char* kPending = "pending.ndjson";
constexpr std::size_t kLeavesAtOnce = 1'000;

bool may_pass(const Error& error) { return error.code == Errc::io || error.code == Errc::unavailable; }

// What a start would refuse for; nothing when it would not.
struct Trouble {
  bool found = false;
  Error what;
};

Result<Trouble> trouble(ledger::Ledger& ledger, const RecoverySettings& settings) {
  const auto judged = [](Error error) -> Result<Trouble> {
    if (may_pass(error)) return error;
    return Trouble{true, std::move(error)};
  };
  auto keys = LogKeys::open(ledger, {settings.state_dir, settings.gateway_id, std::chrono::days{366}});
  if (!keys) return judged(std::move(keys).error());
  auto store = audit::LogStore::open(log_directory(settings.state_dir));
  if (!store) return std::move(store).error();
  LedgerOutbox outbox(ledger, (*keys)->first_record());
  audit::Publisher publisher(*std::move(store), outbox, **keys);
  auto published = publisher.publish(now().wall);
  if (!published) return judged(std::move(published).error());
  return Trouble{};
}

Result<LedgerHistory> history_of(ledger::Ledger& ledger) {
  return ask_now<LedgerHistory>(ledger, [](ledger::Transaction& txn) -> Result<LedgerHistory> {
    LedgerHistory history{txn.signed_log(), txn.leaf_count(), {}, txn.log_keys()};
    for (std::uint64_t at = txn.first_pending_leaf();;) {
      auto leaves = txn.leaves(at, kLeavesAtOnce, false);
      if (leaves.empty()) return history;
      at = leaves.back().index + 1;
      std::move(leaves.begin(), leaves.end(), std::back_inserter(history.pending));
    }
  });
}

audit::EntityChange change_of(const char* action, const std::string& origin, boost::json::object details) {
  audit::EntityChange change;
  change.verb = audit::EntityVerb::other;
  change.action = action;
  change.type = "log";
  change.id = origin;
  change.details = std::move(details);
  return change;
}

Result<Recovery> adopt(ledger::Ledger& ledger, const RecoverySettings& settings, const LedgerHistory& history,
                       const ledger::AdoptedLog& log, const std::string& why) {
  const auto key = audit::parse_vkey(log.keys.back().vkey);
  if (!key) return key.error();
  auto index = change_now<std::uint64_t>(ledger, [&](ledger::Transaction& txn) -> Result<std::uint64_t> {
    if (auto done = txn.adopt_log(log); !done) return std::move(done).error();
    boost::json::object details{{"why", why},
                                {"state_records", history.records},
                                {"state_signed", history.signed_log.size},
                                {"log_records", log.signed_log.size}};
    return txn.append(audit::entity_management({settings.gateway_id, {}, {}, read_clock_sync()}, txn.now().wall, settings.actor,
                                               change_of("adopt", key->name, std::move(details))));
  });
  if (!index) return std::move(index).error();
  return Recovery{Recovery::What::adopted, why, *index, key->name};
}

// ---- Fork ----

// A name of its own each time: what an earlier recovery kept stays.
std::filesystem::path free_place(const std::filesystem::path& state_dir, std::uint64_t records) {
  const std::string name = "log-before-" + std::to_string(records);
  std::filesystem::path place = state_dir / name;
  std::error_code ignored;
  for (int i = 2; std::filesystem::exists(place, ignored); ++i) place = state_dir / (name + "-" + std::to_string(i));
  return place;
}

Result<void> move_aside(const std::filesystem::path& log, const std::filesystem::path& kept) {
  if (::renameat2(AT_FDCWD, log.c_str(), AT_FDCWD, kept.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != ENOENT) return from_errno(errno, "couldn't move " + log.string() + " to " + kept.string());
    if (::mkdir(kept.c_str(), 0750) != 0) return from_errno(errno, "couldn't make " + kept.string());
  }
  return fsync_directory(kept.parent_path());
}

// What the other log says of itself, not verified.
struct Found {
  std::optional<audit::Checkpoint> checkpoint;
  std::uint64_t last_epoch = 0;
};

Found look_at(const std::filesystem::path& log) {
  Found found;
  const audit::LogReader reader(log);
  if (const auto text = reader.checkpoint()) {
    const auto note = audit::parse_note(*text);
    auto checkpoint = note ? audit::parse_checkpoint(note->text) : Result<audit::Checkpoint>(Error{});
    if (checkpoint) found.checkpoint = *std::move(checkpoint);
  }
  if (const auto keys = reader.keys(); keys && !keys->empty()) found.last_epoch = keys->back().epoch;
  return found;
}

boost::json::object fork_details(const std::string& why, const LedgerHistory& history, const Found& found,
                                 const std::filesystem::path& kept, const std::string& pending) {
  boost::json::object details{{"why", why},
                              {"kept", kept.filename().string()},
                              {"signed_records", history.signed_log.size},
                              {"pending_records", history.pending.size()},
                              {"pending_sha256", hex_encode(sha256(as_bytes(pending)))}};
  if (found.checkpoint) {
    details["found_origin"] = found.checkpoint->origin;
    details["found_size"] = found.checkpoint->size;
    details["found_root"] = base64_encode(found.checkpoint->root);
  }
  const auto note = audit::parse_note(history.signed_log.note);
  const auto tree = note ? audit::parse_checkpoint(note->text) : Result<audit::Checkpoint>(Error{});
  if (tree) {
    details["signed_origin"] = tree->origin;
    details["signed_root"] = base64_encode(tree->root);
  }
  return details;
}

Result<void> destroy_keys(const std::filesystem::path& state_dir, const std::vector<ledger::LogKey>& keys) {
  for (const auto& key : keys) {
    if (auto gone = LogKeyFile(state_dir, key.epoch).destroy(); !gone) return std::move(gone).error();
  }
  return {};
}

Result<Recovery> fork(ledger::Ledger& ledger, const RecoverySettings& settings, const LedgerHistory& history,
                      const std::string& why) {
  const auto log = log_directory(settings.state_dir);
  const Found found = look_at(log);
  const auto kept = free_place(settings.state_dir, history.records);
  if (auto moved = move_aside(log, kept); !moved) return std::move(moved).error();
  std::string pending;
  for (const auto& leaf : history.pending) pending += leaf.bytes + "\n";
  if (auto done = write_file_durably(kept / kPending, pending, 0640); !done) return std::move(done).error();

  const std::uint64_t last = history.keys.empty() ? 0 : history.keys.back().epoch;
  const std::uint64_t epoch = std::max(last, found.last_epoch) + 1;
  auto seed = LogKeyFile(settings.state_dir, epoch).read_or_make();
  if (!seed) return std::move(seed).error();
  const auto before = history.keys.empty()
                          ? Result<audit::VerifierKey>(audit::VerifierKey{"sanad/" + settings.gateway_id, {}, {}})
                          : audit::parse_vkey(history.keys.back().vkey);
  if (!before) return before.error();
  const std::string origin = audit::origin_from(before->name, history.records);
  const auto verifier = audit::verifier_of(audit::Signer{origin, *seed});
  if (!verifier) return verifier.error();
  auto index = change_now<std::uint64_t>(ledger, [&](ledger::Transaction& txn) -> Result<std::uint64_t> {
    const ledger::LogKey key{epoch, audit::to_vkey(*verifier), txn.next_index()};
    if (auto begun = txn.begin_log_anew(key); !begun) return std::move(begun).error();
    const audit::Reporter reporter{settings.gateway_id, {}, {}, read_clock_sync()};
    if (auto first = txn.append(audit::key_announced(reporter, txn.now().wall, {key.epoch, key.vkey, key.first_index})); !first) {
      return std::move(first).error();
    }
    auto details = fork_details(why, history, found, kept, pending);
    if (const auto registration = txn.current_registration()) {
      details["registration_in_force"] =
          boost::json::object{{"index", registration->from_index}, {"certificate_sha256", registration->fingerprint}};
    }
    return txn.append(
        audit::entity_management(reporter, txn.now().wall, settings.actor, change_of("fork", origin, std::move(details))));
  });
  if (!index) return std::move(index).error();
  // Nothing may be signed again under the name of the log that was left.
  if (auto done = destroy_keys(settings.state_dir, history.keys); !done) return std::move(done).error();
  return Recovery{Recovery::What::forked, why, *index, origin, kept};
}

}  // namespace

Result<Recovery> recover_log(ledger::Ledger& ledger, const RecoverySettings& settings) {
  auto wrong = trouble(ledger, settings);
  if (!wrong) return std::move(wrong).error();
  if (!wrong->found) return Recovery{};
  auto history = history_of(ledger);
  if (!history) return std::move(history).error();
  auto log = continuation_of(*history, settings.state_dir, settings.gateway_id);
  if (log) return adopt(ledger, settings, *history, *log, wrong->what.message);
  if (may_pass(log.error())) return std::move(log).error();
  return fork(ledger, settings, *history,
              wrong->what.message + "; the log that is there is no continuation: " + log.error().message);
}

}  // namespace sanad::service
