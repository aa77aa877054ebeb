#include <algorithm>
#include <charconv>

#include "control/ledger/claims.hpp"
#include "control/ledger/opaque_id.hpp"
#include "control/ledger/peer_rows.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/text_lists.hpp"
#include "control/ledger/transaction.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::ledger {
namespace {

constexpr std::size_t kPageLimit = 1000;

std::string field_of(std::size_t i) { return "allowed_ips[" + std::to_string(i) + "]"; }

Error no_such_peer() { return {Errc::not_found, "there is no such peer"}; }

Result<void> check_prefixes(Store& store, const PeerRecord& peer) {
  std::vector<std::pair<IpPrefix, std::size_t>> sorted;
  for (std::size_t i = 0; i < peer.allowed_ips.size(); ++i) sorted.emplace_back(peer.allowed_ips[i], i);
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1].first.overlaps(sorted[i].first)) {
      return Error{Errc::conflict,
                   sorted[i].first.to_string() + " overlaps with " + sorted[i - 1].first.to_string() + " of the same peer",
                   field_of(sorted[i].second), "list each address once"};
    }
  }
  for (std::size_t i = 0; i < peer.allowed_ips.size(); ++i) {
    // A claim of the peer itself may hide another's: a wider prefix covers several claims. The peer's own are released first.
    const auto held = live_claim(store, peer.interface, peer.allowed_ips[i]);
    if (held && held->peer_id != peer.id) {
      return Error{Errc::conflict,
                   peer.allowed_ips[i].to_string() + " overlaps with " + held->prefix.to_string() + " of peer " + held->peer_id,
                   field_of(i), "choose a free address, or leave allowed_ips out to be given one"};
    }
  }
  return {};
}

Result<void> check_unique(Store& store, const PeerRecord& peer) {
  {
    Query query(store, "SELECT id FROM peers WHERE public_key = ?1 AND (revoked IS NULL OR on_device = 1)");
    query.bind(peer.public_key.bytes());
    if (query.step() && query.text(0) != peer.id) {
      return Error{Errc::conflict, "the public key belongs to peer " + query.text(0), "public_key",
                   "every device needs a key pair of its own"};
    }
  }
  Query query(store, "SELECT id FROM peers WHERE owner_id = ?1 AND device = ?2 AND revoked IS NULL");
  query.bind(peer.owner.id, peer.device);
  if (query.step() && query.text(0) != peer.id) {
    return Error{Errc::conflict, "the owner has a device of this name: peer " + query.text(0), "device",
                 "name the device differently"};
  }
  return {};
}

std::optional<PeerRecord> one_peer(Query& query) {
  if (!query.step()) return std::nullopt;
  return read_peer(query);
}

std::vector<PeerRecord> all_peers(Query& query) {
  std::vector<PeerRecord> out;
  while (query.step()) out.push_back(read_peer(query));
  return out;
}

Result<std::uint64_t> parse_cursor(const std::string& text) {
  std::uint64_t value = 0;
  if (text.empty()) return value;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || value > INT64_MAX) {
    return Error{Errc::invalid_argument, "not a cursor this program gave out", "cursor", "start again without a cursor"};
  }
  return value;
}

// What LIKE would take for a pattern is taken literally.
std::string like_prefix(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out += '\\';
    out += c;
  }
  return out + "%";
}

std::string_view condition_of(PeerState state) {
  switch (state) {
    case PeerState::revoked:
      return " AND p.revoked IS NOT NULL";
    case PeerState::disabled:
      return " AND p.revoked IS NULL AND p.enabled = 0";
    case PeerState::expired:
      return " AND p.revoked IS NULL AND p.enabled = 1 AND p.expires_at <= ?2";
    case PeerState::pending:
      return " AND p.revoked IS NULL AND p.enabled = 1 AND p.not_before > ?2 AND (p.expires_at IS NULL OR p.expires_at > ?2)";
    case PeerState::active:
    case PeerState::suspended:
      return " AND p.revoked IS NULL AND p.enabled = 1 AND (p.not_before IS NULL OR p.not_before <= ?2) "
             "AND (p.expires_at IS NULL OR p.expires_at > ?2)";
  }
  return "";
}

