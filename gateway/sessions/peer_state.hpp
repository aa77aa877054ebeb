#pragma once
// What the tracker remembers. A gateway may have 2^20 peers, most of them idle: what only some peers need (an open session,
// bytes outside sessions, a pending removal) lives beside the record and only while it is needed.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "gateway/sessions/events.hpp"

namespace sanad::sessions {

inline Traffic operator-(const Traffic& a, const Traffic& b) { return {a.rx - b.rx, a.tx - b.tx}; }

// An optional Endpoint in 20 bytes instead of 24.
class PackedEndpoint {
 public:
  PackedEndpoint() = default;
  explicit PackedEndpoint(const std::optional<Endpoint>& endpoint) {
    if (!endpoint) return;
    family_ = static_cast<std::uint8_t>(endpoint->address.family());
    port_ = endpoint->port;
    std::ranges::copy(endpoint->address.bytes(), address_.begin());
  }
  [[nodiscard]] std::optional<Endpoint> get() const {
    if (family_ == 0) return std::nullopt;
    if (family_ == static_cast<std::uint8_t>(IpAddress::Family::v4)) {
      return Endpoint{IpAddress::v4(std::span{address_}.first<4>()), port_};
    }
    return Endpoint{IpAddress::v6(std::span{address_}), port_};
  }
  bool operator==(const PackedEndpoint&) const = default;

 private:
  std::array<std::uint8_t, 16> address_{};
  std::uint16_t port_ = 0;
  std::uint8_t family_ = 0;
};

struct PeerRecord {
  wg::HandshakeTime handshake;
  Traffic counters;  // at `sampled`
  Instant sampled;   // just before the snapshot of the last valid record
  PackedEndpoint endpoint;
  std::uint32_t seen = 0;  // the round of the last snapshot that had the peer
  std::uint32_t incarnation = 0;
  bool has_open = false;
  bool no_baseline = false;  // nothing is known of its past: the first valid record becomes the zero
  bool absent = false;       // a complete snapshot lacked it
  bool dirty = false;
};

struct OpenState {
  SessionId session{};
  WallTime start;
  Traffic base;
  BootTime last_handshake;
  Instant last_moved;    // just after the last snapshot in which bytes had moved
  BootTime moved_after;  // those bytes moved after this
  std::uint32_t handshakes = 1;
  std::uint32_t moves = 0;
  bool from_checkpoint = false;  // restored, and not read from the device since
};

// Bytes of an idle peer that no event has told yet: counters - told.
struct OutsideState {
  Traffic told;
  Instant since;                 // the sample at which `told` were the counters
  std::uint64_t attempt_rx = 0;  // the part that failed handshakes explain
  Traffic latest;                // moved in the latest sample; zero when nothing did
  std::optional<BootTime> last_event;
  std::optional<BootTime> cut;  // latest handshake known of a session that link_down closed
  bool tail = false;            // what is not told yet may be the tail of a session
  BootTime carry_until;         // keys may still live until then: what moves is the tail of a session, not an attempt
};

struct LeavingState {
  CloseReason reason = CloseReason::revoked;
  BootTime quiesced;
};

}  // namespace sanad::sessions
