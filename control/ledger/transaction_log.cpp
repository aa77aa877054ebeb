// What the publisher of the log keeps here: what was signed last, by which keys, and which leaves still wait.

#include <utility>

#include "control/ledger/outbox_rows.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {
namespace {

// What was appended is written when the batch ends: it would follow what another log begins with.
Result<void> nothing_appended(Store& store) {
  if (store.appended().empty()) return {};
  return Error{Errc::internal, "records were appended in the same commit in which another log is taken up"};
}

}  // namespace

SignedLog Transaction::signed_log() {
  Query query(store_, "SELECT size, note FROM signed_log");
  if (!query.step()) return {};
  return {query.counter(0), query.text(1)};
}

Result<void> Transaction::store_signed_log(const SignedLog& log) {
  const std::uint64_t before = signed_log().size;
  // Also against a bug above: two signatures for one size, or a smaller one, are what an auditor calls a forged log.
  if (log.size <= before || log.size > store_.next_index()) {
    return Error{Errc::internal, "a log of " + std::to_string(log.size) + " records cannot follow one of " +
                                     std::to_string(before) + " with " + std::to_string(store_.next_index()) + " recorded"};
  }
  Query(store_, "INSERT OR REPLACE INTO signed_log(id, size, note) VALUES(1, ?1, ?2)").bind(log.size, log.note).run();
  return {};
}

Result<void> Transaction::drop_leaves_below(std::uint64_t index) {
  if (const std::uint64_t size = signed_log().size; index > size) {
    return Error{Errc::internal, "leaves below " + std::to_string(index) + " cannot be dropped: " + std::to_string(size) +
                                     " are covered by what was signed"};
  }
  // Nothing in a leaf is personal: overwriting its page with zeros would only write everything twice.
  store_.database().exec("PRAGMA secure_delete = OFF");
  try {
    Query(store_, "DELETE FROM outbox WHERE first_leaf < ?1 AND first_leaf + leaves <= ?1").bind(index).run();
  } catch (...) {
    store_.database().exec("PRAGMA secure_delete = ON");
    throw;
  }
  store_.database().exec("PRAGMA secure_delete = ON");
  return {};
}

std::uint64_t Transaction::first_pending_leaf() {
  Query query(store_, "SELECT min(first_leaf) FROM outbox");
  return query.step() && !query.null(0) ? query.counter(0) : store_.next_index();
}

std::vector<LogKey> Transaction::log_keys() {
  std::vector<LogKey> keys;
  Query query(store_, "SELECT epoch, vkey FROM log_keys ORDER BY epoch");
  while (query.step()) keys.push_back({query.counter(0), query.text(1), 0});
  for (auto& key : keys) {
    key.first_index = std::stoull(meta(kMetaEpochFirstPrefix + std::to_string(key.epoch)).value_or("0"));
  }
  return keys;
}

Result<void> Transaction::begin_log_epoch(const LogKey& key) {
  const auto before = log_keys();
  const bool fits =
      before.empty() ? key.first_index <= next_index() : key.first_index == next_index() && key.epoch == before.back().epoch + 1;
  if (!fits) {
    return Error{Errc::internal, "epoch " + std::to_string(key.epoch) + " of the log cannot begin with record " +
                                     std::to_string(key.first_index)};
  }
  Query(store_, "INSERT INTO log_keys(epoch, vkey) VALUES(?1, ?2)").bind(key.epoch, key.vkey).run();
  set_meta(kMetaEpochFirstPrefix + std::to_string(key.epoch), std::to_string(key.first_index));
  set_meta(kMetaEpochBegan, std::to_string(now_.wall.ns));
  set_meta(kMetaEpoch, std::to_string(key.epoch));
  return {};
}

Result<void> Transaction::adopt_log(const AdoptedLog& log) {
  if (log.signed_log.size < next_index() || log.keys.empty()) {
    return Error{Errc::internal, "a log of " + std::to_string(log.signed_log.size) +
                                     " records cannot be taken over by a ledger of " + std::to_string(next_index())};
  }
  if (auto alone = nothing_appended(store_); !alone) return alone;
  Query(store_, "DELETE FROM outbox").run();
  for (const auto& leaf : log.pending) {
    LeafRun alone;
    alone.add(leaf.bytes);
    write_outbox(store_, leaf.index, alone);
  }
  Query(store_, "DELETE FROM log_keys").run();
  for (const auto& key : log.keys) {
    Query(store_, "INSERT INTO log_keys(epoch, vkey) VALUES(?1, ?2)").bind(key.epoch, key.vkey).run();
    set_meta(kMetaEpochFirstPrefix + std::to_string(key.epoch), std::to_string(key.first_index));
  }
  Query(store_, "INSERT OR REPLACE INTO signed_log(id, size, note) VALUES(1, ?1, ?2)")
      .bind(log.signed_log.size, log.signed_log.note)
      .run();
  store_.forget_cached(log.signed_log.size);
  set_meta(kMetaEpochBegan, std::to_string(log.epoch_began.ns));
  set_meta(kMetaEpoch, std::to_string(log.keys.back().epoch));
  return {};
}

Result<void> Transaction::begin_log_anew(const LogKey& key) {
  if (auto alone = nothing_appended(store_); !alone) return alone;
  Query(store_, "DELETE FROM outbox").run();
  Query(store_, "DELETE FROM signed_log").run();
  Query(store_, "DELETE FROM log_keys").run();
  return begin_log_epoch(key);
}

std::optional<WallTime> Transaction::log_epoch_began() {
  const auto began = meta(kMetaEpochBegan);
  if (!began) return std::nullopt;
  return WallTime{std::stoll(*began)};
}

}  // namespace sanad::ledger
