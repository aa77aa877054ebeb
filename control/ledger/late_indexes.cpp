#include "control/ledger/late_indexes.hpp"

#include <algorithm>

#include "control/ledger/store.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::ledger {

bool LateIndexes::leave_out(Store& store, Range& range, std::int64_t row) {
  if (range.has(row)) return true;
  if (range.empty() && range.at_once < kAtOnce) {
    ++range.at_once;
    return false;
  }
  // Below the first: settling took the room that was written ahead, or the highest rows were deleted and their numbers come
  // again.
  if (range.empty() || row < range.first) range.first = row;
  range.last = row + kRoom - 1;
  write(store, range);
  return true;
}

void LateIndexes::write(Store& store, const Range& range) {
  const std::string kind = range.kind;
  if (range.empty()) {
    Query(store, "DELETE FROM late WHERE kind = ?1").bind(kind).run();
  } else {
    Query(store, "INSERT OR REPLACE INTO late(kind, first, last) VALUES(?1, ?2, ?3)").bind(kind, range.first, range.last).run();
  }
}

void LateIndexes::added(Store& store, const WaitingRows& rows) {
  sessions_added(store, rows.sessions);
  endpoints_added(store, rows.endpoints);
  disclosures_added(store, rows.disclosures);
}

void LateIndexes::sessions_added(Store& store, const NewRows& rows) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::int64_t seq = rows.integer(row, SessionColumn::seq);
    const bool late = leave_out(store, ranges(store).sessions, seq);
    if (late && !newest_) continue;
    const WallTime started{rows.integer(row, SessionColumn::started)};
    const std::string peer_id(rows.bytes(rows.cell(row, SessionColumn::peer_id)));
    if (late) {
      auto& newest = newest_->try_emplace(peer_id, started).first->second;
      newest = std::max(newest, started);
    } else {
      Query(store, "INSERT INTO session_peers(peer_id, started, session) VALUES(?1, ?2, ?3)").bind(peer_id, started, seq).run();
    }
  }
}

void LateIndexes::endpoints_added(Store& store, const NewRows& rows) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::int64_t session = rows.integer(row, EndpointColumn::session);
    if (ranges(store).sessions.has(session)) continue;
    const auto address = as_bytes(rows.bytes(rows.cell(row, EndpointColumn::address)));
    Query(store, "INSERT INTO session_addresses(address, session, leaf_index) VALUES(?1, ?2, ?3)")
        .bind(address, session, rows.integer(row, EndpointColumn::leaf_index))
        .run();
  }
}

void LateIndexes::disclosures_added(Store& store, const NewRows& rows) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::int64_t leaf_index = rows.integer(row, DisclosureColumn::leaf_index);
    const auto& owner = rows.cell(row, DisclosureColumn::owner_id);
    if (owner.size == 0 || leave_out(store, ranges(store).disclosures, leaf_index)) continue;
    const std::string owner_id(rows.bytes(owner));
    Query(store, "INSERT INTO disclosure_owners(owner_id, leaf_index) VALUES(?1, ?2)").bind(owner_id, leaf_index).run();
  }
}

LateIndexes::Ranges& LateIndexes::ranges(Store& store) {
  if (ranges_) return *ranges_;
  Ranges read;
  Query query(store, "SELECT kind, first, last FROM late");
  while (query.step()) {
    Range& range = query.text(0) == read.sessions.kind ? read.sessions : read.disclosures;
    range.first = query.integer(1);
    range.last = query.integer(2);
  }
  return ranges_.emplace(read);
}

void LateIndexes::begin_commit() {
  if (!ranges_) return;
  ranges_->sessions.at_once = 0;
  ranges_->disclosures.at_once = 0;
}

std::optional<WallTime> LateIndexes::newest_of(Store& store, const std::string& peer_id) {
  store.put_in_new_rows();  // they change what is looked at here
  const Range& late = ranges(store).sessions;
  if (late.empty()) return std::nullopt;
  if (!newest_) {
    newest_.emplace();
    Query rows(store, "SELECT peer_id, max(started) FROM sessions WHERE seq BETWEEN ?1 AND ?2 GROUP BY peer_id");
    rows.bind(late.first, late.last);
    while (rows.step()) newest_->emplace(rows.text(0), rows.time(1));
  }
  const auto found = newest_->find(peer_id);
  if (found == newest_->end()) return std::nullopt;
  return found->second;
}

bool LateIndexes::too_many_late(Store& store) {
  const auto many = [](const Range& range) { return range.last - range.first >= kMostLate; };
  return many(ranges(store).sessions) || many(ranges(store).disclosures);
}

bool LateIndexes::anything_late(Store& store) {
  const Ranges& now = ranges(store);
  return !now.sessions.empty() || !now.disclosures.empty();
}

std::optional<LateIndexes::Part> LateIndexes::take(Store& store, Range& range) {
  if (range.empty()) return std::nullopt;
  const Part part{range.first, std::min(range.last, range.first + kSettledAtOnce - 1)};
  range.first = part.to + 1;
  write(store, range);
  return part;
}

// Or ignore: a row of several people is told of several times, the first time perhaps put in at once.
void LateIndexes::settle(Store& store) {
  newest_.reset();
  if (const auto late = take(store, ranges(store).sessions)) {
    Query(store,
          "INSERT OR IGNORE INTO session_peers SELECT peer_id, started, seq FROM sessions WHERE seq BETWEEN ?1 AND ?2 "
          "ORDER BY peer_id, started, seq")
        .bind(late->from, late->to)
        .run();
    Query(store,
          "INSERT OR IGNORE INTO session_addresses SELECT address, session, leaf_index FROM session_endpoints "
          "WHERE session BETWEEN ?1 AND ?2 ORDER BY address, session, leaf_index")
        .bind(late->from, late->to)
        .run();
  }
  if (const auto late = take(store, ranges(store).disclosures)) {
    Query(store,
          "INSERT OR IGNORE INTO disclosure_owners SELECT owner_id, leaf_index FROM disclosures "
          "WHERE leaf_index BETWEEN ?1 AND ?2 AND owner_id <> '' ORDER BY owner_id, leaf_index")
        .bind(late->from, late->to)
        .run();
  }
}

}  // namespace sanad::ledger
