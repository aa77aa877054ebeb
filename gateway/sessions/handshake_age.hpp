#pragma once
// Puts a handshake, which the backend stamps with the wall clock, on the boot clock, where ages can be compared.

#include "gateway/wg/types.hpp"

namespace sanad::sessions {

// The wall time of an instant on the boot clock, by the relation the two clocks had at `anchor`.
inline WallTime wall_at(const Instant& anchor, BootTime t) { return anchor.wall - (anchor.boot - t); }

// The handshake is known to lie in [previous.boot, now.boot]: the sample at `previous` did not have it, the one at `now` does.
// When the wall clock was stepped between the two, the handshake was stamped either before or after the step; the reading
// that falls into the interval is taken. A stamp that fits neither is clamped.
BootTime place_handshake(const wg::HandshakeTime& handshake, const Instant& previous, const Instant& now);

// The stamp in nanoseconds; absurd stamps of a lying backend saturate instead of overflowing.
WallTime stamp_of(const wg::HandshakeTime& handshake);

// Two readings of one handshake: the kernel's seconds and nanoseconds are read without a lock, so a reading taken while they
// change mixes old and new, and differs from the true stamp by less than a second.
bool nearly_same(const wg::HandshakeTime& a, const wg::HandshakeTime& b);

}  // namespace sanad::sessions
