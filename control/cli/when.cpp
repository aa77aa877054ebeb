#include "control/cli/when.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

namespace sanad::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Lends the C library another zone for one conversion.
class ZoneGuard final {
 public:
  explicit ZoneGuard(std::string_view zone) : active_(!zone.empty()) {
    if (!active_) {
      ::tzset();
      return;
    }
    if (const char* old = ::getenv("TZ"); old != nullptr) before_ = old;
    ::setenv("TZ", (":" + std::string(zone)).c_str(), 1);
    ::tzset();
  }
  ~ZoneGuard() {
    if (!active_) return;
    if (before_) {
      ::setenv("TZ", before_->c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }
  ZoneGuard(const ZoneGuard&) = delete;
  ZoneGuard& operator=(const ZoneGuard&) = delete;

 private:
  bool active_;
  std::optional<std::string> before_;
};

struct Civil {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
};

::tm broken_down(WallTime time, std::string_view zone) {
  const ZoneGuard guard(zone);
  const auto seconds = static_cast<::time_t>(time.ns / kSecond - (time.ns % kSecond < 0 ? 1 : 0));
  ::tm local{};
  ::localtime_r(&seconds, &local);
  return local;
}

Civil civil_of(WallTime time, std::string_view zone) {
  const ::tm t = broken_down(time, zone);
  return {t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec};
}

Error not_a_time(std::string_view text) {
  return {
      Errc::invalid_argument, fmt::format("not a time: \"{}\"", text), "",
      "Examples: \"2027-03-14 14:03 Asia/Karachi\", 2027-03-14T09:03:00Z, \"today 09:00\", \"yesterday 14:00\", \"10 min ago\""};
}

// An unknown TZ silently means UTC to the C library, which would answer for another moment.
bool zone_exists(std::string_view zone) {
  if (zone.empty() || zone.size() > 64 || zone.front() == '/' || zone.find("..") != std::string_view::npos) return false;
  if (!std::all_of(zone.begin(), zone.end(),
                   [](unsigned char c) { return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '+' || c == '-'; }))
    return false;
  std::error_code ec;
  return std::filesystem::is_regular_file(std::filesystem::path("/usr/share/zoneinfo") / zone, ec);
}

Result<WallTime> moment_of(const Civil& civil, std::string_view zone, std::string_view text) {
  const ZoneGuard guard(zone);
  std::vector<::time_t> moments;
  for (const int dst : {0, 1}) {
    ::tm t{};
    t.tm_year = civil.year - 1900, t.tm_mon = civil.month - 1, t.tm_mday = civil.day;
    t.tm_hour = civil.hour, t.tm_min = civil.minute, t.tm_sec = civil.second, t.tm_isdst = dst;
    const ::time_t moment = ::mktime(&t);
    const bool as_written = t.tm_mday == civil.day && t.tm_mon == civil.month - 1 && t.tm_year == civil.year - 1900 &&
                            t.tm_hour == civil.hour && t.tm_min == civil.minute && t.tm_sec == civil.second;
    if (as_written && std::find(moments.begin(), moments.end(), moment) == moments.end()) moments.push_back(moment);
  }
  if (moments.empty()) {
    return Error{Errc::invalid_argument, fmt::format("there is no \"{}\"{}{}", text, zone.empty() ? "" : " in ", zone), "",
                 "A clock change skips it, or the calendar has no such day"};
  }
  if (moments.size() > 1) {
    return Error{Errc::invalid_argument, fmt::format("\"{}\" happens twice (the clocks go back)", text), "",
                 "Give it with an offset: 2027-10-31T02:30:00+01:00"};
  }
  return WallTime{static_cast<std::int64_t>(moments.front()) * kSecond};
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    words.push_back(text.substr(0, text.find(' ')));
    text.remove_prefix(words.back().size());
  }
  return words;
}

std::optional<int> digits(std::string_view text, std::size_t least, std::size_t most) {
  int value = 0;
  if (text.size() < least || text.size() > most) return std::nullopt;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || text.front() == '-') return std::nullopt;
  return value;
}

bool read_date(std::string_view text, Civil& civil) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto year = digits(text.substr(0, 4), 4, 4), month = digits(text.substr(5, 2), 2, 2),
             day = digits(text.substr(8, 2), 2, 2);
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return false;
  civil.year = *year, civil.month = *month, civil.day = *day;
  return true;
}

bool read_clock(std::string_view text, Civil& civil) {
  const bool seconds = text.size() == 8 && text[5] == ':';
  if ((text.size() != 5 && !seconds) || text[2] != ':') return false;
  const auto hour = digits(text.substr(0, 2), 2, 2), minute = digits(text.substr(3, 2), 2, 2);
  const auto second = seconds ? digits(text.substr(6, 2), 2, 2) : std::optional<int>(0);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59) return false;
  civil.hour = *hour, civil.minute = *minute, civil.second = *second;
  return true;
}

