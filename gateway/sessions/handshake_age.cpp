#include "gateway/sessions/handshake_age.hpp"

#include <algorithm>

namespace sanad::sessions {
namespace {

// Half the range of an int64 of nanoseconds, in seconds: differences of two such stamps cannot overflow.
constexpr std::int64_t kLatestSecond = 4'000'000'000;

}  // namespace

WallTime stamp_of(const wg::HandshakeTime& handshake) {
  const std::int64_t sec = std::clamp<std::int64_t>(handshake.sec, 0, kLatestSecond);
  const std::int64_t nsec = std::clamp<std::int64_t>(handshake.nsec, 0, 999'999'999);
  return WallTime{sec * 1'000'000'000 + nsec};
}

BootTime place_handshake(const wg::HandshakeTime& handshake, const Instant& previous, const Instant& now) {
  const WallTime stamp = stamp_of(handshake);
  const BootTime by_now = now.boot - (now.wall - stamp);
  if (by_now >= previous.boot && by_now <= now.boot) return by_now;
  const BootTime by_previous = previous.boot + (stamp - previous.wall);
  if (by_previous >= previous.boot && by_previous <= now.boot) return by_previous;
  return std::clamp(by_now, std::min(previous.boot, now.boot), now.boot);
}

bool nearly_same(const wg::HandshakeTime& a, const wg::HandshakeTime& b) {
  const auto apart = stamp_of(a) - stamp_of(b);
  return apart > std::chrono::seconds{-1} && apart < std::chrono::seconds{1};
}

}  // namespace sanad::sessions
