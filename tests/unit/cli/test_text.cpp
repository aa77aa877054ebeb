#include <gtest/gtest.h>

#include "control/cli/csv.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/table.hpp"
#include "control/cli/text.hpp"
#include "control/cli/watch.hpp"

namespace sanad::cli {
namespace {

TEST(Text, WhatAServerSaysCannotDriveATerminal) {
  EXPECT_EQ(safe("a\x1b[31mb"), "a\xEF\xBF\xBD[31mb");
  EXPECT_EQ(safe("a\r\nb\x7f"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(safe("\xC2\x9B"
                 "31m"),
            "\xEF\xBF\xBD"
            "31m");  // C1 CSI
  EXPECT_EQ(safe("\xE2\x80\xAE"
                 "evil"),
            "\xEF\xBF\xBD"
            "evil");  // right-to-left override
  EXPECT_EQ(safe("\xC0\xAF\xFF"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(safe("عائشہ خان"), "عائشہ خان");
  EXPECT_EQ(safe_lines("a\nb\x1b"), "a\nb\xEF\xBF\xBD");
}

TEST(Text, JsonLinesEscapeWhatJsonWouldLetThrough) {
  EXPECT_EQ(to_line(json::value("a\x1b\x7f\xC2\x9Bz")), R"("a\u001b\u007f\u009bz")");
  EXPECT_EQ(*parse_json(to_line(json::value("\x7f\xC2\x9B"))), json::value("\x7f\xC2\x9B"));
}

TEST(Text, WidthIsThatOfTheScreen) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("é"), 1U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(pad_right("日", 4), "日  ");
  EXPECT_EQ(pad_left("7", 3), "  7");
  EXPECT_EQ(clip("abcdef", 4), "abc…");
  EXPECT_EQ(clip("日本語", 4), "日…");
  EXPECT_EQ(clip("abcd", 4), "abcd");
  EXPECT_EQ(slug("Ayesha  Khan!"), "ayesha-khan");
  EXPECT_EQ(slug("../../etc"), "etc");
  EXPECT_EQ(slug("عائشہ"), "peer");
}

TEST(Table, ColumnsLineUp) {
  Table table({{"NAME"}, {"IN", Align::right}, {"STATE"}});
  table.add({"日本", "4.1 MB", "up"});
  table.add({"b", "7 B"});
  EXPECT_EQ(table.render(), "NAME      IN  STATE\n日本  4.1 MB  up\nb        7 B\n");
}

TEST(Humane, Bytes) {
  EXPECT_EQ(humane_bytes(0), "0 B");
  EXPECT_EQ(humane_bytes(999), "999 B");
  EXPECT_EQ(humane_bytes(1000), "1.0 kB");
  EXPECT_EQ(humane_bytes(4'100'000), "4.1 MB");
  EXPECT_EQ(humane_bytes(9'960'000), "10 MB");
  EXPECT_EQ(humane_bytes(38'000'000), "38 MB");
  EXPECT_EQ(humane_bytes(999'600), "1.0 MB");
  EXPECT_EQ(humane_bytes(71'000'000'000), "71 GB");
  EXPECT_EQ(humane_bytes(INT64_MAX), "9.2 EB");
}

TEST(Humane, DurationsAndCounts) {
  using namespace std::chrono_literals;
  EXPECT_EQ(humane_duration(600ms), "0.6 s");
  EXPECT_EQ(humane_duration(2s), "2 s");
  EXPECT_EQ(humane_duration(45s), "45 s");
  EXPECT_EQ(humane_duration(12min), "12 min");
  EXPECT_EQ(humane_duration(3h + 5min), "3 h 5 min");
  EXPECT_EQ(humane_duration(52h), "2 d 4 h");
  EXPECT_EQ(humane_duration(-1s), "0 s");
  EXPECT_EQ(with_thousands(1'204'331), "1,204,331");
  EXPECT_EQ(with_thousands(-1000), "-1,000");
  EXPECT_EQ(with_thousands(999), "999");
}

TEST(Csv, ReadsWhatSpreadsheetsWrite) {
  const auto records = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\r\n\"x, \"\"y\"\"\nz\",2\r\n\r\n3,");
  ASSERT_TRUE(records);
  const std::vector<std::vector<std::string>> expected{{"a", "b"}, {"x, \"y\"\nz", "2"}, {"3", ""}};
  EXPECT_EQ(*records, expected);
  EXPECT_EQ(parse_csv("a\n\"b").error().message, "line 2: a quote is never closed");
  EXPECT_EQ(parse_csv("a\nb\"c\"").error().message, "line 2: a quote in the middle of a field");
  EXPECT_EQ(parse_csv("\"a\"b").error().message, "line 1: text after a closing quote");
}

TEST(Csv, BecomesCreations) {
  const auto lines = peers_of_csv("name,public_key,allowed_ips,keepalive,email\nBilal,K,10.66.0.9/32;fd66::9/128,25,\n");
  ASSERT_TRUE(lines) << lines.error().message;
  ASSERT_EQ(lines->size(), 1U);
  EXPECT_EQ(lines->front(),
            R"({"owner":{"name":"Bilal"},"public_key":"K","allowed_ips":["10.66.0.9/32","fd66::9/128"],"keepalive_s":25})");
  EXPECT_EQ(peers_of_csv("name,public_key,colour\n").error().message, "line 1: unknown column \"colour\"");
  EXPECT_EQ(peers_of_csv("name,name\n").error().message, "line 1: column \"name\" twice");
  EXPECT_EQ(peers_of_csv("name\nA\n").error().message, "line 1: column \"public_key\" is missing");
  EXPECT_EQ(peers_of_csv("name,public_key\nA\n").error().message, "record 1 has 1 fields, the header 2");
}

TEST(Sse, EventsFromLines) {
  SseParser parser;
  for (const char* line : {": keep-alive", "id: 7", "event: session.opened", "data: {\"a\":", "data: 1}"})
    EXPECT_FALSE(parser.line(line));
  const auto event = parser.line("");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->id, "7");
  EXPECT_EQ(event->name, "session.opened");
  EXPECT_EQ(event->data, "{\"a\":\n1}");
  EXPECT_FALSE(parser.line(""));
}

}  // namespace
}  // namespace sanad::cli
