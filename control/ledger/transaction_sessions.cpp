#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "control/ledger/claims.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/text_lists.hpp"
#include "control/ledger/transaction.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::ledger {
namespace {

constexpr std::size_t kPageLimit = 1000;

const std::string kSelectSession =
    "SELECT s.seq, s.id, s.peer_id, s.owner_id, s.interface, s.inner_prefixes, s.started, s.started_not_before, "
    "s.started_not_after, "
    "s.ended, s.ended_not_before, s.ended_not_after, s.reason, s.end_inferred, s.closed_leaf, s.rx, s.tx, s.uncertain_rx, "
    "s.uncertain_tx, s.handshakes, s.moves, s.figures_as_of, s.figures_from_checkpoint, s.opened_leaf, s.base_rx, s.base_tx, "
    "s.incarnation, s.boot_id, s.device_identity FROM sessions s ";

Error no_such_session() { return {Errc::not_found, "there is no such session"}; }

std::vector<SessionEndpoint> read_endpoints(Store& store, std::int64_t seq) {
  std::vector<SessionEndpoint> out;
  Query query(store, "SELECT address, port, since, leaf_index FROM session_endpoints WHERE session = ?1 ORDER BY leaf_index",
              Reads::sessions);
  query.bind(seq);
  while (query.step()) {
    out.push_back({{query.address(0), static_cast<std::uint16_t>(query.integer(1))}, query.time(2), query.counter(3)});
  }
  return out;
}

SessionRecord read_session(Store& store, const Query& row) {
  SessionRecord session;
  const std::string id = row.bytes(1, session.id.size());
  std::copy(id.begin(), id.end(), session.id.begin());
  session.peer_id = row.text(2);
  session.owner_id = row.text(3);
  session.interface = row.text(4);
  session.inner = split_prefixes(row.text(5));
  session.started = row.time(6);
  session.started_bounds = {row.time(7), row.time(8)};
  if (!row.null(9)) {
    session.end = SessionEnd{row.time(9),
                             {row.time(10), row.time(11)},
                             static_cast<sessions::CloseReason>(row.integer(12)),
                             row.integer(13) != 0,
                             row.counter(14)};
  }
  session.figures = {{row.counter(15), row.counter(16)},
                     {row.counter(17), row.counter(18)},
                     static_cast<std::uint32_t>(row.integer(19)),
                     static_cast<std::uint32_t>(row.integer(20)),
                     row.time(21),
                     row.integer(22) != 0};
  session.opened_evidence = row.counter(23);
  session.base = {row.counter(24), row.counter(25)};
  session.incarnation = static_cast<std::uint32_t>(row.integer(26));
  session.boot_id = row.text(27);
  session.device_identity = row.text(28);
  session.endpoints = read_endpoints(store, row.integer(0));
  return session;
}

std::optional<std::int64_t> sequence_of(Store& store, const sessions::SessionId& id) {
  Query query(store, "SELECT seq FROM sessions WHERE id = ?1", Reads::sessions);
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

void insert_endpoint(Store& store, std::int64_t seq, const SessionEndpoint& endpoint) {
  const AddressKey address(endpoint.address.address);
  store.new_rows().endpoints.add(seq, endpoint.evidence, std::span<const std::uint8_t>(address), endpoint.address.port,
                                 endpoint.since);
}

// Newest first: the page after a cursor holds what started before it, ties broken by row.
struct Cursor {
  std::int64_t started = INT64_MAX;
  std::int64_t seq = INT64_MAX;
};

Result<Cursor> parse_cursor(const std::string& text) {
  Cursor cursor;
  if (text.empty()) return cursor;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, cursor.started);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == '.') {
    const auto second = std::from_chars(first.ptr + 1, end, cursor.seq);
    if (second.ec == std::errc{} && second.ptr == end) return cursor;
  }
  return Error{Errc::invalid_argument, "not a cursor this program gave out", "cursor", "start again without a cursor"};
}

