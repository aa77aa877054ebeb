#include "gateway/base/encoding.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "gateway/base/sha256.hpp"

namespace sanad {
namespace {

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// RFC 4648 section 10.
constexpr std::array<std::pair<const char*, const char*>, 7> kRfc4648{{{"", ""},
                                                                       {"f", "Zg=="},
                                                                       {"fo", "Zm8="},
                                                                       {"foo", "Zm9v"},
                                                                       {"foob", "Zm9vYg=="},
                                                                       {"fooba", "Zm9vYmE="},
                                                                       {"foobar", "Zm9vYmFy"}}};

TEST(Base64, VectorsOfTheRfc) {
  for (const auto& [plain, encoded] : kRfc4648) {
    EXPECT_EQ(base64_encode(as_bytes(plain)), encoded);
    EXPECT_EQ(text_of(base64_decode(encoded).value()), plain);
  }
}

TEST(Base64Url, VectorsWithoutPadding) {
  for (const auto& [plain, encoded] : kRfc4648) {
    std::string bare = encoded;
    while (bare.ends_with('=')) bare.pop_back();
    EXPECT_EQ(base64url_encode(as_bytes(plain)), bare);
    EXPECT_EQ(text_of(base64url_decode(bare).value()), plain);
  }
}

TEST(Base64, AlphabetsDifferInTwoCharacters) {
  const std::array<std::uint8_t, 3> bytes{0xfb, 0xff, 0xfe};
  EXPECT_EQ(base64_encode(bytes), "+//+");
  EXPECT_EQ(base64url_encode(bytes), "-__-");
  EXPECT_FALSE(base64_decode("-__-"));
  EXPECT_FALSE(base64url_decode("+//+"));
}

TEST(Base64, EveryLengthComesBack) {
  Bytes bytes;
  for (std::size_t n = 0; n < 260; ++n) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)).value(), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)).value(), bytes);
    EXPECT_EQ(hex_decode(hex_encode(bytes)).value(), bytes);
    bytes.push_back(static_cast<std::uint8_t>(n * 167));
  }
}

TEST(Base64, OneSpellingOnly) {
  using namespace std::string_view_literals;
  for (const auto text : {"Zg"sv, "Zg="sv, "Zg==="sv, "Zg==="sv, "===="sv, "="sv, "Z==="sv, "Zg==Zg=="sv, "Z=g="sv, "Zh=="sv,
                          "Zm9="sv, " Zg=="sv, "Zg==\n"sv, "Zm 9v"sv, "Zm9v\0"sv, "Zm9\0"sv, "Zm9\x80"sv, "Zm9v===="sv}) {
    const auto decoded = base64_decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Errc::invalid_argument);
  }
  for (const auto text : {"Z"sv, "Zg=="sv, "Zh"sv, "Zm9"sv, "Zm9vZ"sv}) EXPECT_FALSE(base64url_decode(text)) << text;
}

TEST(Hex, LowerCaseOnly) {
  const std::array<std::uint8_t, 4> bytes{0x00, 0x1f, 0xab, 0xff};
  EXPECT_EQ(hex_encode(bytes), "001fabff");
  EXPECT_TRUE(hex_decode("001fabff"));
  for (const char* text : {"001FABFF", "0", "001", "0g", " 00", "0x00", "\xc3\xa4"}) EXPECT_FALSE(hex_decode(text)) << text;
}

// FIPS 180-4 examples.
TEST(Sha256, KnownDigests) {
  EXPECT_EQ(hex_encode(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_encode(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_encode(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace
}  // namespace sanad