const Store::LiveByInterface& live_peers(Store& store) {
  auto& live = store.live_peers();
  if (!live) {
    live.emplace();
    Query all(store, "SELECT interface, count(*), sum(enabled) FROM peers WHERE revoked IS NULL GROUP BY interface");
    while (all.step()) (*live)[all.text(0)] = {all.counter(1), all.counter(2)};
  }
  return *live;
}

}  // namespace

Result<PeerRecord> Transaction::insert_peer(PeerRecord peer) {
  auto owner = find_owner(peer.owner.id);
  if (!owner) return Error{Errc::not_found, "there is no such owner", "owner.id"};
  peer.owner = *std::move(owner);
  if (auto ok = check_prefixes(store_, peer); !ok) {
    if (auto unique = check_unique(store_, peer); !unique) return std::move(unique).error();
    return std::move(ok).error();
  }

  if (peer.id.empty()) peer.id = store_.ids().make("p-", now_.wall, store_.random());
  peer.created = peer.updated = now_.wall;
  peer.version = 1;
  peer.revoked.reset();
  const std::string prefixes = join_prefixes(peer.allowed_ips);
  const std::string groups = join_texts(peer.groups);
  Query query(store_,
              "INSERT INTO peers(id, interface, owner_id, device, public_key, preshared_key, allowed_ips, keepalive_s, enabled, "
              "not_before, expires_at, peer_groups, note, created, updated, version, on_device) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING");
  query.bind(peer.id, peer.interface, peer.owner.id, peer.device, peer.public_key.bytes());
  peer.preshared_key.is_zero() ? query.bind(nullptr) : query.bind(peer.preshared_key.reveal());
  query.bind(prefixes, peer.keepalive_s, peer.enabled, peer.not_before, peer.expires_at, groups, peer.note, peer.created,
             peer.updated, peer.version, peer.on_device);
  // The indexes judge while they are written; who is in the way is asked only when somebody is.
  if (query.run() == 0) {
    if (auto ok = check_unique(store_, peer); !ok) return std::move(ok).error();
    return Error{Errc::conflict, "a peer with the id " + peer.id + " exists"};
  }
  for (const auto& prefix : peer.allowed_ips) claim(store_, peer.interface, peer.id, prefix, now_.wall);
  if (auto& counted = store_.live_peers()) {
    auto& live = (*counted)[peer.interface];
    ++live.total;
    if (peer.enabled) ++live.enabled;
  }
  return peer;
}

Result<PeerRecord> Transaction::update_peer(PeerRecord peer) {
  const auto before = find_peer(peer.id);
  if (!before) return no_such_peer();
  if (before->revoked) return Error{Errc::conflict, "the peer is revoked", {}, "add it anew"};
  peer.owner = before->owner;
  peer.interface = before->interface;
  if (auto ok = check_unique(store_, peer); !ok) return std::move(ok).error();

  std::vector<IpPrefix> kept;
  for (const auto& prefix : before->allowed_ips) {
    if (std::find(peer.allowed_ips.begin(), peer.allowed_ips.end(), prefix) != peer.allowed_ips.end()) kept.push_back(prefix);
  }
  auto moved = atomically([this, &peer, &before, &kept]() -> Result<void> {
    const auto is_kept = [&kept](const IpPrefix& prefix) { return std::find(kept.begin(), kept.end(), prefix) != kept.end(); };
    for (const auto& prefix : before->allowed_ips) {
      if (!is_kept(prefix)) release(store_, peer.interface, prefix, now_.wall);
    }
    if (auto ok = check_prefixes(store_, peer); !ok) return ok;
    for (const auto& prefix : peer.allowed_ips) {
      if (!is_kept(prefix)) claim(store_, peer.interface, peer.id, prefix, now_.wall);
    }
    return {};
  });
  if (!moved) return std::move(moved).error();

  peer.created = before->created;
  peer.updated = now_.wall;
  peer.version = before->version + 1;
  peer.revoked = before->revoked;
  peer.on_device = before->on_device;
  const std::string prefixes = join_prefixes(peer.allowed_ips);
  const std::string groups = join_texts(peer.groups);
  Query query(
      store_,
      "UPDATE peers SET device = ?2, public_key = ?3, preshared_key = ?4, allowed_ips = ?5, keepalive_s = ?6, enabled = ?7, "
      "not_before = ?8, expires_at = ?9, peer_groups = ?10, note = ?11, updated = ?12, version = ?13 WHERE id = ?1");
  query.bind(peer.id, peer.device, peer.public_key.bytes());
  peer.preshared_key.is_zero() ? query.bind(nullptr) : query.bind(peer.preshared_key.reveal());
  query.bind(prefixes, peer.keepalive_s, peer.enabled, peer.not_before, peer.expires_at, groups, peer.note, peer.updated,
             peer.version);
  query.run();
  if (auto& counted = store_.live_peers(); counted && !peer.revoked && peer.enabled != before->enabled) {
    auto& enabled = (*counted)[peer.interface].enabled;
    peer.enabled ? ++enabled : --enabled;
  }
  return peer;
}