bool overlaps(const Claim& claim, const SessionRecord& session) {
  return claim.peer_id == session.peer_id && claim.interface == session.interface &&
         (!claim.until || session.started < *claim.until) &&
         (!session.end || session.end->at > claim.from || session.started >= claim.from);
}

std::string json_list_of_peers(const std::vector<Claim>& claims) {
  boost::json::array ids;
  for (const auto& claim : claims) ids.emplace_back(claim.peer_id);
  return boost::json::serialize(ids);
}

// Fixed fragments only; every value is bound, at the same place whether used or not.
std::string page_sql(const SessionFilter& filter) {
  std::string sql = kSelectSession + "WHERE (s.started, s.seq) < (?1, ?2)";
  if (!filter.peer_id.empty()) sql += " AND s.seq IN (SELECT session FROM sessions_of_peer WHERE peer_id = ?3 AND started <= ?1)";
  // A peer never changes hands, and the index is by peer.
  if (!filter.owner_id.empty()) {
    sql += " AND s.seq IN (SELECT session FROM sessions_of_peer WHERE peer_id IN (SELECT id FROM peers WHERE owner_id = ?4))";
  }
  if (filter.active) sql += *filter.active ? " AND s.ended IS NULL" : " AND s.ended IS NOT NULL";
  if (filter.from) sql += " AND (s.ended IS NULL OR s.ended > ?5)";
  if (filter.to) sql += " AND s.started < ?6";
  if (filter.at) sql += " AND s.started <= ?7 AND (s.ended IS NULL OR s.ended > ?7)";
  if (filter.outer) sql += " AND s.seq IN (SELECT session FROM sessions_at_address WHERE address = ?8)";
  if (filter.inner) {
    sql += " AND s.seq IN (SELECT session FROM sessions_of_peer WHERE peer_id IN (SELECT value FROM json_each(?9)))";
  }
  return sql + " ORDER BY s.started DESC, s.seq DESC LIMIT ?10";
}

}  // namespace

Result<void> Transaction::open_session(const SessionRecord& session) {
  // Otherwise the table's own constraint tells it later, and the commit is made again with care.
  if (store_.careful() && sequence_of(store_, session.id)) return Error{Errc::conflict, "a session with this id exists"};
  const std::int64_t seq = store_.take_session_seq();
  const auto& figures = session.figures;
  store_.new_rows().sessions.add(
      seq, session.id, session.peer_id, session.owner_id, session.interface, join_prefixes(session.inner), session.started,
      session.started_bounds.not_before, session.started_bounds.not_after, figures.traffic.rx, figures.traffic.tx,
      figures.uncertain.rx, figures.uncertain.tx, figures.handshakes, figures.moves, figures.as_of, figures.from_checkpoint,
      session.opened_evidence, session.base.rx, session.base.tx, session.incarnation, session.boot_id, session.device_identity);
  for (const auto& endpoint : session.endpoints) insert_endpoint(store_, seq, endpoint);
  return {};
}

Result<void> Transaction::move_session(const sessions::SessionId& id, const SessionEndpoint& endpoint) {
  const auto seq = sequence_of(store_, id);
  if (!seq) return no_such_session();
  insert_endpoint(store_, *seq, endpoint);
  Query(store_, "UPDATE sessions SET moves = moves + 1 WHERE seq = ?1", Reads::sessions).bind(*seq).run();
  return {};
}

