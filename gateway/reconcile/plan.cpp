#include "gateway/reconcile/plan.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_set>

#include <fmt/format.h>

#include "gateway/base/sha256.hpp"

namespace sanad::reconcile {
namespace {

struct PrefixHash {
  std::size_t operator()(const IpPrefix& prefix) const noexcept {
    std::size_t h = 14695981039346656037ULL;  // FNV-1a
    for (const std::uint8_t b : prefix.address().bytes()) h = (h ^ b) * 1099511628211ULL;
    return (h ^ prefix.length()) * 1099511628211ULL;
  }
};

// Somebody may have given a peer more than a record has room for (65,280 are tried); what they are is theirs to know.
constexpr std::size_t kSpelledPrefixes = 32;

std::string spell(const wg::AllowedIps& list) {
  std::vector<IpPrefix> prefixes = list.to_vector();
  if (prefixes.empty()) return "none";
  const std::size_t spelled = std::min(prefixes.size(), kSpelledPrefixes);
  std::ranges::partial_sort(prefixes, prefixes.begin() + static_cast<std::ptrdiff_t>(spelled));
  std::string text;
  for (std::size_t i = 0; i < spelled; ++i) {
    if (!text.empty()) text += ", ";
    text += prefixes[i].to_string();
  }
  if (prefixes.size() > spelled) text += fmt::format(" and {} more", prefixes.size() - spelled);
  return text;
}

// Most peers have one or two allowed IPs, in the order they were given.
bool same_set(const wg::AllowedIps& a, const wg::AllowedIps& b) {
  if (a.size() != b.size()) return false;
  if (a == b) return true;
  std::vector<IpPrefix> x = a.to_vector();
  std::vector<IpPrefix> y = b.to_vector();
  std::ranges::sort(x);
  std::ranges::sort(y);
  return x == y;
}

std::string spell_keepalive(std::uint16_t seconds) { return seconds == 0 ? "off" : fmt::format("{} s", seconds); }
std::string spell_key(bool none) { return none ? "none" : "differs"; }

wg::PeerChange removal_of(const wg::PublicKey& peer) {
  wg::PeerChange change;
  change.public_key = peer;
  change.remove = true;
  return change;
}

// Never creates: the peer may be gone by the time the change arrives.
wg::PeerChange update_of(const wg::PublicKey& peer) {
  wg::PeerChange change;
  change.public_key = peer;
  change.update_only = true;
  return change;
}

// What is to be done, from what a reading found odd.
class Judgement {
 public:
  Judgement(Desired& desired, const wg::Snapshot& header, const std::vector<wg::Peer>& odd,
            const std::unordered_set<wg::PublicKey>& not_met, const Expected& expected)
      : desired_(desired),
        snapshot_(header),
        odd_(odd),
        not_met_(not_met),
        expected_(expected),
        ours_(expected.peers.begin(), expected.peers.end()) {}

  Plan make() {
    compare_device();
    for (const wg::Peer& actual : odd_) compare_peer(actual);
    if (snapshot_.complete) {
      add_missing();
      note_gone();
    }
    assemble();
    return std::move(plan_);
  }

 private:
  void drift(DriftKind kind, const wg::PublicKey& peer, std::string was, std::string should_be) {
    plan_.drift.push_back(Drift{kind, peer, std::move(was), std::move(should_be)});
  }

  void compare_device() {
    const wg::Device& actual = snapshot_.device;
    const bool report = !expected_.device;
    if (actual.public_key != desired_.public_key) {
      plan_.change.private_key = desired_.private_key;
      if (report) drift(DriftKind::private_key, {}, spell_key(actual.public_key.is_zero()), "ours");
    }
    if (desired_.listen_port != 0 && actual.listen_port != desired_.listen_port) {  // 0 lets the backend choose
      plan_.change.listen_port = desired_.listen_port;
      if (report)
        drift(DriftKind::listen_port, {}, fmt::format("{}", actual.listen_port), fmt::format("{}", desired_.listen_port));
    }
    if (actual.fwmark != desired_.fwmark) {
      plan_.change.fwmark = desired_.fwmark;
      if (report) drift(DriftKind::fwmark, {}, fmt::format("{:#x}", actual.fwmark), fmt::format("{:#x}", desired_.fwmark));
    }
  }

  void compare_peer(const wg::Peer& actual) {
    if (actual.public_key == desired_.public_key) return;
    if (const auto it = desired_.leaving.find(actual.public_key); it != desired_.leaving.end()) {
      lead_out(it->second);
    } else if (const auto slot = desired_.peers.find(actual.public_key); slot != DesiredPeers::kNone) {
      put_right(desired_.peers.get(slot), actual, !desired_.peers.fresh(slot) && !ours_.contains(actual.public_key));
    } else {
      removals_.push_back(removal_of(actual.public_key));
      drift(DriftKind::peer_unknown, actual.public_key, spell(actual.allowed_ips), "absent");
    }
  }

