#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "control/cli/when.hpp"

namespace sanad::cli {
namespace {

class WhenTest : public ::testing::Test {
 protected:
  void SetUp() override { zone("UTC"); }
  void TearDown() override { zone("UTC"); }
  static void zone(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  static std::string utc(std::string_view text) {
    const auto when = parse_when(text, now_);
    return when ? to_rfc3339(when->time) : when.error().message;
  }
  static std::string until(std::string_view text) {
    const auto time = parse_until(text, now_);
    return time ? to_rfc3339(*time) : time.error().message;
  }
  inline static const WallTime now_ = *parse_rfc3339("2026-11-24T09:16:20Z");
};

TEST_F(WhenTest, NamedZones) {
  EXPECT_EQ(utc("2027-03-14 14:03 Asia/Karachi"), "2027-03-14T09:03:00.000Z");
  EXPECT_EQ(utc("2027-03-14 14:03:07 Asia/Karachi"), "2027-03-14T09:03:07.000Z");
  EXPECT_EQ(utc("2027-07-01 12:00 Europe/Berlin"), "2027-07-01T10:00:00.000Z");
  EXPECT_EQ(utc("2027-01-01 12:00 Europe/Berlin"), "2027-01-01T11:00:00.000Z");
  EXPECT_EQ(utc("2027-03-14 Asia/Karachi"), "2027-03-13T19:00:00.000Z");
  EXPECT_EQ(utc("today 14:00 Asia/Karachi"), "2026-11-24T09:00:00.000Z");
  EXPECT_EQ(parse_when("2027-03-14 14:03 Asia/Karachi", now_)->zone, "Asia/Karachi");
  // The process's own zone is as it was.
  EXPECT_EQ(show_clock(now_, ""), "09:16:20");
}

TEST_F(WhenTest, LocalAndRelative) {
  zone("Asia/Karachi");
  EXPECT_EQ(utc("today 09:00"), "2026-11-24T04:00:00.000Z");
  EXPECT_EQ(utc("yesterday 14:00"), "2026-11-23T09:00:00.000Z");
  EXPECT_EQ(utc("yesterday"), "2026-11-22T19:00:00.000Z");
  EXPECT_EQ(utc("09:00"), "2026-11-24T04:00:00.000Z");
  EXPECT_EQ(utc("10 min ago"), "2026-11-24T09:06:20.000Z");
  EXPECT_EQ(utc("2h ago"), "2026-11-24T07:16:20.000Z");
  EXPECT_EQ(utc("now"), "2026-11-24T09:16:20.000Z");
  EXPECT_EQ(utc("2027-03-14T14:03:00+05:00"), "2027-03-14T09:03:00.000Z");
}

TEST_F(WhenTest, MomentsThatAreNoneOrTwo) {
  EXPECT_EQ(utc("2027-03-28 02:30 Europe/Berlin"), "there is no \"2027-03-28 02:30 Europe/Berlin\" in Europe/Berlin");
  EXPECT_EQ(utc("2027-10-31 02:30 Europe/Berlin"), "\"2027-10-31 02:30 Europe/Berlin\" happens twice (the clocks go back)");
  EXPECT_EQ(utc("2027-02-30 12:00"), "there is no \"2027-02-30 12:00\"");
}

TEST_F(WhenTest, Refused) {
  for (const char* text : {"", "soon", "2027-3-14 14:03", "2027-03-14 24:00", "2027-03-14 14:60", "today 9:00",
                           "2027-03-14 14:03 14:04", "x ago", "today today"}) {
    EXPECT_FALSE(parse_when(text, now_)) << text;
  }
  EXPECT_EQ(utc("2027-03-14 14:03 Asia/Atlantis"), "no such time zone: \"Asia/Atlantis\"");
  EXPECT_EQ(utc("2027-03-14 14:03 Etc/../../passwd"), "no such time zone: \"Etc/../../passwd\"");
}

TEST_F(WhenTest, Until) {
  EXPECT_EQ(until("+30d"), "2026-12-24T09:16:20.000Z");
  EXPECT_EQ(until("+12h"), "2026-11-24T21:16:20.000Z");
  EXPECT_EQ(until("2027-11-30"), "2027-11-30T23:59:59.000Z");
  EXPECT_EQ(until("2027-11-30 12:00"), "2027-11-30T12:00:00.000Z");
  EXPECT_FALSE(parse_until("+", now_));
  EXPECT_FALSE(parse_until("+30", now_));
  EXPECT_FALSE(parse_until("+30y", now_));
}

TEST_F(WhenTest, Shown) {
  zone("Asia/Karachi");
  EXPECT_EQ(show_time(*parse_rfc3339("2026-11-24T04:04:11Z"), now_), "today 09:04:11");
  EXPECT_EQ(show_time(*parse_rfc3339("2026-11-23T18:10:02Z"), now_), "yesterday 23:10:02");
  EXPECT_EQ(show_time(*parse_rfc3339("2026-11-20T04:04:11Z"), now_), "2026-11-20 09:04:11");
  EXPECT_EQ(show_date_time(WallTime{-1}, "UTC"), "1969-12-31 23:59:59");
}

}  // namespace
}  // namespace sanad::cli
