#include "gateway/base/permits.hpp"

#include <gtest/gtest.h>

#include <future>
#include <optional>

namespace sanad {
namespace {

constexpr std::chrono::milliseconds kAtOnce{0};

TEST(Permits, AreLimitedAndComeBackWhenTheyAreDestroyed) {
  const Permits permits{2};
  std::optional first{permits.wait(kAtOnce)};
  auto second = permits.wait(kAtOnce);
  EXPECT_TRUE(*first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(permits.wait(kAtOnce)) << "both are out";
  first.reset();
  EXPECT_TRUE(permits.wait(kAtOnce));
}

TEST(Permits, AMovedPermitIsGivenBackOnce) {
  const Permits permits{1};
  {
    auto one = permits.wait(kAtOnce);
    const auto moved = std::move(one);
    EXPECT_TRUE(moved);
  }
  const auto again = permits.wait(kAtOnce);
  EXPECT_TRUE(again);
  EXPECT_FALSE(permits.wait(kAtOnce));
}

TEST(Permits, WhoWaitsGetsWhatAnotherThreadGivesBack) {
  const Permits permits{1};
  std::optional held{permits.wait(kAtOnce)};
  auto waiting = std::async(std::launch::async, [&permits] { return static_cast<bool>(permits.wait(std::chrono::seconds{60})); });
  held.reset();
  EXPECT_TRUE(waiting.get());
}

TEST(Permits, MayOutliveWhatGaveThem) {
  std::optional permits{Permits{1}};
  const auto permit = permits->wait(kAtOnce);
  permits.reset();
  EXPECT_TRUE(permit);
}

}  // namespace
}  // namespace sanad