  // A quiesced peer whose record may be older than the quiescing waits for the next snapshot: its last bytes are not in this one.
  void lead_out(const LeavingPeer& leaving) {
    if (!leaving.quiesced) {
      plan_.quiesce.push_back(leaving.public_key);
      removals_.push_back(quiesce(leaving.public_key, useless_key(leaving.public_key)));
    } else if (snapshot_.started.boot > *leaving.quiesced) {
      plan_.remove.push_back(leaving.public_key);
      removals_.push_back(removal_of(leaving.public_key));
    }
  }

  void put_right(const DesiredPeer& wanted, const wg::Peer& actual, bool report) {
    wg::PeerChange change = update_of(wanted.public_key);
    bool touched = false;
    if (differ(wanted.allowed_ips, actual.allowed_ips)) {
      change.replace_allowed_ips = true;
      change.add_allowed_ips = wanted.allowed_ips;
      moving_.insert(wanted.allowed_ips.begin(), wanted.allowed_ips.end());
      touched = true;
      if (report) drift(DriftKind::allowed_ips, wanted.public_key, spell(actual.allowed_ips), spell(wanted.allowed_ips));
    }
    // A record without its counters is a fragment: what it lacks reads as zero and means nothing.
    if (actual.has_counters && !(wanted.preshared_key == actual.preshared_key)) {
      change.preshared_key = wanted.preshared_key;
      touched = true;
      if (report) {
        drift(DriftKind::preshared_key, wanted.public_key, spell_key(actual.preshared_key.is_zero()),
              wanted.preshared_key.is_zero() ? "none" : "ours");
      }
    }
    if (actual.has_counters && wanted.keepalive_s != actual.keepalive_s) {
      change.keepalive_s = wanted.keepalive_s;
      touched = true;
      if (report) {
        drift(DriftKind::keepalive, wanted.public_key, spell_keepalive(actual.keepalive_s), spell_keepalive(wanted.keepalive_s));
      }
    }
    if (touched) updates_.push_back(std::move(change));
  }

  // The kernel drops the rest of a peer's list when the list changes while it is being read. So in an incomplete snapshot only
  // an allowed IP that is there and should not be is certain.
  [[nodiscard]] bool differ(const wg::AllowedIps& wanted, const wg::AllowedIps& actual) const {
    if (same_set(wanted, actual)) return false;
    if (snapshot_.complete) return true;
    return std::ranges::any_of(actual, [&wanted](const IpPrefix& p) { return std::ranges::find(wanted, p) == wanted.end(); });
  }

  void add_missing() {
    Addition missing = add_more(desired_, expected_, kMostAdded);
    for (wg::PeerChange& change : missing.change.peers) {
      moving_.insert(change.add_allowed_ips.begin(), change.add_allowed_ips.end());
      updates_.push_back(std::move(change));
    }
    std::ranges::move(missing.drift, std::back_inserter(plan_.drift));
    plan_.more = missing.more;
  }

  void note_gone() {
    for (const auto& key : not_met_)
      if (desired_.leaving.contains(key)) plan_.gone.push_back(key);
  }

  // The pre-shared key of the first phase: nobody but this gateway can compute it, and a plan stays a pure function.
  [[nodiscard]] wg::PresharedKey useless_key(const wg::PublicKey& peer) const {
    static constexpr std::string_view kPurpose = "sanad quiesce v1";
    std::array<std::uint8_t, kPurpose.size() + Secret32::kSize + wg::PublicKey::kSize> input{};
    auto out = std::ranges::copy(kPurpose, input.begin()).out;
    out = std::ranges::copy(desired_.private_key.reveal(), out).out;
    std::ranges::copy(peer.bytes(), out);
    auto digest = sha256(input);
    const wg::PresharedKey key{std::span<const std::uint8_t, 32>{digest}};
    wipe(input);
    wipe(digest);
    return key;
  }

  // Holders lose what they should not have before its owner gets it, whatever order the snapshot lists them in: removals, then
  // changes that only take away, then those that give.
  void assemble() {
    clear_holders();
    auto& peers = plan_.change.peers;
    peers.reserve(removals_.size() + clearings_.size() + updates_.size());
    std::ranges::move(removals_, std::back_inserter(peers));
    std::ranges::move(clearings_, std::back_inserter(peers));
    std::ranges::move(updates_, std::back_inserter(peers));
  }

  // Every present peer that holds an allowed IP about to be given to another keeps what is rightly its own and nothing else.
  // Such a peer is not as desired: who is, holds nothing but its own.
  // One being removed or quiesced in this change holds nothing any more.
  void clear_holders() {
    if (moving_.empty()) return;
    std::unordered_set<wg::PublicKey> emptied;
    for (const wg::PeerChange& r : removals_) emptied.insert(r.public_key);
    for (const wg::Peer& holder : odd_) {
      if (emptied.contains(holder.public_key)) continue;
      const auto slot = desired_.peers.find(holder.public_key);
      const bool stays = slot != DesiredPeers::kNone && !desired_.leaving.contains(holder.public_key);
      const wg::AllowedIps rightful = stays ? desired_.peers.allowed_ips(slot) : wg::AllowedIps{};
      wg::PeerChange clearing = update_of(holder.public_key);
      clearing.replace_allowed_ips = true;
      bool holds_anothers = false;
      for (const IpPrefix& p : holder.allowed_ips) {
        if (!moving_.contains(p) || std::ranges::find(rightful, p) != rightful.end()) {
          clearing.add_allowed_ips.push_back(p);
        } else {
          holds_anothers = true;
        }
      }
      if (holds_anothers) clearings_.push_back(std::move(clearing));
    }
  }

