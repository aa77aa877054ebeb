#pragma once
// Two clocks, two types, so that one cannot be subtracted from the other.
// All ageing uses BootTime; WallTime is for display and evidence only.

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

#include "gateway/base/result.hpp"

namespace sanad {

// CLOCK_BOOTTIME, nanoseconds since boot; keeps counting in suspend, never steps.
struct BootTime {
  std::int64_t ns = 0;
  auto operator<=>(const BootTime&) const = default;
  BootTime operator+(std::chrono::nanoseconds d) const { return BootTime{ns + d.count()}; }
  BootTime operator-(std::chrono::nanoseconds d) const { return BootTime{ns - d.count()}; }
  std::chrono::nanoseconds operator-(BootTime o) const { return std::chrono::nanoseconds{ns - o.ns}; }
};

// CLOCK_REALTIME, nanoseconds since 1970-01-01T00:00:00Z; steps when an admin or NTP says so.
struct WallTime {
  std::int64_t ns = 0;
  auto operator<=>(const WallTime&) const = default;
  WallTime operator+(std::chrono::nanoseconds d) const { return WallTime{ns + d.count()}; }
  WallTime operator-(std::chrono::nanoseconds d) const { return WallTime{ns - d.count()}; }
  std::chrono::nanoseconds operator-(WallTime o) const { return std::chrono::nanoseconds{ns - o.ns}; }
  [[nodiscard]] std::int64_t ms() const { return ns / 1'000'000; }
  static WallTime from_ms(std::int64_t ms) { return WallTime{ms * 1'000'000}; }
};

// Both clocks read at the same moment (back to back; the difference is below a microsecond).
struct Instant {
  BootTime boot;
  WallTime wall;
  auto operator<=>(const Instant&) const = default;
};

Instant now();

// "2026-11-24T09:04:11.123Z": RFC 3339, UTC, always three decimals.
std::string to_rfc3339(WallTime t);
// Accepts RFC 3339 with 'T' or ' ', 0..9 decimals, 'Z' or an offset. Anything else: invalid_argument.
Result<WallTime> parse_rfc3339(std::string_view text);

// /proc/sys/kernel/random/boot_id, 36 characters; changes at every boot.
Result<std::string> read_boot_id();

// adjtimex(2): what the kernel knows of synchronisation.
struct ClockSync {
  bool synchronised = false;
  std::int64_t offset_us = 0;     // last offset the NTP client reported
  std::int64_t max_error_us = 0;  // upper bound kept by the kernel
};
ClockSync read_clock_sync();

}  // namespace sanad
