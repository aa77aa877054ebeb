#include "control/ledger/opaque_id.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {
namespace {

Owner read_owner(const Query& row) { return {row.text(0), row.text(1), row.text(2), row.text(3)}; }

std::optional<Owner> owner_by_email(Store& store, const std::string& email) {
  Query query(store, "SELECT id, handle, name, email FROM owners WHERE email = ?1 AND email <> ''");
  query.bind(email);
  if (!query.step()) return std::nullopt;
  return read_owner(query);
}

std::optional<Owner> owner_by_handle(Store& store, const std::string& handle) {
  Query query(store, "SELECT id, handle, name, email FROM owners WHERE handle = ?1");
  query.bind(handle);
  if (!query.step()) return std::nullopt;
  return read_owner(query);
}

// `base` is taken.
std::string numbered_handle(Store& store, const std::string& base) {
  for (;;) {
    // Remembered, so that the thousandth of a name is not found by asking for the 999 before.
    Query query(store,
                "INSERT INTO handle_numbers(base, next) VALUES(?1, 3) ON CONFLICT(base) DO UPDATE SET next = next + 1 "
                "RETURNING next - 1");
    query.bind(base);
    if (!query.step()) continue;
    const std::string handle = base + "-" + std::to_string(query.integer(0));
    while (query.step()) {
    }
    if (!owner_by_handle(store, handle)) return handle;
  }
}

}  // namespace

Result<Owner> Transaction::find_or_create_owner(const std::string& name, const std::string& email, const std::string& handle) {
  if (!email.empty()) {
    if (auto known = owner_by_email(store_, email)) {
      if (!handle.empty() && handle != known->handle) {
        return Error{Errc::conflict, "the owner with this e-mail has another handle", "owner.handle", "leave the handle out"};
      }
      return *std::move(known);
    }
  }
  const std::string base = handle.empty() ? slug(name) : handle;
  auto known = owner_by_handle(store_, base);
  if (known) {
    const bool same = handle.empty() ? email.empty() && known->email.empty() && known->name == name : email.empty();
    if (same) return *std::move(known);
    if (!handle.empty()) {
      return Error{Errc::conflict, "the handle belongs to an owner with another e-mail", "owner.handle",
                   "choose another handle, or leave it out to have one made"};
    }
  }
  Owner owner{store_.ids().make("o-", now_.wall, store_.random()), known ? numbered_handle(store_, base) : base, name, email};
  Query(store_, "INSERT INTO owners(id, handle, name, email) VALUES(?1, ?2, ?3, ?4)")
      .bind(owner.id, owner.handle, owner.name, owner.email)
      .run();
  return owner;
}

std::optional<Owner> Transaction::find_owner(const std::string& id) {
  Query query(store_, "SELECT id, handle, name, email FROM owners WHERE id = ?1");
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return read_owner(query);
}

Result<void> Transaction::update_owner(const Owner& owner) {
  if (const auto other = owner_by_email(store_, owner.email); other && other->id != owner.id) {
    return Error{Errc::conflict, "the e-mail belongs to another owner", "owner.email"};
  }
  const int changed =
      Query(store_, "UPDATE owners SET name = ?2, email = ?3 WHERE id = ?1").bind(owner.id, owner.name, owner.email).run();
  if (changed == 0) return Error{Errc::not_found, "there is no such owner", "owner.id"};
  return {};
}

}  // namespace sanad::ledger