std::optional<std::int64_t> unit_seconds(std::string_view unit) {
  if (unit == "s" || unit == "sec" || unit == "seconds" || unit == "second") return 1;
  if (unit == "m" || unit == "min" || unit == "minutes" || unit == "minute") return 60;
  if (unit == "h" || unit == "hours" || unit == "hour") return 3600;
  if (unit == "d" || unit == "days" || unit == "day") return 86'400;
  if (unit == "w" || unit == "weeks" || unit == "week") return 604'800;
  return std::nullopt;
}

// "10 min", "10min": seconds.
std::optional<std::int64_t> span_of(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789");
  if (end == std::string_view::npos) return std::nullopt;
  const auto count = digits(text.substr(0, end), 1, 6);
  text.remove_prefix(end);
  if (text.starts_with(' ')) text.remove_prefix(1);
  const auto unit = unit_seconds(text);
  if (!count || !unit) return std::nullopt;
  return *count * *unit;
}

}  // namespace

Result<When> parse_when(std::string_view text, WallTime now) {
  if (const auto exact = parse_rfc3339(text)) return When{*exact, ""};
  if (text == "now") return When{now, ""};
  if (text.ends_with(" ago")) {
    const auto span = span_of(text.substr(0, text.size() - 4));
    if (!span) return not_a_time(text);
    return When{now - std::chrono::seconds(*span), ""};
  }
  auto words = words_of(text);
  if (words.empty()) return not_a_time(text);
  std::string zone;
  if (words.size() > 1 && std::isalpha(static_cast<unsigned char>(words.back().front())) != 0) {
    zone = words.back();
    if (!zone_exists(zone)) {
      return Error{Errc::invalid_argument, fmt::format("no such time zone: \"{}\"", zone), "",
                   "Names are as in Asia/Karachi; list: timedatectl list-timezones"};
    }
    words.pop_back();
  }
  Civil civil;
  const bool relative = words.front() == "today" || words.front() == "yesterday";
  const bool clock_only = words.size() == 1 && words.front().find(':') != std::string_view::npos;
  if (relative || clock_only) {
    const Civil today = civil_of(now, zone);
    civil.year = today.year, civil.month = today.month, civil.day = today.day;
    if (words.front() == "yesterday") {
      // From noon, a day back is yesterday whatever the clocks did.
      Civil noon = civil;
      noon.hour = 12;
      const auto middle = moment_of(noon, zone, text);
      if (!middle) return middle.error();
      const Civil day = civil_of(*middle - std::chrono::hours(24), zone);
      civil.year = day.year, civil.month = day.month, civil.day = day.day;
    }
    if (relative) words.erase(words.begin());
  } else {
    if (!read_date(words.front(), civil)) return not_a_time(text);
    words.erase(words.begin());
  }
  if (words.size() > 1 || (words.size() == 1 && !read_clock(words.front(), civil))) return not_a_time(text);
  const auto moment = moment_of(civil, zone, text);
  if (!moment) return moment.error();
  return When{*moment, zone};
}

Result<WallTime> parse_until(std::string_view text, WallTime now) {
  if (text.starts_with('+')) {
    const auto span = span_of(text.substr(1));
    if (!span) return not_a_time(text);
    return now + std::chrono::seconds(*span);
  }
  Civil civil;
  if (read_date(text, civil)) {
    civil.hour = 23, civil.minute = 59, civil.second = 59;
    return moment_of(civil, "", text);
  }
  const auto when = parse_when(text, now);
  if (!when) return when.error();
  return when->time;
}

std::string show_clock(WallTime time, std::string_view zone) {
  const Civil c = civil_of(time, zone);
  return fmt::format("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
}

std::string show_date_time(WallTime time, std::string_view zone) {
  const Civil c = civil_of(time, zone);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::string show_date(WallTime time) { return show_date_time(time, "").substr(0, 10); }

bool same_day(WallTime a, WallTime b, std::string_view zone) {
  return show_date_time(a, zone).substr(0, 10) == show_date_time(b, zone).substr(0, 10);
}

std::string show_time(WallTime time, WallTime now) {
  if (same_day(time, now, "")) return "today " + show_clock(time, "");
  const auto yesterday = parse_when("yesterday 12:00", now);
  if (yesterday && same_day(time, yesterday->time, "")) return "yesterday " + show_clock(time, "");
  return show_date_time(time, "");
}

}  // namespace sanad::cli
