#pragma once
// Times as people write and read them, in the local zone or a named one (IANA). The C library's zone is process-wide state:
// everything here belongs to one thread.

#include <string>
#include <string_view>

#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"

namespace sanad::cli {

// A moment, and the zone it was asked in ("" = local), so that the answer can be given in the same.
struct When {
  WallTime time;
  std::string zone;
};

// RFC 3339; "2027-03-14 14:03[:05] [Asia/Karachi]"; "2027-03-14 [zone]" (its first moment); "today 09:00"; "yesterday 14:00";
// "09:00"; "now"; "10 min ago" (s, min, h, d). A local time that the zone skips or has twice (DST) is refused: it names no
// moment.
Result<When> parse_when(std::string_view text, WallTime now);

// The end of something: "+30d", "+12h", "+2w"; a bare date means the last second of that day; else as parse_when.
Result<WallTime> parse_until(std::string_view text, WallTime now);

std::string show_time(WallTime time, WallTime now);            // "today 09:04:11", "yesterday 23:10:02", "2026-11-20 09:04:11"
std::string show_clock(WallTime time, std::string_view zone);  // "13:51:07"
std::string show_date_time(WallTime time, std::string_view zone);  // "2027-03-14 13:51:07"
std::string show_date(WallTime time);                              // "2027-03-14", local
bool same_day(WallTime a, WallTime b, std::string_view zone);

}  // namespace sanad::cli