Result<PeerRecord> Transaction::revoke_peer(const std::string& id) {
  auto peer = find_peer(id);
  if (!peer) return no_such_peer();
  if (peer->revoked) return Error{Errc::conflict, "the peer is revoked already"};
  for (const auto& prefix : peer->allowed_ips) release(store_, peer->interface, prefix, now_.wall);
  peer->revoked = peer->updated = now_.wall;
  ++peer->version;
  Query(store_, "UPDATE peers SET revoked = ?2, updated = ?2, version = ?3 WHERE id = ?1")
      .bind(id, now_.wall, peer->version)
      .run();
  if (auto& counted = store_.live_peers()) {
    auto& live = (*counted)[peer->interface];
    --live.total;
    if (peer->enabled) --live.enabled;
  }
  return *std::move(peer);
}

Result<void> Transaction::mark_on_device(const std::string& id, bool on_device) {
  if (Query(store_, "UPDATE peers SET on_device = ?2 WHERE id = ?1").bind(id, on_device).run() == 0) return no_such_peer();
  return {};
}

std::optional<PeerRecord> Transaction::find_peer(const std::string& id) {
  static const std::string kSql = kSelectPeer + "WHERE p.id = ?1";
  Query query(store_, kSql.c_str(), Reads::others);
  query.bind(id);
  return one_peer(query);
}

std::optional<PeerRecord> Transaction::find_peer_by_name(const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) return std::nullopt;
  static const std::string kSql = kSelectPeer + "WHERE o.handle = ?1 AND p.device = ?2 AND p.revoked IS NULL";
  const std::string handle = name.substr(0, slash);
  const std::string device = name.substr(slash + 1);
  Query query(store_, kSql.c_str(), Reads::others);
  query.bind(handle, device);
  return one_peer(query);
}

std::optional<PeerRecord> Transaction::find_peer_by_key(const wg::PublicKey& key) {
  static const std::string kSql = kSelectPeer + "WHERE p.public_key = ?1 AND (p.revoked IS NULL OR p.on_device = 1)";
  Query query(store_, kSql.c_str(), Reads::others);
  query.bind(key.bytes());
  return one_peer(query);
}

Result<PeerPage> Transaction::peers(const PeerFilter& filter, const std::string& cursor, std::size_t limit) {
  const auto after = parse_cursor(cursor);
  if (!after) return after.error();
  if (limit == 0 || limit > kPageLimit) return Error{Errc::invalid_argument, "a page has 1 to 1000 entries", "limit"};

  // Fixed fragments only; every value is bound.
  std::string sql = kSelectPeer + "WHERE p.seq > ?1";
  if (filter.state) {
    sql += condition_of(*filter.state);
  } else {
    sql += " AND p.revoked IS NULL";
  }
  if (!filter.owner_id.empty()) sql += " AND p.owner_id = ?3";
  if (!filter.interface.empty()) sql += " AND p.interface = ?4";
  if (!filter.match.empty()) {
    sql +=
        " AND (p.id = ?5 OR o.handle || '/' || p.device LIKE ?6 ESCAPE '\\' OR o.name LIKE ?6 ESCAPE '\\' OR o.email LIKE ?6 "
        "ESCAPE '\\' OR base64_key(p.public_key) LIKE ?6 ESCAPE '\\')";
  }
  sql += " ORDER BY p.seq LIMIT ?7";

  SQLite::Statement statement(store_.database(), sql);
  Query query(statement);
  const std::string pattern = like_prefix(filter.match);
  query.bind(*after, filter.now, filter.owner_id, filter.interface, filter.match, pattern, std::uint64_t{limit} + 1);
  PeerPage page;
  std::int64_t last = 0;
  while (query.step()) {
    if (page.peers.size() == limit) {
      page.next = std::to_string(last);
      break;
    }
    last = query.integer(0);
    page.peers.push_back(read_peer(query));
  }
  return page;
}

