#pragma once
// Desired peers + what the device has -> the change that makes them equal, and what had drifted. Pure.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/wg/types.hpp"

namespace sanad::reconcile {

struct DesiredPeer {
  wg::PublicKey public_key;
  wg::PresharedKey preshared_key;  // all zero = none
  std::uint16_t keepalive_s = 0;
  wg::AllowedIps allowed_ips;
};

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
  std::unordered_map<wg::PublicKey, DesiredPeer> peers;
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
  std::vector<wg::PublicKey> peers;  // keys we added or changed since the last applied plan
  bool device = false;               // the same for the device's own fields (first start, reload)
};
Plan plan(const Desired& desired, const wg::Snapshot& snapshot, const Expected& expected);

// The first phase of removal for one peer, to be applied at once on revocation: clears allowed IPs and replaces the
// pre-shared key with a random one. `random` must be fresh random bytes.
wg::PeerChange quiesce(const wg::PublicKey& peer, const wg::PresharedKey& random);

// The whole PeerChange that sets a peer to what is desired (used for a new or changed peer without a snapshot at hand).
wg::PeerChange set_peer(const DesiredPeer& peer);

}  // namespace sanad::reconcile
