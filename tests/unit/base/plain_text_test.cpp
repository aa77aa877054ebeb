#include <gtest/gtest.h>

#include "gateway/base/encoding.hpp"

namespace sanad {
namespace {

using namespace std::string_view_literals;

TEST(PlainText, TakesWhatPeopleWrite) {
  for (const auto text : {""sv, "Ayesha Khan"sv, "عائشہ خان"sv, "Łukasz Żółć"sv, "李小龍"sv, "O'Brien <test> & \"co\""sv,
                          "\xc2\xa0"sv, "\xf0\x9f\x99\x82"sv, "\xf4\x8f\xbf\xbf"sv, "\xef\xbf\xbd"sv})
    EXPECT_TRUE(is_plain_text(text)) << text;
}

TEST(PlainText, RefusesControlCharacters) {
  for (int c = 0; c < 0x20; ++c) EXPECT_FALSE(is_plain_text(std::string("a") + static_cast<char>(c) + "b")) << c;
  EXPECT_FALSE(is_plain_text("\x7f"sv));
  for (int c = 0x80; c < 0xa0; ++c)
    EXPECT_FALSE(is_plain_text(std::string("\xc2") + static_cast<char>(c))) << c;  // C1, NEL among them
}

TEST(PlainText, RefusesLineSeparators) {
  EXPECT_FALSE(is_plain_text("a\xe2\x80\xa8z"sv));
  EXPECT_FALSE(is_plain_text("a\xe2\x80\xa9z"sv));
}

TEST(PlainText, RefusesWhatIsNotUtf8) {
  for (const auto text : {"\x80"sv, "\xbf"sv, "a\xc3"sv, "\xc3("sv, "\xe2\x82"sv, "\xe2\x82("sv, "\xf0\x9f\x99"sv,
                          "\xf0\x9f\x99("sv, "\xff"sv, "\xfe"sv, "\xf8\x88\x80\x80\x80"sv, "\xfc\x84\x80\x80\x80\x80"sv})
    EXPECT_FALSE(is_plain_text(text));
}

TEST(PlainText, RefusesOverlongFormsSurrogatesAndBeyond) {
  for (const auto text : {"\xc0\x80"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xe0\x80\xaf"sv, "\xe0\x9f\xbf"sv, "\xf0\x80\x80\xaf"sv,
                          "\xf0\x8f\xbf\xbf"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf7\xbf\xbf\xbf"sv})
    EXPECT_FALSE(is_plain_text(text));
}

TEST(PlainText, NoNulHidesTheRest) { EXPECT_FALSE(is_plain_text("good\0bad"sv)); }

}  // namespace
}  // namespace sanad
