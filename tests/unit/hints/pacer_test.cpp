#include "gateway/hints/pacer.hpp"

#include <gtest/gtest.h>

namespace sanad::hints {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

BootTime at(nanoseconds since_boot) { return BootTime{since_boot.count()}; }

TEST(Pacer, NothingToSeeWithoutAHint) {
  Pacer pacer;
  EXPECT_EQ(pacer.due(), std::nullopt);
  pacer.looked(at(seconds{1}), at(seconds{2}));
  EXPECT_EQ(pacer.due(), std::nullopt);
}

TEST(Pacer, AReadingFollowsAHintSoonAndAnswersThoseBeforeIt) {
  Pacer pacer;
  pacer.hint(at(seconds{10}));
  pacer.hint(at(seconds{10} + milliseconds{1}));
  EXPECT_EQ(pacer.due(), at(seconds{10} + Pacer::kSettle));
  pacer.looked(at(seconds{10} + milliseconds{3}), at(seconds{10} + milliseconds{4}));
  EXPECT_EQ(pacer.due(), std::nullopt);
}

TEST(Pacer, AHintDuringAReadingAsksForOneMore) {
  Pacer pacer;
  pacer.hint(at(seconds{10}));
  pacer.hint(at(seconds{12}));
  pacer.looked(at(seconds{11}), at(seconds{13}));
  ASSERT_TRUE(pacer.due());
  EXPECT_GE(*pacer.due(), at(seconds{13}));
  pacer.looked(*pacer.due(), *pacer.due() + seconds{1});
  EXPECT_EQ(pacer.due(), std::nullopt);
}

// Handshakes without end, and a device that takes half a second to read.
TEST(Pacer, AStormTakesItsShareAndNoMore) {
  constexpr milliseconds kReading{500};
  Pacer pacer;
  nanoseconds reading{};
  BootTime now = at(seconds{1000});
  const BootTime end = now + std::chrono::minutes{10};
  while (now < end) {
    pacer.hint(now);
    if (*pacer.due() <= now) {
      const BootTime began = now;
      now = now + kReading;
      reading += kReading;
      pacer.looked(began, now);
    } else {
      now = now + milliseconds{1};
    }
  }
  const auto share =
      static_cast<double>(reading.count()) / std::chrono::duration<double, std::nano>(std::chrono::minutes{10}).count();
  EXPECT_LE(share, 1.0 / Pacer::kShare + 0.001);
  EXPECT_GE(share, 0.9 / Pacer::kShare) << "hints must not starve";
}

// Polls count too: a hint right after one waits its turn.
TEST(Pacer, APollOfABigDeviceDelaysTheReadingAfterIt) {
  Pacer pacer;
  pacer.looked(at(seconds{10}), at(seconds{11}));
  pacer.hint(at(seconds{11}));
  EXPECT_EQ(pacer.due(), at(seconds{20}));
}

}  // namespace
}  // namespace sanad::hints
