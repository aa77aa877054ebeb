#include "gateway/wg/key.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_set>

#include "gateway/base/encoding.hpp"

namespace sanad::wg {
namespace {

Secret32 secret(std::string_view hex) {
  const Bytes bytes = hex_decode(hex).value();
  return Secret32(std::span<const std::uint8_t, 32>(bytes));
}

std::string public_hex(const Secret32& key) { return hex_encode(derive_public_key(key).value().bytes()); }

// RFC 7748 section 6.1.
TEST(Keys, DeriveAsTheRfcDoes) {
  EXPECT_EQ(public_hex(secret("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(public_hex(secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

TEST(Keys, GeneratedOnesAreClampedAndDiffer) {
  std::unordered_set<std::string> seen;
  for (int i = 0; i < 64; ++i) {
    const auto key = generate_private_key().value();
    const auto bytes = key.reveal();
    EXPECT_EQ(bytes[0] & 7U, 0U);
    EXPECT_EQ(bytes[31] & 0xc0U, 0x40U);
    EXPECT_TRUE(seen.insert(secret_to_base64(key)).second);
    EXPECT_TRUE(seen.insert(secret_to_base64(generate_preshared_key().value())).second);
  }
}

TEST(Keys, ClampingDoesNotChangeThePublicKey) {
  auto raw = hex_decode("ff076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92cff").value();
  const Secret32 unclamped(std::span<const std::uint8_t, 32>{raw});
  raw[0] &= 0xf8U;
  raw[31] = static_cast<std::uint8_t>((raw[31] & 0x7fU) | 0x40U);
  EXPECT_EQ(public_hex(unclamped), public_hex(Secret32(std::span<const std::uint8_t, 32>{raw})));
}

TEST(Keys, Base64ComesBack) {
  const auto key = generate_private_key().value();
  const std::string text = secret_to_base64(key);
  EXPECT_EQ(text.size(), 44U);
  EXPECT_TRUE(secret_from_base64(text).value() == key);
  const auto derived = derive_public_key(key).value();
  EXPECT_EQ(PublicKey::from_base64(derived.to_base64()).value(), derived);
}

TEST(Keys, OnlyTheOneSpellingIsTaken) {
  const std::string good = derive_public_key(generate_private_key().value()).value().to_base64();
  std::string stray = good;
  stray[42] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[63];  // two bits too many
  for (const std::string& text :
       {std::string(), good.substr(1), good + "=", good.substr(0, 43), good + "\n", " " + good, stray, std::string(44, 'A'),
        std::string(44, '='), good.substr(0, 40) + "\n" + good.substr(41), std::string(64, 'a'), std::string(1'000'000, 'A')}) {
    EXPECT_FALSE(PublicKey::from_base64(text)) << text.substr(0, 80);
    const auto parsed = secret_from_base64(text);
    ASSERT_FALSE(parsed) << text.substr(0, 80);
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument);
    if (text.size() > 1) {
      EXPECT_EQ(parsed.error().message.find(text), std::string::npos) << "a secret must not be quoted";
    }
  }
}

TEST(Keys, ZeroIsAKeyOfItsOwn) {
  EXPECT_TRUE(PublicKey{}.is_zero());
  EXPECT_EQ(PublicKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").value(), PublicKey{});
}

}  // namespace
}  // namespace sanad::wg
