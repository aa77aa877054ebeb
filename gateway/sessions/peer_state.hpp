#pragma once
// What the tracker remembers. A gateway may have 2^20 peers, most of them idle: what only some peers need (an open session,
// bytes outside sessions, a pending removal) lives beside the record and only while it is needed.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "gateway/sessions/events.hpp"
#include "gateway/sessions/sample_times.hpp"

namespace sanad::sessions {

inline Traffic operator-(const Traffic& a, const Traffic& b) { return {a.rx - b.rx, a.tx - b.tx}; }

// An optional Endpoint in 19 bytes instead of 24.
class PackedEndpoint {
 public:
  PackedEndpoint() = default;
  explicit PackedEndpoint(const std::optional<Endpoint>& endpoint) {
    if (!endpoint) return;
    family_ = static_cast<std::uint8_t>(endpoint->address.family());
    port_ = {static_cast<std::uint8_t>(endpoint->port >> 8U), static_cast<std::uint8_t>(endpoint->port)};
    std::ranges::copy(endpoint->address.bytes(), address_.begin());
  }
  [[nodiscard]] std::optional<Endpoint> get() const {
    if (family_ == 0) return std::nullopt;
    const auto port = static_cast<std::uint16_t>(port_[0] << 8U | port_[1]);
    if (family_ == static_cast<std::uint8_t>(IpAddress::Family::v4)) {
      return Endpoint{IpAddress::v4(std::span{address_}.first<4>()), port};
    }
    return Endpoint{IpAddress::v6(std::span{address_}), port};
  }
  bool operator==(const PackedEndpoint&) const = default;

 private:
  std::array<std::uint8_t, 16> address_{};
  std::array<std::uint8_t, 2> port_{};
  std::uint8_t family_ = 0;
};

// A handshake time in 12 bytes instead of 16. What is not a number of nanoseconds is taken to the nearest that is.
class PackedHandshake {
 public:
  PackedHandshake() = default;
  explicit PackedHandshake(const wg::HandshakeTime& time)
      : sec_high_(static_cast<std::int32_t>(time.sec >> 32U)),
        sec_low_(static_cast<std::uint32_t>(time.sec)),
        nsec_(static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.nsec, 0, 999'999'999))) {}
  [[nodiscard]] wg::HandshakeTime get() const {
    return {static_cast<std::int64_t>(static_cast<std::uint64_t>(static_cast<std::uint32_t>(sec_high_)) << 32U | sec_low_),
            nsec_};
  }
  [[nodiscard]] bool never() const { return get().never(); }
  bool operator==(const PackedHandshake&) const = default;

 private:
  std::int32_t sec_high_ = 0;
  std::uint32_t sec_low_ = 0;
  std::uint32_t nsec_ = 0;
};

// 56 bytes, 88 with its key: there may be 2^20.
struct PeerRecord {
  Traffic counters;  // at `sampled`
  PackedHandshake handshake;
  SampleTimes::Id sampled = 0;  // just before the snapshot of the last valid record
  std::uint32_t incarnation = 0;
  PackedEndpoint endpoint;
  bool has_open : 1 = false;
  bool no_baseline : 1 = false;  // nothing is known of its past: the first valid record becomes the zero
  bool absent : 1 = false;       // a complete snapshot lacked it
  bool dirty : 1 = false;
};
static_assert(sizeof(PeerRecord) == 56);

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
  BootTime latest_at;
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
