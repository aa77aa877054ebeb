#include "control/ledger/records.hpp"

#include <array>
#include <utility>

namespace sanad::ledger {
namespace {

constexpr std::array<std::pair<PeerState, std::string_view>, 6> kStates{{{PeerState::active, "active"},
                                                                         {PeerState::disabled, "disabled"},
                                                                         {PeerState::pending, "pending"},
                                                                         {PeerState::expired, "expired"},
                                                                         {PeerState::suspended, "suspended"},
                                                                         {PeerState::revoked, "revoked"}}};

}  // namespace

std::string_view to_string(PeerState state) noexcept {
  for (const auto& [value, text] : kStates) {
    if (value == state) return text;
  }
  return "unknown";
}

Result<PeerState> parse_peer_state(std::string_view text) {
  for (const auto& [value, word] : kStates) {
    if (word == text) return value;
  }
  return Error{Errc::invalid_argument, "not a peer state", "state",
               "one of active, disabled, pending, expired, suspended, revoked"};
}

PeerState state_of(const PeerRecord& peer, WallTime now) {
  if (peer.revoked) return PeerState::revoked;
  if (!peer.enabled) return PeerState::disabled;
  if (peer.expires_at && *peer.expires_at <= now) return PeerState::expired;
  if (peer.not_before && *peer.not_before > now) return PeerState::pending;
  return PeerState::active;
}

}  // namespace sanad::ledger
