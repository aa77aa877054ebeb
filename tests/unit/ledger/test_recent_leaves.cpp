#include <gtest/gtest.h>

#include "control/ledger/recent_leaves.hpp"

namespace sanad::ledger {
namespace {

using Leaves = std::vector<std::string>;

TEST(RecentLeaves, AreGivenInOrderAndOnce) {
  RecentLeaves recent;
  recent.add(5, {"five", "six"});
  recent.add(7, {"seven"});
  EXPECT_EQ(recent.take(5, 2), (Leaves{"five", "six"}));
  EXPECT_EQ(recent.take(5, 2), Leaves{});
  EXPECT_EQ(recent.take(7, 9), Leaves{"seven"});
  EXPECT_EQ(recent.take(8, 9), Leaves{});
}

TEST(RecentLeaves, SkipWhatIsBelow) {
  RecentLeaves recent;
  recent.add(0, {"zero", "one", "two"});
  EXPECT_EQ(recent.take(2, 9), Leaves{"two"});
}

TEST(RecentLeaves, SayNothingOfWhatTheyDoNotHave) {
  RecentLeaves recent;
  recent.add(3, {"three"});
  EXPECT_EQ(recent.take(2, 9), Leaves{});
  EXPECT_EQ(recent.take(3, 9), Leaves{"three"});
}

TEST(RecentLeaves, StartAnewBehindAHole) {
  RecentLeaves recent;
  recent.add(0, {"zero"});
  recent.add(9, {"nine"});
  EXPECT_EQ(recent.take(0, 9), Leaves{});
  EXPECT_EQ(recent.take(9, 9), Leaves{"nine"});
}

TEST(RecentLeaves, ForgetTheOldestBeyondTheBound) {
  RecentLeaves recent(10);
  recent.add(0, {"0123", "4567", "89ab"});
  EXPECT_EQ(recent.take(0, 9), Leaves{});
  EXPECT_EQ(recent.take(1, 9), (Leaves{"4567", "89ab"}));
}

}  // namespace
}  // namespace sanad::ledger
