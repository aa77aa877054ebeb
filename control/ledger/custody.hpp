#pragma once
// Holds, acts that wait for a second admin, erasure of a person, retention: what a job may do with them. Like Transaction: lives
// for one job, on the storage thread. Nothing here appends leaves: the caller does, in the same job.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/ledger/hold.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {

struct Confirmation {
  std::string id;  // "c-..."; empty when put: the ledger makes one
  std::string act;
  std::string request;    // JSON
  std::uint32_t uid = 0;  // who asked: somebody else has to confirm
  WallTime created;
  WallTime expires;
};

struct Erasure {
  std::string owner_id;
  WallTime began;
  std::uint64_t evidence = 0;  // leaf index of its first record
  std::optional<WallTime> finished;
};

// What one step of deleting took away.
struct Deleted {
  std::vector<std::uint64_t> records;  // whose disclosures went; ascending
  std::uint64_t disclosures = 0;       // rows
  std::uint64_t addresses = 0;         // outer addresses of sessions
  std::uint64_t sessions = 0;
  [[nodiscard]] bool nothing() const { return disclosures == 0 && addresses == 0 && sessions == 0; }
};

struct RetentionState {
  std::uint64_t minimum = 0;   // records below it are past retention
  std::uint64_t pruned = 0;    // below it the log's bundles are gone
  std::uint64_t evidence = 0;  // leaf index of the record that set the minimum
  std::int64_t days = 0;       // the policy in force; 0: none was recorded yet
};

class Custody final {
 public:
  explicit Custody(Transaction& transaction) : tx_(transaction), store_(transaction.store_) {}

  // ---- Holds ----
  std::vector<Hold> holds();  // oldest first, also those that have expired but are not recorded as such
  std::optional<Hold> find_hold(const std::string& id);
  Hold put_hold(Hold hold);  // gives it its id; evidence is what next_index() will give
  void delete_hold(const std::string& id);
  // What the hold's own record discloses beside its reason: the address.
  void forget_disclosures_of(const std::string& hold_id);
  // The hold in force that keeps anything of this person.
  std::optional<Hold> hold_on(const std::string& owner_id);

  // ---- Confirmations ----
  std::vector<Confirmation> confirmations();
  std::optional<Confirmation> find_confirmation(const std::string& id);
  Confirmation put_confirmation(Confirmation confirmation);
  void delete_confirmation(const std::string& id);

  // ---- Erasure ----
  std::optional<Erasure> find_erasure(const std::string& owner_id);
  std::vector<Erasure> unfinished_erasures();
  struct Ties {
    std::uint64_t peers = 0;     // not revoked
    std::uint64_t leaving = 0;   // revoked, but the device may still have them
    std::uint64_t sessions = 0;  // open
  };
  Ties ties_of(const std::string& owner_id);
  // Replaces name, e-mail and handle by an opaque handle, empties what admins wrote about the person's peers and their keys, and
  // marks the erasure as begun by the record next_index() will give.
  Result<void> begin_erasure(const Owner& owner);
  // At most `limit` rows of what is left of the person.
  Deleted erase_some(const std::string& owner_id, std::size_t limit);
  void finish_erasure(const std::string& owner_id);

  // ---- Retention ----
  RetentionState retention();
  void set_retention(const RetentionState& state);
  // Deletes what is personal of sessions that ended before `cutoff` and no hold keeps; looks at `limit` sessions at most, from
  // `after` on, which is moved to where the next call goes on. `more`: there are further ones.
  struct Cursor {
    WallTime ended{INT64_MIN};
    std::int64_t seq = 0;
    bool more = true;
  };
  Deleted expire_sessions(WallTime cutoff, Cursor& after, std::size_t limit);
  // The lowest record that a session which is open, or ended at or after `cutoff`, or a hold needs; next_index() when none.
  std::uint64_t lowest_needed(WallTime cutoff);
  // Deletes at most `limit` rows of sessions and disclosures all of whose records are below `index`.
  Deleted drop_below(std::uint64_t index, std::size_t limit);

 private:
  void delete_disclosures(const std::string& owner_id, std::uint64_t leaf_index, Deleted& into);

  Transaction& tx_;
  Store& store_;
};

}  // namespace sanad::ledger
