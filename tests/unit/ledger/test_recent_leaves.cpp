#include <gtest/gtest.h>

#include "control/ledger/recent_leaves.hpp"
#include "gateway/base/result.hpp"

namespace sanad::ledger {
namespace {

using Leaves = std::vector<std::string>;

LeafRun run(const Leaves& leaves) {
  LeafRun out;
  for (const auto& leaf : leaves) out.add(leaf);
  return out;
}

TEST(RecentLeaves, AreGivenInOrderAndOnce) {
  RecentLeaves recent;
  recent.add(5, run({"five", "six"}));
  recent.add(7, run({"seven"}));
  EXPECT_EQ(recent.take(5, 2), (Leaves{"five", "six"}));
  EXPECT_EQ(recent.take(5, 2), Leaves{});
  EXPECT_EQ(recent.take(7, 9), Leaves{"seven"});
  EXPECT_EQ(recent.take(8, 9), Leaves{});
}

TEST(LeafRun, GivesItsLeavesAloneAndTogether) {
  LeafRun leaves = run({"a", "", "bcd"});
  EXPECT_EQ(leaves[0], "a");
  EXPECT_EQ(leaves[1], "");
  EXPECT_EQ(leaves[2], "bcd");
  EXPECT_EQ(leaves.text(0, 3), "a\n\nbcd");
  EXPECT_EQ(leaves.text(1, 2), "\nbcd");
}

TEST(LeafRun, HoldsNothingOfALeafThatFailedOrWasCut) {
  LeafRun leaves = run({"a"});
  const auto failed = leaves.add_with([](std::string& out) -> Result<void> {
    out += "half";
    return Error{Errc::invalid_argument, "no"};
  });
  EXPECT_FALSE(failed);
  leaves.add("b");
  leaves.add("c");
  EXPECT_EQ(leaves.text(0, 3), "a\nb\nc");
  leaves.cut(1);
  leaves.add("d");
  EXPECT_EQ(leaves.text(0, 2), "a\nd");
  leaves.cut(0);
  EXPECT_TRUE(leaves.empty());
  EXPECT_EQ(leaves.bytes(), 0U);
}

TEST(RecentLeaves, SkipWhatIsBelow) {
  RecentLeaves recent;
  recent.add(0, run({"zero", "one", "two"}));
  EXPECT_EQ(recent.take(2, 9), Leaves{"two"});
}

TEST(RecentLeaves, SayNothingOfWhatTheyDoNotHave) {
  RecentLeaves recent;
  recent.add(3, run({"three"}));
  EXPECT_EQ(recent.take(2, 9), Leaves{});
  EXPECT_EQ(recent.take(3, 9), Leaves{"three"});
}

TEST(RecentLeaves, StartAnewBehindAHole) {
  RecentLeaves recent;
  recent.add(0, run({"zero"}));
  recent.add(9, run({"nine"}));
  EXPECT_EQ(recent.take(0, 9), Leaves{});
  EXPECT_EQ(recent.take(9, 9), Leaves{"nine"});
}

TEST(RecentLeaves, ForgetTheOldestBeyondTheBound) {
  RecentLeaves recent(15);
  recent.add(0, run({"0123"}));
  recent.add(1, run({"4567", "89ab"}));
  recent.add(3, run({"c"}));
  EXPECT_EQ(recent.take(0, 9), Leaves{});
  EXPECT_EQ(recent.take(1, 1), Leaves{"4567"});
  EXPECT_EQ(recent.take(2, 9), (Leaves{"89ab", "c"}));
}

}  // namespace
}  // namespace sanad::ledger
