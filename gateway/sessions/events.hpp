#pragma once
// What the tracker tells the rest of the program. Values only. WallTimes are for display and evidence; the tracker itself
// ages on BootTime.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "gateway/wg/types.hpp"

namespace sanad::sessions {

using SessionId = std::array<std::uint8_t, 16>;

// The interval in which something certainly happened: (not_before, not_after]; both equal when the moment is known exactly.
// An opening with not_before zero was there before we first looked.
struct Bounds {
  WallTime not_before;
  WallTime not_after;
  bool operator==(const Bounds&) const = default;
};

struct Traffic {
  std::uint64_t rx = 0;  // bytes the gateway received from the peer
  std::uint64_t tx = 0;  // bytes the gateway sent to the peer
  bool operator==(const Traffic&) const = default;
};

enum class CloseReason : std::uint8_t {
  expired,             // no handshake for the idle timeout
  superseded,          // the next handshake came >= 180 s after the last: the old session was over before the new began
  revoked,             // removed by us, final figures taken in two phases
  disabled,            // likewise: the peer was disabled
  peer_expired,        // likewise: the peer's expires_at passed
  suspended,           // likewise: the registration's standing forbids serving
  removed_externally,  // gone from a complete snapshot, and not by us
  counters_reset,      // counters fell or the handshake went back to zero: the peer object was made anew
  link_down,           // the interface went down: keys are lost
  device               // the interface was re-created, or its backend died
};
std::string_view to_string(CloseReason reason) noexcept;

struct Opened {
  wg::PublicKey peer;
  SessionId session{};
  std::uint32_t incarnation = 0;
  WallTime start;  // the handshake time, clamped into bounds
  Bounds bounds;
  wg::HandshakeTime handshake;
  std::optional<Endpoint> endpoint;
  Traffic base;  // the counters at the previous valid sample: the session's zero
};

struct Roamed {
  wg::PublicKey peer;
  SessionId session{};
  std::optional<Endpoint> from;
  std::optional<Endpoint> to;
  Bounds bounds;
};

struct Closed {
  wg::PublicKey peer;
  SessionId session{};
  CloseReason reason = CloseReason::expired;
  WallTime end;
  Bounds bounds;
  bool end_inferred = false;  // nobody said goodbye; end is the last sign of life, as sessions.md defines it
  Traffic traffic;            // bytes of this session
  // Bytes seen between the last sample that certainly belongs to this session and the first that does not; they are
  // counted in `traffic` of the session opened by the same observation (superseded), or lost with the device (zero then).
  Traffic uncertain;
  std::uint32_t handshakes = 1;  // 1 + rekeys seen
  std::uint32_t moves = 0;
  WallTime figures_as_of;                // when `traffic` was read
  bool figures_from_checkpoint = false;  // the live counters were lost; these are the last durable ones
};

// Received bytes without a completed handshake: a wrong pre-shared key, a blocked client. One event per peer and
// `attempt_interval` at most; what is held back is added to the next, and told in any case before the peer's next session
// opens or its counters end. A single initiation is held for one more sample: it may be a handshake in flight.
struct Attempted {
  wg::PublicKey peer;
  // rx / 148 (the size of a handshake initiation), at least 1; the last of several is not counted while it may be in flight.
  // Zero: nobody certainly tried to come in; these bytes, the gateway's own unanswered calls or the tail of a session closed
  // unseen, would belong to no event as the counters end here.
  std::uint64_t count_at_least = 0;
  Traffic traffic;
  std::optional<Endpoint> endpoint;
  Bounds bounds;
};

enum class GapCause : std::uint8_t { late_poll, restart, backend_down };
std::string_view to_string(GapCause cause) noexcept;

// The tracker was blind: sessions may have begun and ended inside unseen; bytes and long sessions are still right.
struct Gap {
  GapCause cause = GapCause::late_poll;
  WallTime from;
  WallTime to;
};

using Event = std::variant<Opened, Roamed, Closed, Attempted, Gap>;

}  // namespace sanad::sessions
