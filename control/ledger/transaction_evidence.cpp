#include <boost/json.hpp>

#include "control/audit/canonical.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::ledger {
namespace {

// [["salt","name",value],...]: the arrays RFC 9901 disclosures are made of.
Result<std::string> items_json(const std::vector<audit::Disclosure>& disclosures, const std::string& owner_id) {
  std::string out = "[";
  for (const auto& item : disclosures) {
    if (item.owner_id != owner_id) continue;
    out += out.size() == 1 ? "[" : ",[";
    if (auto done = audit::append_canonical_string(out, item.salt); !done) return std::move(done).error();
    out += ',';
    if (auto done = audit::append_canonical_string(out, item.name); !done) return std::move(done).error();
    out += ',';
    out += item.value_json;
    out += ']';
  }
  out += ']';
  return out;
}

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
  if (!done) {
    Query(store_, "ROLLBACK TO part").run();
    store_.forget_cached(index);
  }
  Query(store_, "RELEASE part").run();
  return done;
}

Result<std::uint64_t> Transaction::append(const audit::EventDraft& draft) {
  auto leaf = audit::make_leaf({store_.next_index(), now_.wall, store_.epoch()}, draft, store_.random());
  if (!leaf) return std::move(leaf).error();
  const std::uint64_t index = store_.next_index();
  Query(store_, "INSERT INTO pending_leaves(leaf_index, leaf) VALUES(?1, ?2)").bind(index, as_bytes(leaf->bytes)).run();

  const auto& disclosures = leaf->disclosures;
  for (std::size_t i = 0; i < disclosures.size(); ++i) {
    const std::string& owner = disclosures[i].owner_id;
    bool seen = false;
    for (std::size_t j = 0; j < i && !seen; ++j) seen = disclosures[j].owner_id == owner;
    if (seen) continue;
    auto items = items_json(disclosures, owner);
    if (!items) return std::move(items).error();
    Query(store_, "INSERT INTO disclosures(leaf_index, owner_id, items) VALUES(?1, ?2, ?3)").bind(index, owner, *items).run();
  }
  store_.keep_appended(std::move(leaf->bytes));
  return store_.take_index();
}

std::uint64_t Transaction::next_index() const { return store_.next_index(); }

std::uint64_t Transaction::leaf_count() { return store_.next_index(); }

std::vector<StoredLeaf> Transaction::leaves(std::uint64_t from, std::size_t limit, bool with_disclosures) {
  std::vector<StoredLeaf> out;
  Query query(store_, "SELECT leaf_index, leaf FROM pending_leaves WHERE leaf_index >= ?1 ORDER BY leaf_index LIMIT ?2");
  query.bind(from, std::uint64_t{limit});
  while (query.step()) out.push_back({query.counter(0), query.text(1), {}});
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
