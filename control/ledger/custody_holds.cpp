// Holds and confirmations.

#include "control/ledger/custody.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {
namespace {

constexpr std::size_t kSessionsPage = 500;

Hold read_hold(const Query& row) {
  Hold hold;
  hold.id = row.text(0);
  hold.owner_id = row.text(1);
  if (!row.null(2)) hold.address = row.address(2);
  hold.from = row.optional_time(3);
  hold.to = row.optional_time(4);
  hold.reason = row.text(5);
  hold.approver = row.text(6);
  hold.created = row.time(7);
  hold.expires = row.optional_time(8);
  hold.uid = static_cast<std::uint32_t>(row.integer(9));
  hold.evidence = row.counter(10);
  return hold;
}

Confirmation read_confirmation(const Query& row) {
  return {row.text(0), row.text(1), row.text(2), static_cast<std::uint32_t>(row.integer(3)), row.time(4), row.time(5)};
}

}  // namespace

std::vector<Hold> Custody::holds() {
  std::vector<Hold> out;
  Query query(store_,
              "SELECT id, owner_id, address, from_time, to_time, reason, approver, created, expires, uid, leaf_index FROM holds "
              "ORDER BY created, id");
  while (query.step()) out.push_back(read_hold(query));
  return out;
}

std::optional<Hold> Custody::find_hold(const std::string& id) {
  for (auto& hold : holds()) {
    if (hold.id == id) return std::move(hold);
  }
  return std::nullopt;
}

Hold Custody::put_hold(Hold hold) {
  hold.id = store_.ids().make("h-", tx_.now().wall, store_.random());
  hold.created = tx_.now().wall;
  hold.evidence = tx_.next_index();
  Query query(store_,
              "INSERT INTO holds(id, owner_id, address, from_time, to_time, reason, approver, created, expires, uid, leaf_index) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  query.bind(hold.id, hold.owner_id);
  std::optional<AddressKey> address;
  if (hold.address) address.emplace(*hold.address);
  address ? query.bind(std::span<const std::uint8_t>(*address)) : query.bind(nullptr);
  query.bind(hold.from, hold.to, hold.reason, hold.approver, hold.created, hold.expires, hold.uid, hold.evidence);
  query.run();
  return hold;
}

void Custody::delete_hold(const std::string& id) { Query(store_, "DELETE FROM holds WHERE id = ?1").bind(id).run(); }

void Custody::forget_disclosures_of(const std::string& hold_id) {
  Query(store_,
        "DELETE FROM disclosures WHERE owner_id = ?1 AND leaf_index IN (SELECT leaf_index FROM disclosures_of_owner WHERE "
        "owner_id = ?1)")
      .bind(hold_id)
      .run();
}

std::optional<Hold> Custody::hold_on(const std::string& owner_id) {
  const auto all = holds();
  bool by_session = false;
  for (const Hold& hold : all) {
    if (!in_force(hold, tx_.now().wall)) continue;
    // Who is held by name is held with everything, whatever else narrows the hold.
    if (hold.owner_id == owner_id) return hold;
    by_session = by_session || hold.owner_id.empty();
  }
  if (!by_session) return std::nullopt;
  SessionFilter filter;
  filter.owner_id = owner_id;
  std::string cursor;
  do {
    const auto page = tx_.sessions(filter, cursor, kSessionsPage).value();
    for (const auto& session : page.sessions) {
      if (const Hold* hold = keeper_of(all, session, tx_.now().wall)) return *hold;
    }
    cursor = page.next;
  } while (!cursor.empty());
  return std::nullopt;
}

std::vector<Confirmation> Custody::confirmations() {
  std::vector<Confirmation> out;
  Query query(store_, "SELECT id, act, request, uid, created, expires FROM confirmations ORDER BY created, id");
  while (query.step()) out.push_back(read_confirmation(query));
  return out;
}

std::optional<Confirmation> Custody::find_confirmation(const std::string& id) {
  Query query(store_, "SELECT id, act, request, uid, created, expires FROM confirmations WHERE id = ?1");
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return read_confirmation(query);
}

Confirmation Custody::put_confirmation(Confirmation confirmation) {
  confirmation.id = store_.ids().make("c-", tx_.now().wall, store_.random());
  Query(store_, "INSERT INTO confirmations(id, act, request, uid, created, expires) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
      .bind(confirmation.id, confirmation.act, confirmation.request, confirmation.uid, confirmation.created, confirmation.expires)
      .run();
  return confirmation;
}

void Custody::delete_confirmation(const std::string& id) {
  Query(store_, "DELETE FROM confirmations WHERE id = ?1").bind(id).run();
}

}  // namespace sanad::ledger
