#include "gateway/base/ip.hpp"

#include <gtest/gtest.h>

namespace sanad {
namespace {

IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }
IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

TEST(IpAddress, PrintsWhatItParses) {
  for (const char* text : {"0.0.0.0", "10.66.0.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3:4", "ff02::2"})
    EXPECT_EQ(address(text).to_string(), text);
}

TEST(IpAddress, PrintsTheCanonicalForm) {
  EXPECT_EQ(address("2001:0DB8:0:0:0:0:0:1").to_string(), "2001:db8::1");  // RFC 5952 section 4
  EXPECT_EQ(address("::ffff:192.0.2.1").to_string(), "::ffff:192.0.2.1");
}

TEST(IpAddress, MappedV4IsAnotherAddress) { EXPECT_NE(address("::ffff:192.0.2.1"), address("192.0.2.1")); }

TEST(IpAddress, RefusesWhatHasTwoReadings) {
  using namespace std::string_view_literals;
  for (const auto text :
       {""sv,          " "sv,         "1"sv,        "1.2.3"sv,    "1.2.3.4.5"sv, "256.0.0.1"sv,     "01.2.3.4"sv,
        "0x1.2.3.4"sv, "1.2.3.-4"sv,  " 1.2.3.4"sv, "1.2.3.4 "sv, "1.2.3.4\n"sv, "1.2.3.4\0"sv,     "1.2.3.4\0.5"sv,
        "::1%lo"sv,    "[::1]"sv,     ":::"sv,      "1::2::3"sv,  "12345::"sv,   "1:2:3:4:5:6:7"sv, "1:2:3:4:5:6:7:8:9"sv,
        "g::"sv,       "localhost"sv, "١.٢.٣.٤"sv}) {
    const auto parsed = IpAddress::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument) << text;
  }
}

TEST(IpAddress, ErrorQuotesOnlyTheBeginningOfLongText) {
  const auto parsed = IpAddress::parse(std::string(100'000, 'x'));
  ASSERT_FALSE(parsed);
  EXPECT_LT(parsed.error().message.size(), 200U);
}

TEST(IpAddress, PlusCarriesAndWraps) {
  EXPECT_EQ(address("10.0.0.255").plus(1), address("10.0.1.0"));
  EXPECT_EQ(address("10.0.0.0").plus(1 << 24), address("11.0.0.0"));
  EXPECT_EQ(address("255.255.255.255").plus(1), address("0.0.0.0"));
  EXPECT_EQ(address("2001:db8::ffff:ffff:ffff:ffff").plus(1), address("2001:db8:0:1::"));
  EXPECT_EQ(address("::").plus(UINT64_MAX), address("::ffff:ffff:ffff:ffff"));
  EXPECT_EQ(address("::1:ffff:ffff:ffff:ffff").plus(UINT64_MAX), address("::2:ffff:ffff:ffff:fffe"));
  EXPECT_EQ(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").plus(1), address("::"));
}

TEST(IpPrefix, PrintsWhatItParses) {
  for (const char* text :
       {"0.0.0.0/0", "10.0.0.0/8", "10.66.0.1/32", "::/0", "2001:db8::/32", "2001:db8::1/128", "128.0.0.0/1", "8000::/1"})
    EXPECT_EQ(prefix(text).to_string(), text);
  EXPECT_EQ(prefix("10.66.0.1").to_string(), "10.66.0.1/32");
  EXPECT_EQ(prefix("2001:db8::1").to_string(), "2001:db8::1/128");
}

TEST(IpPrefix, RefusesSetHostBitsAndNamesBothReadings) {
  const auto parsed = IpPrefix::parse("10.0.0.1/8");
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("10.0.0.0/8"), std::string::npos);
  EXPECT_FALSE(IpPrefix::parse("2001:db8::1/127"));
}

TEST(IpPrefix, RefusesBadLengths) {
  using namespace std::string_view_literals;
  for (const auto text :
       {"10.0.0.0/"sv, "10.0.0.0/33"sv, "10.0.0.0/-1"sv, "10.0.0.0/08"sv, "10.0.0.0/+8"sv, "10.0.0.0/8 "sv, "10.0.0.0/8/8"sv,
        "10.0.0.0/0x8"sv, "10.0.0.0/255.0.0.0"sv, "::/129"sv, "::/256"sv, "::/99999999999999999999"sv, "/8"sv, "/"sv})
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
}

TEST(IpPrefix, ConstructorMasksAndClamps) {
  EXPECT_EQ((IpPrefix{address("10.255.255.255"), 9}), prefix("10.128.0.0/9"));
  EXPECT_EQ((IpPrefix{address("10.0.0.1"), 200}), prefix("10.0.0.1/32"));
  EXPECT_EQ((IpPrefix{address("ffff::"), 1}), prefix("8000::/1"));
}

TEST(IpPrefix, ContainsAgreesWithCounting) {
  // Every prefix of 198.51.100.0/24 against every address of it, against plain arithmetic.
  const IpAddress base = address("198.51.100.0");
  for (std::uint8_t length = 24; length <= 32; ++length) {
    const std::uint64_t size = 1ULL << (32U - length);
    for (std::uint64_t start = 0; start < 256; start += size) {
      const IpPrefix block{base.plus(start), length};
      EXPECT_EQ(block.last(), base.plus(start + size - 1));
      for (std::uint64_t i = 0; i < 256; ++i) ASSERT_EQ(block.contains(base.plus(i)), i >= start && i < start + size);
    }
  }
}

TEST(IpPrefix, FamiliesNeverMeet) {
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("::")));
  EXPECT_FALSE(prefix("::/0").contains(prefix("0.0.0.0/0")));
  EXPECT_FALSE(prefix("::/0").overlaps(prefix("10.0.0.0/8")));
}

TEST(IpPrefix, OverlapIsContainmentEitherWay) {
  EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.66.0.0/16")));
  EXPECT_TRUE(prefix("10.66.0.0/16").overlaps(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.0.0.0/9").overlaps(prefix("10.128.0.0/9")));
  EXPECT_FALSE(prefix("10.66.0.0/16").contains(prefix("10.0.0.0/8")));
}

TEST(InterfaceAddress, KeepsItsHostBits) {
  const auto parsed = InterfaceAddress::parse("10.66.0.1/16");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->to_string(), "10.66.0.1/16");
  EXPECT_EQ(parsed->network(), prefix("10.66.0.0/16"));
  for (const char* text : {"10.66.0.1", "10.66.0.1/", "10.66.0.1/33", "x/8", "fd00::1/129"})
    EXPECT_FALSE(InterfaceAddress::parse(text)) << text;
}

TEST(Endpoint, PrintsWhatItParses) {
  for (const char* text : {"192.0.2.1:51820", "192.0.2.1:1", "[2001:db8::1]:65535"})
    EXPECT_EQ(Endpoint::parse(text).value().to_string(), text);
}

TEST(Endpoint, RefusesTheRest) {
  for (const char* text :
       {"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:080", "192.0.2.1:-1", "192.0.2.1: 1",
        "[192.0.2.1]:1", "2001:db8::1:51820", "[2001:db8::1]", "[2001:db8::1]:", "[]:1", "[:1", "]:1", "example.com:1"})
    EXPECT_FALSE(Endpoint::parse(text)) << text;
}

}  // namespace
}  // namespace sanad
