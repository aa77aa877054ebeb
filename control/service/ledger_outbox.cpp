#include "control/service/ledger_outbox.hpp"

#include <algorithm>
#include <utility>

#include "control/service/blocking_ledger.hpp"

namespace sanad::service {
namespace {

// Read from the database at once, for which whoever writes waits some milliseconds; a tile's width of records is read however
// long they are, since the publisher asks for the whole of a partial one.
constexpr std::size_t kManyBytes = 1U << 20;
constexpr std::uint64_t kDropAtOnce = 2'048;

// Each step asks for the next. What fails is dropped with the leaves of a later checkpoint.
void drop_some(ledger::Ledger& ledger, std::uint64_t index) {
  ledger.submit<bool>(
      [index](ledger::Transaction& txn) -> Result<bool> {
        const std::uint64_t to = std::min(index, txn.first_pending_leaf() + kDropAtOnce);
        if (auto dropped = txn.drop_leaves_below(to); !dropped) return std::move(dropped).error();
        return to < index;
      },
      [&ledger, index](const Result<bool>& more) {
        if (more && *more) drop_some(ledger, index);
      });
}

}  // namespace

Result<std::string> LedgerOutbox::signed_checkpoint() {
  return ask_now<std::string>(ledger_, [](ledger::Transaction& txn) -> Result<std::string> { return txn.signed_log().note; });
}

Result<std::vector<std::string>> LedgerOutbox::pending(std::uint64_t from, std::size_t limit) {
  from += first_record_;
  if (auto recent = ledger_.take_recent_leaves(from, limit); !recent.empty()) return recent;
  return ask_now<std::vector<std::string>>(ledger_, [from, limit](ledger::Transaction& txn) -> Result<std::vector<std::string>> {
    std::vector<std::string> out;
    std::size_t bytes = 0;
    while (out.size() < limit && bytes < kManyBytes) {
      auto leaves = txn.leaves(from + out.size(), std::min<std::size_t>(limit - out.size(), audit::kTileWidth), false);
      if (leaves.empty()) break;
      for (auto& leaf : leaves) {
        if (leaf.index != from + out.size()) {
          return Error{Errc::corrupt,
                       "record " + std::to_string(from + out.size()) + " is missing from state.db",
                       {},
                       "restore the state directory from a backup"};
        }
        bytes += leaf.bytes.size();
        out.push_back(std::move(leaf.bytes));
      }
    }
    return out;
  });
}

Result<void> LedgerOutbox::store_signed(const std::string& note, std::uint64_t size) {
  size += first_record_;
  return change_now<void>(ledger_, [&note, size](ledger::Transaction& txn) { return txn.store_signed_log({size, note}); });
}

// In small steps: whoever waits for a commit must not wait for all of it. Nor does the
// publisher wait: while much is written each step takes as long as a full commit, and a checkpoint is due.
Result<void> LedgerOutbox::drop_below(std::uint64_t index) {
  drop_some(ledger_, first_record_ + index);
  return {};
}

}  // namespace sanad::service