Result<void> Transaction::close_session(const sessions::SessionId& id, const SessionEnd& end, const SessionFigures& figures) {
  const int changed =
      Query(store_,
            "UPDATE sessions SET ended = ?2, ended_not_before = ?3, ended_not_after = ?4, reason = ?5, end_inferred = ?6, "
            "closed_leaf = ?7, rx = ?8, tx = ?9, uncertain_rx = ?10, uncertain_tx = ?11, handshakes = ?12, moves = ?13, "
            "figures_as_of = ?14, figures_from_checkpoint = ?15 WHERE id = ?1 AND ended IS NULL",
            Reads::sessions)
          .bind(id, end.at, end.bounds.not_before, end.bounds.not_after, static_cast<std::int32_t>(end.reason), end.inferred,
                end.evidence, figures.traffic.rx, figures.traffic.tx, figures.uncertain.rx, figures.uncertain.tx,
                figures.handshakes, figures.moves, figures.as_of, figures.from_checkpoint)
          .run();
  if (changed == 1) return {};
  if (sequence_of(store_, id)) return Error{Errc::conflict, "the session is closed already"};
  return no_such_session();
}

Result<void> Transaction::checkpoint_session(const sessions::SessionId& id, const SessionFigures& figures) {
  const int changed =
      Query(store_,
            "UPDATE sessions SET rx = ?2, tx = ?3, uncertain_rx = ?4, uncertain_tx = ?5, handshakes = ?6, moves = ?7, "
            "figures_as_of = ?8, figures_from_checkpoint = ?9 WHERE id = ?1 AND ended IS NULL",
            Reads::sessions)
          .bind(id, figures.traffic.rx, figures.traffic.tx, figures.uncertain.rx, figures.uncertain.tx, figures.handshakes,
                figures.moves, figures.as_of, figures.from_checkpoint)
          .run();
  if (changed == 1) return {};
  return no_such_session();
}

std::optional<SessionRecord> Transaction::find_session(const sessions::SessionId& id) {
  static const std::string kSql = kSelectSession + "WHERE s.id = ?1";
  Query query(store_, kSql.c_str(), Reads::sessions);
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return read_session(store_, query);
}

std::vector<SessionRecord> Transaction::open_sessions(const std::string& interface) {
  static const std::string kSql = kSelectSession + "WHERE s.interface = ?1 AND s.ended IS NULL ORDER BY s.seq";
  std::vector<SessionRecord> out;
  Query query(store_, kSql.c_str());
  query.bind(interface);
  while (query.step()) out.push_back(read_session(store_, query));
  return out;
}

Result<SessionPage> Transaction::sessions(const SessionFilter& filter, const std::string& cursor, std::size_t limit) {
  const auto after = parse_cursor(cursor);
  if (!after) return after.error();
  if (limit == 0 || limit > kPageLimit) return Error{Errc::invalid_argument, "a page has 1 to 1000 entries", "limit"};

  std::vector<Claim> claims;
  std::string holders;
  if (filter.inner) {
    claims = claims_of(store_, *filter.inner);
    holders = json_list_of_peers(claims);
  }
  std::optional<AddressKey> outer;
  if (filter.outer) outer.emplace(*filter.outer);

  SQLite::Statement statement(store_.database(), page_sql(filter));
  Query query(statement);
  query.bind(after->started, after->seq, filter.peer_id, filter.owner_id, filter.from, filter.to, filter.at);
  outer ? query.bind(std::span<const std::uint8_t>(*outer)) : query.bind(nullptr);
  // What the peer held when is decided below, so the database cannot count for us then.
  query.bind(holders, filter.inner ? std::int64_t{-1} : static_cast<std::int64_t>(limit) + 1);

  SessionPage page;
  Cursor last;
  while (query.step()) {
    auto session = read_session(store_, query);
    const bool held = claims.empty() ? !filter.inner.has_value()
                                     : std::any_of(claims.begin(), claims.end(),
                                                   [&session](const Claim& claim) { return overlaps(claim, session); });
    if (!held) continue;
    if (page.sessions.size() == limit) {
      page.next = std::to_string(last.started) + "." + std::to_string(last.seq);
      break;
    }
    last = {session.started.ns, query.integer(0)};
    page.sessions.push_back(std::move(session));
  }
  return page;
}

