// What retention deletes, in steps.

#include <algorithm>

#include "control/ledger/custody.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {
namespace {

struct Ended {
  std::int64_t seq = 0;
  WallTime ended;
  sessions::SessionId id{};
};

std::vector<std::uint64_t> records_of(const SessionRecord& session) {
  std::vector<std::uint64_t> out{session.opened_evidence};
  for (const auto& endpoint : session.endpoints) out.push_back(endpoint.evidence);
  if (session.end) out.push_back(session.end->evidence);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// A session may have a record for each time its address moved.
constexpr std::size_t kRecordsAtOnce = 1000;

void lower(std::uint64_t& lowest, Query& query) {
  if (query.step() && !query.null(0)) lowest = std::min(lowest, query.counter(0));
}

}  // namespace

RetentionState Custody::retention() {
  Query query(store_, "SELECT minimum_index, pruned_index, leaf_index, days FROM retention");
  if (!query.step()) return {};
  return {query.counter(0), query.counter(1), query.counter(2), query.integer(3)};
}

void Custody::set_retention(const RetentionState& state) {
  Query(store_, "INSERT OR REPLACE INTO retention(id, minimum_index, pruned_index, leaf_index, days) VALUES(1, ?1, ?2, ?3, ?4)")
      .bind(state.minimum, state.pruned, state.evidence, state.days)
      .run();
}

Deleted Custody::expire_sessions(WallTime cutoff, Cursor& after, std::size_t limit) {
  std::vector<Ended> ended;
  {
    Query query(store_,
                "SELECT seq, ended, id FROM sessions INDEXED BY sessions_by_end WHERE personal = 1 AND ended IS NOT NULL AND "
                "(ended, seq) > (?1, ?2) AND ended < ?3 ORDER BY ended, seq LIMIT ?4");
    query.bind(after.ended, after.seq, cutoff, std::uint64_t{limit});
    while (query.step()) {
      Ended& row = ended.emplace_back(Ended{query.integer(0), query.time(1)});
      const std::string id = query.bytes(2, row.id.size());
      std::copy(id.begin(), id.end(), row.id.begin());
    }
  }
  after.more = ended.size() == limit;
  const auto all = holds();
  Deleted deleted;
  for (const Ended& row : ended) {
    if (deleted.records.size() >= kRecordsAtOnce) {
      after.more = true;
      break;
    }
    after.ended = row.ended;
    after.seq = row.seq;
    const auto session = tx_.find_session(row.id);
    if (!session || keeper_of(all, *session, tx_.now().wall) != nullptr) continue;
    for (const auto index : records_of(*session)) delete_disclosures(session->owner_id, index, deleted);
    deleted.addresses +=
        static_cast<std::uint64_t>(Query(store_, "DELETE FROM session_endpoints WHERE session = ?1").bind(row.seq).run());
    Query(store_, "UPDATE sessions SET personal = 0 WHERE seq = ?1").bind(row.seq).run();
    ++deleted.sessions;
  }
  std::sort(deleted.records.begin(), deleted.records.end());
  return deleted;
}

std::uint64_t Custody::lowest_needed(WallTime cutoff) {
  std::uint64_t lowest = tx_.next_index();
  {
    // Rows come in the order of their records: the first that matches has the lowest.
    Query query(store_, "SELECT opened_leaf FROM sessions WHERE ended IS NULL OR ended >= ?1 ORDER BY seq LIMIT 1");
    query.bind(cutoff);
    lower(lowest, query);
  }
  for (const Hold& hold : holds()) {
    if (!in_force(hold, tx_.now().wall)) continue;
    if (!hold.owner_id.empty()) {
      Query personal(store_, "SELECT min(leaf_index) FROM disclosures_of_owner WHERE owner_id = ?1");
      personal.bind(hold.owner_id);
      lower(lowest, personal);
      Query sessions(store_,
                     "SELECT min(opened_leaf) FROM sessions WHERE seq IN (SELECT session FROM sessions_of_peer WHERE peer_id IN "
                     "(SELECT id FROM peers WHERE owner_id = ?1))");
      sessions.bind(hold.owner_id);
      lower(lowest, sessions);
      continue;
    }
    // By address or window: the sessions it keeps, oldest last.
    SessionFilter filter;
    filter.from = hold.from;
    filter.to = hold.to;
    std::string cursor;
    do {
      const auto page = tx_.sessions(filter, cursor, 500).value();
      for (const auto& session : page.sessions) {
        if (keeps(hold, session)) lowest = std::min(lowest, session.opened_evidence);
      }
      cursor = page.next;
    } while (!cursor.empty());
  }
  return lowest;
}

Deleted Custody::drop_below(std::uint64_t index, std::size_t limit) {
  Deleted deleted;
  std::vector<std::pair<std::uint64_t, std::string>> rows;
  {
    Query query(store_, "SELECT leaf_index, owner_id FROM disclosures WHERE leaf_index < ?1 ORDER BY leaf_index LIMIT ?2");
    query.bind(index, std::uint64_t{limit});
    while (query.step()) rows.emplace_back(query.counter(0), query.text(1));
  }
  for (const auto& [leaf, owner] : rows) delete_disclosures(owner, leaf, deleted);
  std::vector<std::int64_t> sessions;
  {
    Query query(store_, "SELECT seq FROM sessions WHERE closed_leaf IS NOT NULL AND closed_leaf < ?1 LIMIT ?2");
    query.bind(index, std::uint64_t{limit});
    while (query.step()) sessions.push_back(query.integer(0));
  }
  for (const auto seq : sessions) {
    deleted.addresses +=
        static_cast<std::uint64_t>(Query(store_, "DELETE FROM session_endpoints WHERE session = ?1").bind(seq).run());
    Query(store_, "DELETE FROM sessions WHERE seq = ?1").bind(seq).run();
    ++deleted.sessions;
  }
  if (!sessions.empty()) store_.late().forget();
  return deleted;
}

}  // namespace sanad::ledger
