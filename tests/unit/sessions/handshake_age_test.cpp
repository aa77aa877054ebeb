#include "gateway/sessions/handshake_age.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace sanad::sessions {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kEpoch = 1'800'000'000;  // wall seconds at boot

Instant at(std::int64_t boot_s, std::int64_t step_s = 0) {
  return Instant{BootTime{boot_s * kSecond}, WallTime{(kEpoch + boot_s + step_s) * kSecond}};
}
wg::HandshakeTime stamped(std::int64_t boot_s, std::int64_t step_s = 0) { return {kEpoch + boot_s + step_s, 0}; }

TEST(PlaceHandshake, StandsWhereTheClockSaysBetweenTheSamples) {
  EXPECT_EQ(place_handshake(stamped(105), at(100), at(110)), BootTime{105 * kSecond});
}

TEST(PlaceHandshake, IsExactWhenTheClockStepsAfterIt) {
  for (const std::int64_t step : {-86'400, -30, 30, 86'400}) {
    EXPECT_EQ(place_handshake(stamped(105), at(100), at(110, step)), BootTime{105 * kSecond}) << step;
  }
}

TEST(PlaceHandshake, IsExactWhenTheClockStepsBeforeIt) {
  for (const std::int64_t step : {-86'400, -30, 30, 86'400}) {
    EXPECT_EQ(place_handshake(stamped(105, step), at(100), at(110, step)), BootTime{105 * kSecond}) << step;
  }
}

TEST(PlaceHandshake, ClampsWhatFitsNeitherClock) {
  EXPECT_EQ(place_handshake(stamped(50), at(100), at(110)), BootTime{100 * kSecond});
  EXPECT_EQ(place_handshake(stamped(500), at(100), at(110)), BootTime{110 * kSecond});
}

TEST(PlaceHandshake, SurvivesAbsurdStamps) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(place_handshake({kMax, kMax}, at(100), at(110)), BootTime{110 * kSecond});
  EXPECT_EQ(place_handshake({kMin, kMin}, at(100), at(110)), BootTime{100 * kSecond});
}

TEST(NearlySame, IsWithinASecondEitherWay) {
  EXPECT_TRUE(nearly_same({10, 900'000'000}, {11, 100'000'000}));
  EXPECT_TRUE(nearly_same({11, 100'000'000}, {10, 900'000'000}));
  EXPECT_FALSE(nearly_same({10, 0}, {11, 0}));
}

}  // namespace
}  // namespace sanad::sessions