SessionCounts Transaction::session_counts(WallTime since) {
  SessionCounts counts;
  {
    Query open(store_, "SELECT count(*) FROM sessions INDEXED BY sessions_open WHERE ended IS NULL");
    if (open.step()) counts.open = open.counter(0);
  }
  Query started(store_, "SELECT count(*) FROM sessions WHERE started >= ?1");
  started.bind(since);
  if (started.step()) counts.since = started.counter(0);
  return counts;
}

std::optional<WallTime> Transaction::last_session_at(const std::string& peer_id) {
  const auto late = store_.late().newest_of(store_, peer_id);
  Query query(store_, "SELECT max(started) FROM session_peers WHERE peer_id = ?1");
  query.bind(peer_id);
  if (!query.step() || query.null(0)) return late;
  return late ? std::max(*late, query.time(0)) : query.time(0);
}

void Transaction::put_baseline(const std::string& interface, const sessions::Baseline& b) {
  const std::string endpoint = b.endpoint ? b.endpoint->to_string() : "";
  Query query(
      store_,
      "INSERT OR REPLACE INTO baselines(interface, public_key, incarnation, handshake_sec, handshake_nsec, rx, tx, endpoint, "
      "sampled_boot, sampled_wall, session, started, base_rx, base_tx, last_handshake_boot, last_moved_boot, last_moved_wall, "
      "handshakes, moves) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
      Reads::others);
  query.bind(interface, b.peer.bytes(), b.incarnation, b.handshake.sec, b.handshake.nsec, b.counters.rx, b.counters.tx, endpoint,
             b.sampled.boot.ns, b.sampled.wall);
  if (b.open) {
    query.bind(b.open->session, b.open->start, b.open->base.rx, b.open->base.tx, b.open->last_handshake.ns, b.open->last_moved.ns,
               b.open->last_moved_wall, b.open->handshakes, b.open->moves);
  } else {
    query.bind(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  }
  query.run();
}

void Transaction::delete_baseline(const std::string& interface, const wg::PublicKey& peer) {
  Query(store_, "DELETE FROM baselines WHERE interface = ?1 AND public_key = ?2", Reads::others)
      .bind(interface, peer.bytes())
      .run();
}

std::vector<sessions::Baseline> Transaction::baselines(const std::string& interface) {
  std::vector<sessions::Baseline> out;
  Query row(
      store_,
      "SELECT public_key, incarnation, handshake_sec, handshake_nsec, rx, tx, endpoint, sampled_boot, sampled_wall, session, "
      "started, base_rx, base_tx, last_handshake_boot, last_moved_boot, last_moved_wall, handshakes, moves FROM baselines "
      "WHERE interface = ?1");
  row.bind(interface);
  while (row.step()) {
    sessions::Baseline b;
    b.peer = wg::PublicKey(as_bytes(row.bytes(0, 32)).first<32>());
    b.incarnation = static_cast<std::uint32_t>(row.integer(1));
    b.handshake = {row.integer(2), row.integer(3)};
    b.counters = {row.counter(4), row.counter(5)};
    if (auto endpoint = Endpoint::parse(row.text(6))) b.endpoint = *endpoint;
    b.sampled = {BootTime{row.integer(7)}, row.time(8)};
    if (!row.null(9)) {
      auto& open = b.open.emplace();
      const std::string id = row.bytes(9, open.session.size());
      std::copy(id.begin(), id.end(), open.session.begin());
      open.start = row.time(10);
      open.base = {row.counter(11), row.counter(12)};
      open.last_handshake = BootTime{row.integer(13)};
      open.last_moved = BootTime{row.integer(14)};
      open.last_moved_wall = row.time(15);
      open.handshakes = static_cast<std::uint32_t>(row.integer(16));
      open.moves = static_cast<std::uint32_t>(row.integer(17));
    }
    out.push_back(b);
  }
  return out;
}

}  // namespace sanad::ledger
