#include "gateway/base/secret.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace sanad {
namespace {

std::array<std::uint8_t, 32> filled(std::uint8_t with) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(with);
  return bytes;
}

TEST(Wipe, EmptySpanIsFine) {
  wipe({});  // explicit_bzero(NULL, 0) would be undefined: the sanitizer build tells
  std::array<std::uint8_t, 4> kept{1, 2, 3, 4};
  wipe(std::span<std::uint8_t>(kept).subspan(2, 0));
  EXPECT_EQ(kept, (std::array<std::uint8_t, 4>{1, 2, 3, 4}));
}

TEST(Wipe, TouchesTheSpanAndNothingElse) {
  std::array<std::uint8_t, 4> bytes{1, 2, 3, 4};
  wipe(std::span<std::uint8_t>(bytes).subspan(1, 2));
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 4>{1, 0, 0, 4}));
}

TEST(Secret32, ComparesByContent) {
  const Secret32 a(filled(7));
  Secret32 b(filled(7));
  EXPECT_TRUE(a == b);
  auto other = filled(7);
  other[31] = 8;
  EXPECT_FALSE(a == Secret32(other));
  EXPECT_TRUE(Secret32{}.is_zero());
  EXPECT_FALSE(a.is_zero());
}

TEST(Secret32, LeavesNothingBehind) {
  alignas(Secret32) std::array<std::uint8_t, sizeof(Secret32)> memory{};
  auto* secret = new (memory.data()) Secret32(filled(0xAB));
  EXPECT_EQ(std::count(memory.begin(), memory.end(), 0xAB), 32);
  secret->~Secret32();
  EXPECT_EQ(std::count(memory.begin(), memory.end(), 0xAB), 0);
}

}  // namespace
}  // namespace sanad
