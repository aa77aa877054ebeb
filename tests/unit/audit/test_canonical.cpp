#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/audit/canonical.hpp"

namespace sanad::audit {
namespace {

namespace json = boost::json;

std::string canonical(std::string_view text) { return canonical_json(json::parse(text)).value(); }

TEST(Canonical, SortsKeysByUtf16CodeUnits) {
  // The example of RFC 8785 section 3.2.3: U+1F600 is a surrogate pair in UTF-16 and comes before U+FB33.
  const std::string sorted = canonical(
      R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"})");
  EXPECT_EQ(sorted,
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"Latin Small Letter O With "
            "Diaeresis\",\"\u20ac\":\"Euro Sign\",\"\U0001F600\":\"Emoji: Grinning Face\",\"\uFB33\":\"Hebrew Letter Dalet With "
            "Dagesh\"}");
}

TEST(Canonical, SortsAPrefixFirstAndNestedObjectsToo) {
  EXPECT_EQ(canonical(R"({"b":{"z":1,"a":[{"d":null,"c":true}]},"ab":2,"a":3})"),
            R"({"a":3,"ab":2,"b":{"a":[{"c":true,"d":null}],"z":1}})");
}

TEST(Canonical, EscapesAsEcmaScriptDoes) {
  std::string all;
  for (char c = 0; c < 0x20; ++c) all += c;
  all += "\"\\/\x7F";
  EXPECT_EQ(canonical_json(json::value(all)).value(),
            "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011\\u0012"
            "\\u0013\\u0014"
            "\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f\\\"\\\\/\x7F\"");
}

TEST(Canonical, IsItsOwnCanonicalForm) {
  const std::string once = canonical(R"({"q":"\u0007\"","list":[9007199254740991,-9007199254740991,0,""],"é":{}})");
  EXPECT_EQ(canonical(once), once);
}

TEST(Canonical, RefusesNumbersReadersDisagreeOn) {
  EXPECT_EQ(canonical_json(json::value(std::uint64_t{1} << 53)).error().code, Errc::invalid_argument);
  EXPECT_EQ(canonical_json(json::value(-(std::int64_t{1} << 53))).error().code, Errc::invalid_argument);
  EXPECT_EQ(canonical_json(json::value(1.0)).error().code, Errc::invalid_argument);
  EXPECT_EQ(canonical_json(json::parse(R"({"a":[1,{"b":0.5}]})")).error().field, "a[1].b");
}

TEST(Canonical, RefusesWhatIsNotUtf8) {
  for (const std::string bad : {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "a\xFF"}) {
    std::string out;
    EXPECT_FALSE(append_canonical_string(out, bad)) << bad;
  }
  std::string out;
  EXPECT_TRUE(append_canonical_string(out, "\xF4\x8F\xBF\xBF\xEE\x80\x80\xC2\x80"));
}

// The plain part of a text is looked at eight bytes at a time.
TEST(Canonical, ACharacterIsEscapedWhereverItStands) {
  for (int c = 0; c < 0x80; ++c) {
    std::string alone;
    ASSERT_TRUE(append_canonical_string(alone, std::string(1, static_cast<char>(c))));
    const std::string escaped = alone.substr(1, alone.size() - 2);
    EXPECT_EQ(escaped.size() > 1, c < 0x20 || c == '"' || c == '\\') << c;
    for (std::size_t before = 0; before < 20; ++before) {
      for (const char* after : {"", "b", "!#[]~ 0123456789", "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"}) {
        std::string out;
        ASSERT_TRUE(append_canonical_string(out, std::string(before, 'a') + static_cast<char>(c) + after));
        EXPECT_EQ(out, '"' + std::string(before, 'a') + escaped + after + '"') << c << " after " << before;
      }
    }
  }
}

TEST(Canonical, PlainTextEndsWhereACharacterMustBeLookedAt) {
  for (int c = 0; c < 0x100; ++c) {
    const bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
    for (std::size_t before = 0; before < 20; ++before) {
      const std::string text = std::string(before, 'a') + static_cast<char>(c) + "\x21\x23\x5b\x5d\x7f ~!#";
      EXPECT_EQ(plain_prefix(text), plain ? text.size() : before) << c << " after " << before;
    }
  }
}

TEST(Canonical, BrokenUtf8IsRefusedWhereverItStands) {
  for (std::size_t before = 0; before < 20; ++before) {
    std::string out;
    EXPECT_FALSE(append_canonical_string(out, std::string(before, 'a') + "\x80" + "bcdefghijkl"));
    EXPECT_TRUE(append_canonical_string(out, std::string(before, 'a') + "\u00e9" + "bcdefghijkl"));
  }
}

}  // namespace
}  // namespace sanad::audit
