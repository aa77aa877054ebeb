// What the publisher of the log keeps here: what was signed last, by which keys, and which leaves still wait.

#include <utility>

#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {

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
    Query(store_, "DELETE FROM pending_leaves WHERE leaf_index < ?1").bind(index).run();
  } catch (...) {
    store_.database().exec("PRAGMA secure_delete = ON");
    throw;
  }
  store_.database().exec("PRAGMA secure_delete = ON");
  return {};
}

std::uint64_t Transaction::first_pending_leaf() {
  Query query(store_, "SELECT min(leaf_index) FROM pending_leaves");
  return query.step() && !query.null(0) ? query.counter(0) : store_.next_index();
}

std::vector<LogKey> Transaction::log_keys() {
  std::vector<LogKey> keys;
  Query query(store_, "SELECT epoch, vkey FROM log_keys ORDER BY epoch");
  while (query.step()) keys.push_back({query.counter(0), query.text(1)});
  return keys;
}

void Transaction::put_log_key(const LogKey& key) {
  Query(store_, "INSERT INTO log_keys(epoch, vkey) VALUES(?1, ?2)").bind(key.epoch, key.vkey).run();
}

}  // namespace sanad::ledger
