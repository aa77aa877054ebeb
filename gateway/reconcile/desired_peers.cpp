#include "gateway/reconcile/desired_peers.hpp"

#include <algorithm>

namespace sanad::reconcile {
namespace {

// At most one prefix of each family, the IPv4 one first.
bool is_usual(const wg::AllowedIps& list) {
  if (list.size() > 2) return false;
  return list.size() < 2 || (list[0].address().is_v4() && !list[1].address().is_v4());
}

}  // namespace

std::optional<DesiredPeer> DesiredPeers::get(const wg::PublicKey& key) const {
  const Slot slot = table_.find(key);
  if (slot == kNone) return std::nullopt;
  return get(slot);
}

DesiredPeer DesiredPeers::get(Slot slot) const {
  const Packed& packed = table_.at(slot);
  return {table_.key(slot), packed.preshared_key, packed.keepalive_s, allowed_ips(slot)};
}

wg::AllowedIps DesiredPeers::allowed_ips(Slot slot) const {
  const Packed& packed = table_.at(slot);
  if (packed.has_list) return lists_.at(table_.key(slot));
  wg::AllowedIps list;
  if (packed.has_v4) list.push_back(IpPrefix{IpAddress::v4(packed.v4), packed.v4_length});
  if (packed.has_v6) list.push_back(IpPrefix{IpAddress::v6(packed.v6), packed.v6_length});
  return list;
}

void DesiredPeers::put(const DesiredPeer& peer, bool fresh) {
  Packed packed;
  packed.preshared_key = peer.preshared_key;
  packed.keepalive_s = peer.keepalive_s;
  packed.fresh = fresh;
  if (is_usual(peer.allowed_ips)) {
    for (const IpPrefix& prefix : peer.allowed_ips) {
      if (prefix.address().is_v4()) {
        packed.has_v4 = true;
        packed.v4_length = prefix.length();
        std::ranges::copy(prefix.address().bytes(), packed.v4.begin());
      } else {
        packed.has_v6 = true;
        packed.v6_length = prefix.length();
        std::ranges::copy(prefix.address().bytes(), packed.v6.begin());
      }
    }
    lists_.erase(peer.public_key);
  } else {
    packed.has_list = true;
    lists_.insert_or_assign(peer.public_key, peer.allowed_ips);
  }
  any_fresh_ = any_fresh_ || fresh;
  table_.at(table_.insert(peer.public_key).first) = packed;
}

bool DesiredPeers::erase(const wg::PublicKey& key) {
  lists_.erase(key);
  return table_.erase(key);
}

void DesiredPeers::freshen() {
  for (Slot slot = 0; slot < table_.size(); ++slot) table_.at(slot).fresh = true;
  any_fresh_ = !table_.empty();
}

}  // namespace sanad::reconcile
