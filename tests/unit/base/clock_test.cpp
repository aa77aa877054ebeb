#include "gateway/base/clock.hpp"

#include <gtest/gtest.h>

namespace sanad {
namespace {

WallTime time_of(std::string_view text) { return parse_rfc3339(text).value(); }

TEST(Rfc3339, PrintsMillisecondsInUtc) {
  EXPECT_EQ(to_rfc3339(WallTime{0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(WallTime::from_ms(1'795'511'051'123)), "2026-11-24T09:04:11.123Z");
  EXPECT_EQ(to_rfc3339(WallTime{999'999}), "1970-01-01T00:00:00.000Z");  // never rounded up into the future
  EXPECT_EQ(to_rfc3339(WallTime{-1}), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(WallTime{-1'000'000'000}), "1969-12-31T23:59:59.000Z");
}

TEST(Rfc3339, ComesBack) {
  for (const char* text :
       {"1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z", "2026-11-24T09:04:11.123Z", "1969-07-20T20:17:40.000Z",
        "2038-01-19T03:14:08.000Z", "2260-12-31T23:59:59.999Z", "1700-01-01T00:00:00.000Z"})
    EXPECT_EQ(to_rfc3339(time_of(text)), text);
}

TEST(Rfc3339, OffsetsAndDecimals) {
  EXPECT_EQ(time_of("2027-03-14T14:03:00+05:00"), time_of("2027-03-14T09:03:00Z"));
  EXPECT_EQ(time_of("2027-03-14T14:03:00-23:59"), time_of("2027-03-15T14:02:00Z"));
  EXPECT_EQ(time_of("2027-03-14 14:03:00Z"), time_of("2027-03-14T14:03:00Z"));
  EXPECT_EQ(time_of("2027-03-14T14:03:00.123456789Z") - time_of("2027-03-14T14:03:00Z"), std::chrono::nanoseconds{123456789});
  EXPECT_EQ(time_of("2027-03-14T14:03:00.5Z") - time_of("2027-03-14T14:03:00Z"), std::chrono::milliseconds{500});
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  using namespace std::string_view_literals;
  for (const auto text : {""sv,
                          "now"sv,
                          "2027-03-14"sv,
                          "2027-03-14T14:03"sv,
                          "2027-03-14T14:03:00"sv,
                          "2027-03-14T14:03:00z"sv,
                          "2027-3-14T14:03:00Z"sv,
                          "2027-02-29T00:00:00Z"sv,
                          "2100-02-29T00:00:00Z"sv,
                          "2027-04-31T00:00:00Z"sv,
                          "2027-00-01T00:00:00Z"sv,
                          "2027-13-01T00:00:00Z"sv,
                          "2027-01-00T00:00:00Z"sv,
                          "2027-01-32T00:00:00Z"sv,
                          "2027-01-01T24:00:00Z"sv,
                          "2027-01-01T00:60:00Z"sv,
                          "2027-01-01T00:00:60Z"sv,
                          "2027-01-01T00:00:00.Z"sv,
                          "2027-01-01T00:00:00.1234567890Z"sv,
                          "2027-01-01T00:00:00+24:00"sv,
                          "2027-01-01T00:00:00+05:60"sv,
                          "2027-01-01T00:00:00+0500"sv,
                          "2027-01-01T00:00:00+05"sv,
                          "2027-01-01T00:00:00Z "sv,
                          " 2027-01-01T00:00:00Z"sv,
                          "2027-01-01T00:00:00Z\n"sv,
                          "2027-01-01T00:00:00Z\0"sv,
                          "-027-01-01T00:00:00Z"sv,
                          "2027-01-01T-1:00:00Z"sv,
                          "2027-01-01T00:00:00.-1Z"sv,
                          "2027-01-01T00:00:00,5Z"sv,
                          "1699-12-31T23:59:59Z"sv,
                          "2261-01-01T00:00:00Z"sv,
                          "9999-12-31T23:59:59Z"sv}) {
    const auto parsed = parse_rfc3339(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument);
  }
}

TEST(Clock, BothClocksMoveOn) {
  const Instant a = now();
  const Instant b = now();
  EXPECT_GE(b.boot, a.boot);
  EXPECT_GT(a.wall, time_of("2026-01-01T00:00:00Z"));
}

TEST(Clock, BootIdStaysTheSameAndHas36Characters) {
  const auto first = read_boot_id();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->size(), 36U);
  EXPECT_EQ(read_boot_id().value(), *first);
}

}  // namespace
}  // namespace sanad
