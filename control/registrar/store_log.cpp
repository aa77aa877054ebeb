// The records' side of the store: appended with what they tell of, handed to the publisher.

#include "control/registrar/store.hpp"

namespace sanad::registrar {
namespace {

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

Result<std::uint64_t> Store::append(const audit::EventDraft& draft, WallTime now) {
  auto& last = prepare(
      "SELECT max(ifnull((SELECT max(leaf_index) + 1 FROM pending_leaves), 0), ifnull((SELECT size FROM signed_log), 0))");
  last.executeStep();
  const auto index = static_cast<std::uint64_t>(last.getColumn(0).getInt64());
  auto leaf = audit::make_leaf({index, now, 1}, draft, random_);
  if (!leaf) return std::move(leaf).error();
  auto& insert = prepare("INSERT INTO pending_leaves(leaf_index, leaf) VALUES(?1, ?2)");
  insert.bind(1, number(index));
  insert.bind(2, leaf->bytes.data(), static_cast<int>(leaf->bytes.size()));
  insert.exec();
  for (const auto& disclosure : leaf->disclosures) {
    auto& keep = prepare("INSERT INTO disclosures(leaf_index, salt, name, value) VALUES(?1, ?2, ?3, ?4)");
    keep.bind(1, number(index));
    keep.bind(2, disclosure.salt);
    keep.bind(3, disclosure.name);
    keep.bind(4, disclosure.value_json);
    keep.exec();
  }
  return index;
}

Result<std::string> Store::signed_checkpoint() {
  std::string note;
  auto done = look([&]() -> Result<void> {
    auto& query = prepare("SELECT note FROM signed_log");
    if (query.executeStep()) note = query.getColumn(0).getString();
    return {};
  });
  if (!done) return done.error();
  return note;
}

Result<std::vector<std::string>> Store::pending(std::uint64_t from, std::size_t limit) {
  std::vector<std::string> leaves;
  auto done = look([&]() -> Result<void> {
    auto& query = prepare("SELECT leaf FROM pending_leaves WHERE leaf_index >= ?1 ORDER BY leaf_index LIMIT ?2");
    query.bind(1, number(from));
    query.bind(2, number(limit));
    while (query.executeStep()) leaves.push_back(query.getColumn(0).getString());
    return {};
  });
  if (!done) return done.error();
  return leaves;
}

Result<void> Store::store_signed(const std::string& note, std::uint64_t size) {
  return transact([&]() -> Result<void> {
    auto& query = prepare("INSERT OR REPLACE INTO signed_log(id, size, note) VALUES(1, ?1, ?2)");
    query.bind(1, number(size));
    query.bind(2, note);
    query.exec();
    return {};
  });
}

Result<void> Store::drop_below(std::uint64_t index) {
  return transact([&]() -> Result<void> {
    auto& query = prepare("DELETE FROM pending_leaves WHERE leaf_index < ?1");
    query.bind(1, number(index));
    query.exec();
    return {};
  });
}

}  // namespace sanad::registrar
