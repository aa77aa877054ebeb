#include "gateway/base/clock.hpp"

#include <sys/timex.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>

#include <fmt/format.h>

namespace sanad {
namespace {

std::int64_t read_ns(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

bool digits(std::string_view& text, std::size_t count, int& out) {
  if (text.size() < count) return false;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + count, out);
  if (ec != std::errc{} || end != text.data() + count || text.front() == '-') return false;
  text.remove_prefix(count);
  return true;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Instant now() { return Instant{BootTime{read_ns(CLOCK_BOOTTIME)}, WallTime{read_ns(CLOCK_REALTIME)}}; }

std::string to_rfc3339(WallTime t) {
  std::int64_t ms = t.ns / 1'000'000;
  if (t.ns % 1'000'000 < 0) --ms;
  std::int64_t seconds = ms / 1000;
  if (ms % 1000 < 0) --seconds;
  const time_t when = seconds;
  tm parts{};
  gmtime_r(&when, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, ms - seconds * 1000);
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const Error bad{
      Errc::invalid_argument,
      fmt::format("\"{}\" is not a time; write it as 2027-03-14T14:03:00Z or with an offset, 2027-03-14T14:03:00+05:00",
                  text.substr(0, 64))};
  tm parts{};
  int year = 0;
  int month = 0;
  if (!digits(text, 4, year) || !skip(text, "-") || !digits(text, 2, month) || !skip(text, "-") ||
      !digits(text, 2, parts.tm_mday) || !skip(text, "T ") || !digits(text, 2, parts.tm_hour) || !skip(text, ":") ||
      !digits(text, 2, parts.tm_min) || !skip(text, ":") || !digits(text, 2, parts.tm_sec))
    return bad;
  std::int64_t fraction_ns = 0;
  if (skip(text, ".")) {
    std::int64_t unit = 100'000'000;
    std::size_t count = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++count, unit /= 10)
      fraction_ns += (text.front() - '0') * unit;
    if (count == 0 || count > 9) return bad;
  }
  std::int64_t offset_s = 0;
  if (text.empty()) return bad;
  const char zone = text.front();
  text.remove_prefix(1);
  if (zone == '+' || zone == '-') {
    int hours = 0;
    int minutes = 0;
    if (!digits(text, 2, hours) || !skip(text, ":") || !digits(text, 2, minutes) || hours > 23 || minutes > 59) return bad;
    offset_s = (hours * 3600 + minutes * 60) * (zone == '+' ? 1 : -1);
  } else if (zone != 'Z') {
    return bad;
  }
  if (!text.empty() || month < 1 || month > 12 || parts.tm_mday < 1 || parts.tm_hour > 23 || parts.tm_min > 59 ||
      parts.tm_sec > 59)
    return bad;
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  const int day = parts.tm_mday;
  const time_t seconds = timegm(&parts);
  if (parts.tm_mday != day) return bad;  // timegm carried over: 30 February
  // The years whose nanoseconds fit in 64 bits.
  if (year < 1700 || year > 2260) return bad;
  return WallTime{(std::int64_t{seconds} - offset_s) * 1'000'000'000 + fraction_ns};
}

Result<std::string> read_boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (!std::getline(in, id) || id.size() != 36) return Error{Errc::io, "couldn't read /proc/sys/kernel/random/boot_id"};
  return id;
}

ClockSync read_clock_sync() {
  timex t{};
  const int state = adjtimex(&t);
  ClockSync out;
  out.synchronised = state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
  out.offset_us = (t.status & STA_NANO) != 0 ? t.offset / 1000 : t.offset;
  out.max_error_us = t.maxerror;
  return out;
}

}  // namespace sanad
