#include <algorithm>

#include "control/ledger/claims.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {
namespace {

PoolCursor fresh_cursor(Store& store, const PoolRequest& request, WallTime now) {
  PoolCursor cursor;
  const IpAddress first = request.pool.address();
  // A pool of two (RFC 3021) or one has neither network address nor anycast to spare.
  const bool skip_first = request.pool.length() + 1 < first.max_prefix();
  cursor.next = skip_first ? first.plus(1) : first;
  cursor.quarantine = request.quarantine;
  if (request.quarantine.count() <= 0) return cursor;
  Query query(store, "SELECT lo, hi, released FROM released_claims WHERE interface = ?1 AND released > ?2");
  query.bind(request.interface, now - request.quarantine);
  while (query.step()) {
    const IpAddress lo = query.address(0);
    const IpAddress hi = query.address(1);
    if (hi < first || request.pool.last() < lo) continue;
    cursor.resting.add(lo, hi);
    const WallTime free_at = query.time(2) + request.quarantine;
    if (!cursor.stale_at || free_at < *cursor.stale_at) cursor.stale_at = free_at;
  }
  return cursor;
}

PoolCursor& cursor_for(Store& store, const PoolRequest& request, WallTime now) {
  auto& pools = store.pools();
  const Store::PoolKey key{request.interface, request.pool};
  auto at = pools.find(key);
  const bool usable =
      at != pools.end() && at->second.quarantine == request.quarantine && (!at->second.stale_at || now < *at->second.stale_at);
  if (usable) return at->second;
  return pools.insert_or_assign(key, fresh_cursor(store, request, now)).first->second;
}

// The first address from `candidate` on that no claim covers; may lie past the pool's end.
IpAddress after_claims(Store& store, const std::string& interface, IpAddress candidate, const IpAddress& last) {
  if (const auto held = live_claim(store, interface, IpPrefix::host(candidate))) {
    if (held->prefix.last() >= last) return last.plus(1);
    candidate = held->prefix.last().plus(1);
    Query query(store, "SELECT lo, hi FROM claims WHERE interface = ?1 AND lo >= ?2 ORDER BY lo");
    const AddressKey from(candidate);
    query.bind(interface, std::span<const std::uint8_t>(from));
    while (query.step() && query.address(0) == candidate) {
      const IpAddress hi = query.address(1);
      candidate = hi.plus(1);
      if (hi >= last) break;
    }
  }
  return candidate;
}

}  // namespace

std::optional<PeerRecord> Transaction::overlapping(const std::string& interface, const IpPrefix& prefix) {
  const auto held = live_claim(store_, interface, prefix);
  if (!held) return std::nullopt;
  return find_peer(held->peer_id);
}

bool Transaction::in_quarantine(const std::string& interface, const IpPrefix& prefix, std::chrono::nanoseconds quarantine) {
  const WallTime since = now_.wall - quarantine;
  const AddressKey lo(prefix.address());
  const AddressKey hi(prefix.last());
  {
    Query inside(store_, "SELECT 1 FROM released_claims WHERE interface = ?1 AND lo BETWEEN ?2 AND ?3 AND released > ?4 LIMIT 1");
    inside.bind(interface, std::span<const std::uint8_t>(lo), std::span<const std::uint8_t>(hi), since);
    if (inside.step()) return true;
  }
  for (int length = prefix.length(); length >= 0; --length) {
    const IpPrefix around(prefix.address(), static_cast<std::uint8_t>(length));
    const AddressKey around_lo(around.address());
    const AddressKey around_hi(around.last());
    Query query(store_, "SELECT 1 FROM released_claims WHERE interface = ?1 AND lo = ?2 AND hi = ?3 AND released > ?4 LIMIT 1");
    query.bind(interface, std::span<const std::uint8_t>(around_lo), std::span<const std::uint8_t>(around_hi), since);
    if (query.step()) return true;
  }
  return false;
}

Result<IpAddress> Transaction::allocate(const PoolRequest& request) {
  PoolCursor& cursor = cursor_for(store_, request, now_.wall);
  const IpPrefix& pool = request.pool;
  const IpAddress last = pool.last();
  const bool skip_last = last.is_v4() && pool.length() < 31;
  IpAddress candidate = cursor.next;
  for (;;) {
    // Stepping past the end of the address family wraps around to below where we were.
    if (!pool.contains(candidate) || candidate < cursor.next || (skip_last && candidate == last)) {
      return Error{Errc::exhausted, "no free address is left in " + pool.to_string(), "allowed_ips",
                   "give the interface a larger pool, or wait until released addresses leave quarantine"};
    }
    const IpAddress unclaimed = after_claims(store_, request.interface, candidate, last);
    if (unclaimed != candidate) {
      candidate = unclaimed;
    } else if (const auto resting = cursor.resting.covering(candidate)) {
      candidate = resting->plus(1);
    } else if (std::find(request.reserved.begin(), request.reserved.end(), candidate) != request.reserved.end()) {
      candidate = candidate.plus(1);
    } else {
      cursor.next = candidate;
      return candidate;
    }
  }
}

std::optional<Holding> Transaction::who_held(const IpAddress& inner, WallTime when) {
  for (const auto& held : claims_of(store_, inner)) {
    if (held.from > when || (held.until && *held.until <= when)) continue;
    auto peer = find_peer(held.peer_id);
    if (!peer) continue;
    SessionFilter filter;
    filter.peer_id = held.peer_id;
    filter.at = when;
    Holding holding{*std::move(peer), held.prefix, held.from, held.until, std::nullopt};
    if (auto page = sessions(filter, {}, 1); page && !page->sessions.empty()) holding.session = std::move(page->sessions.front());
    return holding;
  }
  return std::nullopt;
}

}  // namespace sanad::ledger
