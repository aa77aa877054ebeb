#include <boost/json.hpp>

#include "control/audit/canonical.hpp"
#include "control/ledger/outbox_rows.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {
namespace {

void read_items(const std::string& owner_id, const std::string& items, std::vector<audit::Disclosure>& out) {
  const auto parsed = boost::json::parse(items);
  for (const auto& item : parsed.as_array()) {
    const auto& parts = item.as_array();
    out.push_back({std::string(parts.at(1).as_string()), audit::canonical_json(parts.at(2)).value(),
                   std::string(parts.at(0).as_string()), owner_id});
  }
}

}  // namespace

Result<void> Transaction::atomically(const std::function<Result<void>()>& part) {
  const std::uint64_t index = store_.next_index();
  Query(store_, "SAVEPOINT part").run();
  auto done = part();
  if (!done) store_.roll_back("ROLLBACK TO part", index);
  Query(store_, "RELEASE part").run();
  return done;
}

Result<std::uint64_t> Transaction::append(const audit::EventDraft& draft) {
  const auto prepared = prepare(draft);
  if (!prepared) return prepared.error();
  return append(*prepared);
}

Result<std::uint64_t> Transaction::append(const PreparedEvent& event) {
  const std::uint64_t index = store_.next_index();
  const audit::LeafHead head{index, now_.wall, store_.epoch()};
  const auto finish = [&](std::string& out) { return audit::finish_leaf(out, event.leaf, head); };
  if (auto done = store_.appended().add_with(finish); !done) return std::move(done).error();
  store_.take_index();
  for (const auto& row : event.personal) store_.new_rows().disclosures.add(index, row.owner_id, row.items);
  return index;
}

std::uint64_t Transaction::next_index() const { return store_.next_index(); }

std::uint64_t Transaction::leaf_count() { return store_.next_index(); }

std::vector<StoredLeaf> Transaction::leaves(std::uint64_t from, std::size_t limit, bool with_disclosures) {
  auto out = read_outbox(store_, from, limit);
  if (!with_disclosures) return out;
  for (auto& leaf : out) leaf.disclosures = disclosures_of(leaf.index);
  return out;
}

std::vector<audit::Disclosure> Transaction::disclosures_of(std::uint64_t leaf_index) {
  std::vector<audit::Disclosure> out;
  Query items(store_, "SELECT owner_id, items FROM disclosures WHERE leaf_index = ?1");
  items.bind(leaf_index);
  while (items.step()) read_items(items.text(0), items.text(1), out);
  return out;
}

}  // namespace sanad::ledger
