// Erasure of a person.

#include <algorithm>

#include "control/ledger/custody.hpp"
#include "control/ledger/opaque_id.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {
namespace {

Erasure read_erasure(const Query& row) { return {row.text(0), row.time(1), row.counter(2), row.optional_time(3)}; }

std::string opaque_handle(const std::string& owner_id) { return "erased-" + owner_id.substr(owner_id.find('-') + 1); }

std::uint64_t count(Store& store, const char* sql, const std::string& owner_id) {
  Query query(store, sql);
  query.bind(owner_id);
  return query.step() ? query.counter(0) : 0;
}

// The counter that was made for the person's name tells that name, unless others bear it.
void forget_numbers(Store& store, const std::string& base) {
  const std::string from = base + "-";
  const std::string to = base + ".";  // '.' follows '-' in ASCII
  Query others(store,
               "SELECT 1 FROM owners WHERE handle = ?1 UNION ALL SELECT 1 FROM owners WHERE handle > ?2 AND handle < ?3 LIMIT 1");
  others.bind(base, from, to);
  if (others.step()) return;
  Query(store, "DELETE FROM handle_numbers WHERE base = ?1").bind(base).run();
}

}  // namespace

std::optional<Erasure> Custody::find_erasure(const std::string& owner_id) {
  Query query(store_, "SELECT owner_id, began, leaf_index, finished FROM erasures WHERE owner_id = ?1");
  query.bind(owner_id);
  if (!query.step()) return std::nullopt;
  return read_erasure(query);
}

std::vector<Erasure> Custody::unfinished_erasures() {
  std::vector<Erasure> out;
  Query query(store_, "SELECT owner_id, began, leaf_index, finished FROM erasures WHERE finished IS NULL ORDER BY began");
  while (query.step()) out.push_back(read_erasure(query));
  return out;
}

Custody::Ties Custody::ties_of(const std::string& owner_id) {
  return {count(store_, "SELECT count(*) FROM peers WHERE owner_id = ?1 AND revoked IS NULL", owner_id),
          count(store_, "SELECT count(*) FROM peers WHERE owner_id = ?1 AND revoked IS NOT NULL AND on_device = 1", owner_id),
          count(store_,
                "SELECT count(*) FROM sessions WHERE ended IS NULL AND seq IN (SELECT session FROM sessions_of_peer WHERE "
                "peer_id IN (SELECT id FROM peers WHERE owner_id = ?1))",
                owner_id)};
}

Result<void> Custody::begin_erasure(const Owner& owner) {
  const std::string handle = opaque_handle(owner.id);
  if (Query(store_, "UPDATE owners SET handle = ?2, name = '', email = '' WHERE id = ?1").bind(owner.id, handle).run() == 0) {
    return Error{Errc::not_found, "there is no such person", "person"};
  }
  forget_numbers(store_, slug(owner.name));
  forget_numbers(store_, owner.handle);
  Query(store_, "DELETE FROM baselines WHERE public_key IN (SELECT public_key FROM peers WHERE owner_id = ?1)")
      .bind(owner.id)
      .run();
  Query(store_, "DELETE FROM answers WHERE substr(body, 1, instr(body, ' ') - 1) IN (SELECT id FROM peers WHERE owner_id = ?1)")
      .bind(owner.id)
      .run();
  Query(store_,
        "UPDATE peers SET device = 'erased', note = '', peer_groups = '[]', preshared_key = NULL, public_key = zeroblob(32) "
        "WHERE owner_id = ?1")
      .bind(owner.id)
      .run();
  Query(store_, "INSERT OR REPLACE INTO erasures(owner_id, began, leaf_index, finished) VALUES(?1, ?2, ?3, NULL)")
      .bind(owner.id, tx_.now().wall, tx_.next_index())
      .run();
  return {};
}

void Custody::delete_disclosures(const std::string& owner_id, std::uint64_t leaf_index, Deleted& into) {
  const int rows =
      Query(store_, "DELETE FROM disclosures WHERE leaf_index = ?1 AND owner_id = ?2").bind(leaf_index, owner_id).run();
  if (rows == 0) return;
  into.disclosures += static_cast<std::uint64_t>(rows);
  into.records.push_back(leaf_index);
}

Deleted Custody::erase_some(const std::string& owner_id, std::size_t limit) {
  Deleted deleted;
  std::vector<std::uint64_t> indices;
  {
    Query query(store_, "SELECT leaf_index FROM disclosures_of_owner WHERE owner_id = ?1 ORDER BY leaf_index LIMIT ?2");
    query.bind(owner_id, std::uint64_t{limit});
    while (query.step()) indices.push_back(query.counter(0));
  }
  for (const auto index : indices) delete_disclosures(owner_id, index, deleted);

  std::vector<std::pair<std::int64_t, std::uint64_t>> addresses;
  {
    Query query(
        store_,
        "SELECT session, leaf_index FROM session_endpoints WHERE session IN (SELECT session FROM sessions_of_peer WHERE peer_id "
        "IN (SELECT id FROM peers WHERE owner_id = ?1)) LIMIT ?2");
    query.bind(owner_id, std::uint64_t{limit});
    while (query.step()) addresses.emplace_back(query.integer(0), query.counter(1));
  }
  for (const auto& [session, leaf] : addresses) {
    deleted.addresses += static_cast<std::uint64_t>(
        Query(store_, "DELETE FROM session_endpoints WHERE session = ?1 AND leaf_index = ?2").bind(session, leaf).run());
    Query(store_, "UPDATE sessions SET personal = 0 WHERE seq = ?1 AND personal = 1").bind(session).run();
  }
  return deleted;
}

void Custody::finish_erasure(const std::string& owner_id) {
  Query(store_, "UPDATE erasures SET finished = ?2 WHERE owner_id = ?1").bind(owner_id, tx_.now().wall).run();
}

}  // namespace sanad::ledger