std::vector<PeerRecord> Transaction::peers_of_device(const std::string& interface) {
  std::vector<PeerRecord> all;
  each_peer_of_device(interface, [&all](const PeerRecord& peer) { all.push_back(peer); });
  return all;
}

void Transaction::each_peer_of_device(const std::string& interface, const std::function<void(const PeerRecord&)>& look) {
  static const std::string kSql =
      kSelectPeer + "WHERE p.interface = ?1 AND (p.revoked IS NULL OR p.on_device = 1) ORDER BY p.seq";
  Query query(store_, kSql.c_str());
  query.bind(interface);
  while (query.step()) look(read_peer(query));
}

PeerCounts Transaction::peer_counts(WallTime now) {
  PeerCounts counts;
  for (const auto& [interface, live] : live_peers(store_)) {
    counts.total += live.total;
    counts.enabled += live.enabled;
  }
  Query expiring(
      store_,
      "SELECT count(*) FROM peers WHERE expires_at IS NOT NULL AND revoked IS NULL AND enabled = 1 AND expires_at > ?1 "
      "AND expires_at <= ?2");
  expiring.bind(now, now + kExpiryWarning);
  expiring.step();
  counts.expiring = expiring.counter(0);
  return counts;
}

std::uint64_t Transaction::peers_on(const std::string& interface) {
  const auto& live = live_peers(store_);
  const auto found = live.find(interface);
  return found == live.end() ? 0 : found->second.total;
}

std::vector<ExpiringPeer> Transaction::peers_expiring(const ExpiryMark& mark, WallTime until, std::size_t limit) {
  std::vector<ExpiringPeer> out;
  Query query(store_,
              "SELECT id, expires_at, seq FROM peers WHERE expires_at IS NOT NULL AND revoked IS NULL AND enabled = 1 AND "
              "(expires_at, seq) > (?1, ?2) AND expires_at <= ?3 ORDER BY expires_at, seq LIMIT ?4");
  query.bind(mark.expires_at, mark.seq, until, std::uint64_t{limit});
  while (query.step()) out.push_back({query.text(0), {query.time(1), query.integer(2)}});
  return out;
}

DuePeers Transaction::due_peers(WallTime now) {
  DuePeers due;
  {
    static const std::string kSql =
        kSelectPeer +
        "WHERE p.expires_at IS NOT NULL AND p.revoked IS NULL AND p.expires_at <= ?1 AND p.enabled = 1 AND p.on_device = 1";
    Query query(store_, kSql.c_str());
    query.bind(now);
    due.expired = all_peers(query);
  }
  {
    static const std::string kSql =
        kSelectPeer +
        "WHERE p.not_before IS NOT NULL AND p.revoked IS NULL AND p.not_before <= ?1 AND p.enabled = 1 "
        "AND p.on_device = 0 AND (p.expires_at IS NULL OR p.expires_at > ?1)";
    Query query(store_, kSql.c_str());
    query.bind(now);
    due.begun = all_peers(query);
  }
  Query query(
      store_,
      "SELECT min(t) FROM (SELECT (SELECT min(expires_at) FROM peers WHERE expires_at IS NOT NULL AND revoked IS NULL AND "
      "expires_at > ?1) AS t UNION ALL SELECT (SELECT min(not_before) FROM peers WHERE not_before IS NOT NULL AND revoked IS "
      "NULL AND not_before > ?1))");
  query.bind(now);
  if (query.step()) due.next = query.optional_time(0);
  return due;
}

}  // namespace sanad::ledger
