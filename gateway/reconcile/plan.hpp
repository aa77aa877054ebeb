#pragma once
// Desired peers + what the device has -> the change that makes them equal, and what had drifted. Pure.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "gateway/reconcile/desired_peers.hpp"

namespace sanad::reconcile {

// A peer on its way out. Phase one ("quiesce": allowed IPs cleared, pre-shared key replaced) happened at `quiesced`;
// unset: not yet done.
struct LeavingPeer {
  wg::PublicKey public_key;
  std::optional<BootTime> quiesced;
};

struct Desired {
  wg::PrivateKey private_key;
  wg::PublicKey public_key;
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  DesiredPeers peers;
  std::unordered_map<wg::PublicKey, LeavingPeer> leaving;
};

enum class DriftKind { peer_missing, peer_unknown, allowed_ips, preshared_key, keepalive, private_key, listen_port, fwmark };
std::string_view to_string(DriftKind kind) noexcept;

struct Drift {
  DriftKind kind = DriftKind::peer_missing;
  wg::PublicKey peer;  // zero for device-level drift
  std::string was;     // plain words, never a secret: "10.66.0.9/32", "differs"
  std::string should_be;
};

struct Plan {
  wg::DeviceChange change;
  std::vector<Drift> drift;            // what someone else changed; empty for changes we made ourselves
  std::vector<wg::PublicKey> quiesce;  // leaving peers whose first phase is in `change`
  std::vector<wg::PublicKey> remove;   // leaving peers whose second phase (removal) is in `change`
  std::vector<wg::PublicKey> gone;     // leaving peers that a complete snapshot no longer has: forget them
  bool more = false;                   // peers are missing that `change` does not add: see add_more()
};

// `expected_new`: keys we added to desired since the last applied plan: their absence is our own doing, not drift;
// `expected_changed`: keys whose desired values we changed likewise.
// Peers that are right are not touched. Nothing is concluded from absence in an incomplete snapshot. Unknown peers are removed
// (at once, they are nobody's), only when the snapshot is complete or not: presence is certain either way.
// In an incomplete snapshot a peer's list of allowed IPs may be cut short: only one too many is drift then, not one too few.
// A listen_port of 0 leaves the choice to the backend. Our own public key is never a peer, whoever wants it.
// A leaving peer is removed once snapshot.started > *quiesced (its final figures are in this snapshot). One not yet quiesced is
// quiesced by this change; record the time after the change was applied. A peer both desired and leaving is leaving.
// Moved allowed IPs: WireGuard moves an allowed IP silently to the peer that is given it last; the plan clears it from the
// holder in the same change, before it is given to the rightful peer.
struct Expected {
  std::vector<wg::PublicKey>
      peers;            // keys we added or changed since the last applied plan; those that are fresh go without saying
  bool device = false;  // the same for the device's own fields (first start, reload)
};

// A device read in parts. What differs is kept and judged at the end, by what is desired and expected then: both may change
// between two parts. The marks of `desired.peers` are the planner's while it lives, and say afterwards what the device has.
class Planner {
 public:
  explicit Planner(Desired& desired);
  void take(const wg::Snapshot& part);  // the first part of a reading starts over
  // After the last part.
  Plan finish(const Expected& expected) const;

 private:
  Desired& desired_;
  wg::Snapshot header_;                        // the reading, without its peers
  std::vector<wg::Peer> odd_;                  // peers that are not as desired, or nobody's, or leaving
  std::unordered_set<wg::PublicKey> leaving_;  // leaving from the first part on, and not met
  DesiredPeers::Slot next_ = 0;                // where the next peer is likely to lie
};

// Of a device that was read whole.
Plan plan(Desired& desired, const wg::Snapshot& snapshot, const Expected& expected);

// So many missing peers a plan adds at most: a device that lacks 2^20 gets them in pieces, and other changes get in between.
inline constexpr std::size_t kMostAdded = 8192;

// The next piece, once a plan had `more`: peers that are not marked, which are marked then. Empty when there are none.
struct Addition {
  wg::DeviceChange change;
  std::vector<Drift> drift;
  bool more = false;
};
Addition add_more(Desired& desired, const Expected& expected, std::size_t most = kMostAdded);

// The first phase of removal for one peer, to be applied at once on revocation: clears allowed IPs and replaces the
// pre-shared key with a random one. `random` must be fresh random bytes.
wg::PeerChange quiesce(const wg::PublicKey& peer, const wg::PresharedKey& random);

// The whole PeerChange that sets a peer to what is desired (used for a new or changed peer without a snapshot at hand).
wg::PeerChange set_peer(const DesiredPeer& peer);

}  // namespace sanad::reconcile