  Desired& desired_;
  const wg::Snapshot& snapshot_;
  const std::vector<wg::Peer>& odd_;
  const std::unordered_set<wg::PublicKey>& not_met_;
  const Expected& expected_;
  const std::unordered_set<wg::PublicKey> ours_;
  Plan plan_;
  std::vector<wg::PeerChange> removals_;
  std::vector<wg::PeerChange> clearings_;
  std::vector<wg::PeerChange> updates_;
  std::unordered_set<IpPrefix, PrefixHash> moving_;  // allowed IPs this change gives to someone
};

}  // namespace

std::string_view to_string(DriftKind kind) noexcept {
  switch (kind) {
    case DriftKind::peer_missing:
      return "peer_missing";
    case DriftKind::peer_unknown:
      return "peer_unknown";
    case DriftKind::allowed_ips:
      return "allowed_ips";
    case DriftKind::preshared_key:
      return "preshared_key";
    case DriftKind::keepalive:
      return "keepalive";
    case DriftKind::private_key:
      return "private_key";
    case DriftKind::listen_port:
      return "listen_port";
    case DriftKind::fwmark:
      return "fwmark";
  }
  return "unknown";
}

Planner::Planner(Desired& desired) : desired_(desired) {}

void Planner::take(const wg::Snapshot& part) {
  DesiredPeers& wanted = desired_.peers;
  if (part.first) {
    wanted.clear_marks();
    odd_.clear();
    leaving_.clear();
    for (const auto& [key, leaving] : desired_.leaving) leaving_.insert(key);
    next_ = 0;
  }
  header_ = wg::Snapshot{};
  header_.device.public_key = part.device.public_key;
  header_.device.listen_port = part.device.listen_port;
  header_.device.fwmark = part.device.fwmark;
  header_.started = part.started;
  header_.complete = part.complete;
  for (const wg::Peer& actual : part.device.peers) {
    const auto slot = wanted.find(actual.public_key, next_);
    if (slot != DesiredPeers::kNone) {
      next_ = slot + 1;
      if (!wanted.mark(slot)) continue;  // a backend that lists a key twice is not believed twice
    }
    const bool leaves = !desired_.leaving.empty() && desired_.leaving.contains(actual.public_key);
    if (leaves) leaving_.erase(actual.public_key);
    if (leaves || slot == DesiredPeers::kNone || !same_set(wanted.allowed_ips(slot), actual.allowed_ips) ||
        !(wanted.preshared_key(slot) == actual.preshared_key) || wanted.keepalive_s(slot) != actual.keepalive_s)
      odd_.push_back(actual);
  }
}

Plan Planner::finish(const Expected& expected) const { return Judgement{desired_, header_, odd_, leaving_, expected}.make(); }

Plan plan(Desired& desired, const wg::Snapshot& snapshot, const Expected& expected) {
  Planner planner{desired};
  planner.take(snapshot);
  return planner.finish(expected);
}

Addition add_more(Desired& desired, const Expected& expected, std::size_t most) {
  Addition out;
  DesiredPeers& wanted = desired.peers;
  if (wanted.all_marked()) return out;
  const std::unordered_set<wg::PublicKey> ours(expected.peers.begin(), expected.peers.end());
  for (DesiredPeers::Slot slot = 0; slot < wanted.size(); ++slot) {
    if (wanted.marked(slot)) continue;
    const wg::PublicKey& key = wanted.key(slot);
    if (key == desired.public_key || desired.leaving.contains(key)) continue;
    if (out.change.peers.size() == most) {
      out.more = true;
      break;
    }
    wanted.mark(slot);
    const DesiredPeer peer = wanted.get(slot);
    out.change.peers.push_back(set_peer(peer));
    if (!wanted.fresh(slot) && !ours.contains(key))
      out.drift.push_back(Drift{DriftKind::peer_missing, key, "absent", spell(peer.allowed_ips)});
  }
  return out;
}

wg::PeerChange quiesce(const wg::PublicKey& peer, const wg::PresharedKey& random) {
  wg::PeerChange change = update_of(peer);
  change.preshared_key = random;
  change.keepalive_s = 0;
  change.replace_allowed_ips = true;
  return change;
}

wg::PeerChange set_peer(const DesiredPeer& peer) {
  wg::PeerChange change;
  change.public_key = peer.public_key;
  change.preshared_key = peer.preshared_key;
  change.keepalive_s = peer.keepalive_s;
  change.replace_allowed_ips = true;
  change.add_allowed_ips = peer.allowed_ips;
  return change;
}

}  // namespace sanad::reconcile
