#include "control/ledger/claims.hpp"

namespace sanad::ledger {
namespace {

std::vector<std::string> interfaces(Store& store) {
  std::vector<std::string> out;
  std::string after;
  for (;;) {
    // One step down the index for each interface, however many claims it has.
    Query query(
        store,
        "SELECT min(interface) FROM (SELECT (SELECT min(interface) FROM claims WHERE interface > ?1) AS interface UNION ALL "
        "SELECT (SELECT min(interface) FROM released_claims WHERE interface > ?1))");
    query.bind(after);
    if (!query.step() || query.null(0)) return out;
    after = query.text(0);
    out.push_back(after);
  }
}

std::uint8_t length_of(const IpAddress& lo, const IpAddress& hi) {
  for (std::uint8_t length = lo.max_prefix(); length > 0; --length) {
    if (IpPrefix(lo, length).last() == hi) return length;
  }
  return 0;
}

}  // namespace

std::optional<Claim> live_claim(Store& store, const std::string& interface, const IpPrefix& prefix) {
  Query query(store, "SELECT lo, hi, peer_id, claimed FROM claims WHERE interface = ?1 AND lo <= ?2 ORDER BY lo DESC LIMIT 1");
  const AddressKey last(prefix.last());
  query.bind(interface, std::span<const std::uint8_t>(last));
  if (!query.step()) return std::nullopt;
  const IpAddress lo = query.address(0);
  const IpAddress hi = query.address(1);
  // Addresses sort by family first, so a claim of the other family ends before this prefix begins.
  if (hi < prefix.address()) return std::nullopt;
  return Claim{interface, query.text(2), IpPrefix(lo, length_of(lo, hi)), query.time(3), std::nullopt};
}

void claim(Store& store, const std::string& interface, const std::string& peer_id, const IpPrefix& prefix, WallTime when) {
  const AddressKey lo(prefix.address());
  const AddressKey hi(prefix.last());
  Query(store, "INSERT INTO claims(interface, lo, hi, peer_id, claimed) VALUES(?1, ?2, ?3, ?4, ?5)")
      .bind(interface, std::span<const std::uint8_t>(lo), std::span<const std::uint8_t>(hi), peer_id, when)
      .run();
  for (auto& [key, cursor] : store.pools()) {
    // Not past the pool's end: the first address beyond may wrap around to the start of the family.
    if (key.first == interface && prefix.contains(cursor.next) && prefix.last() < key.second.last())
      cursor.next = prefix.last().plus(1);
  }
}

void release(Store& store, const std::string& interface, const IpPrefix& prefix, WallTime when) {
  const AddressKey lo(prefix.address());
  Query(store,
        "INSERT OR REPLACE INTO released_claims(interface, lo, hi, peer_id, claimed, released) "
        "SELECT interface, lo, hi, peer_id, claimed, ?3 FROM claims WHERE interface = ?1 AND lo = ?2")
      .bind(interface, std::span<const std::uint8_t>(lo), when)
      .run();
  Query(store, "DELETE FROM claims WHERE interface = ?1 AND lo = ?2").bind(interface, std::span<const std::uint8_t>(lo)).run();

  for (auto& [key, cursor] : store.pools()) {
    if (key.first != interface || !key.second.overlaps(prefix)) continue;
    if (cursor.quarantine.count() > 0) {
      cursor.resting.add(prefix.address(), prefix.last());
      const WallTime free_at = when + cursor.quarantine;
      if (!cursor.stale_at || free_at < *cursor.stale_at) cursor.stale_at = free_at;
    } else {
      cursor.stale_at = when;
    }
  }
}

std::vector<Claim> claims_of(Store& store, const IpAddress& address) {
  std::vector<Claim> out;
  for (const auto& interface : interfaces(store)) {
    if (auto live = live_claim(store, interface, IpPrefix::host(address))) out.push_back(*std::move(live));
    // Released claims may overlap one another; each prefix length can hold the address in one place only.
    for (int length = address.max_prefix(); length >= 0; --length) {
      const IpPrefix prefix(address, static_cast<std::uint8_t>(length));
      const AddressKey lo(prefix.address());
      const AddressKey hi(prefix.last());
      Query query(store,
                  "SELECT peer_id, claimed, released FROM released_claims WHERE interface = ?1 AND lo = ?2 AND hi = ?3 "
                  "ORDER BY released");
      query.bind(interface, std::span<const std::uint8_t>(lo), std::span<const std::uint8_t>(hi));
      while (query.step()) out.push_back({interface, query.text(0), prefix, query.time(1), query.time(2)});
    }
  }
  return out;
}

}  // namespace sanad::ledger
