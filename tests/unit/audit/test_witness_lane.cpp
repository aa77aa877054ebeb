#include <gtest/gtest.h>

#include "control/audit/witness_lane.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

using std::chrono::seconds;
using What = WitnessLane::Next::What;

class WitnessLaneTest : public ::testing::Test {
 protected:
  // One whole round that ends well.
  void cosign(std::uint64_t size) {
    ASSERT_TRUE(lane_.due(size, now_));
    (void)lane_.begin(now_);
    const auto next = answer(200, cosignature(size, size), size);
    ASSERT_EQ(next.what, What::keep);
    lane_.kept({size, next.cosignature.timestamp}, now_);
  }
  [[nodiscard]] static std::string text(std::uint64_t size) {
    return checkpoint_text({"sanad/gw-1", size, leaf_hash(as_bytes(std::to_string(size))), {}});
  }
  [[nodiscard]] std::string cosignature(std::uint64_t size, std::uint64_t time) const {
    return cosign_note(text(size), witness_, time).value();
  }
  WitnessLane::Next answer(unsigned status, const std::string& body, std::uint64_t size, std::uint64_t old_size = 0) {
    return lane_.answered(status, body, {old_size, size, text(size)}, now_);
  }
  void pass(std::chrono::nanoseconds time) { now_ = now_ + time; }

  Signer witness_ = test_signer(9, "witness.example");
  BootTime now_{1'000'000'000'000};
  WitnessLane lane_{verifier_of(witness_, KeyType::cosignature_v1).value(),
                    {seconds(10), seconds(60)},
                    {now_, WallTime{1'795'510'800'000'000'000}}};
};

TEST_F(WitnessLaneTest, AsksEveryIntervalWhileThereIsSomethingNew) {
  EXPECT_FALSE(lane_.due(0, now_));
  cosign(5);
  EXPECT_EQ(lane_.cosigned()->size, 5U);
  EXPECT_FALSE(lane_.due(6, now_));
  pass(seconds(10));
  EXPECT_FALSE(lane_.due(5, now_));
  ASSERT_TRUE(lane_.due(6, now_));
  EXPECT_EQ(lane_.begin(now_), 5U);
  EXPECT_FALSE(lane_.due(6, now_)) << "one round at a time";
  lane_.nothing_new(now_);
  EXPECT_FALSE(lane_.due(6, now_));
  EXPECT_TRUE(lane_.problem().empty());
}

TEST_F(WitnessLaneTest, RestsLongerWithEachFailureAndNeverLongerThanAMinute) {
  std::vector<std::int64_t> rests;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(lane_.due(1, now_));
    (void)lane_.begin(now_);
    lane_.failed("couldn't connect", now_);
    std::int64_t rest = 0;
    for (; !lane_.due(1, now_); ++rest) pass(seconds(1));
    rests.push_back(rest);
  }
  EXPECT_EQ((std::vector<std::int64_t>(rests.begin(), rests.begin() + 4)), (std::vector<std::int64_t>{10, 20, 40, 60}));
  EXPECT_EQ(rests.back(), 60);
  EXPECT_EQ(lane_.failures(), 20U);
  EXPECT_EQ(lane_.problem(), "couldn't connect");
  cosign(1);
  EXPECT_TRUE(lane_.problem().empty());
  pass(seconds(10));
  (void)lane_.begin(now_);
  lane_.failed("couldn't connect", now_);
  pass(seconds(10));
  EXPECT_TRUE(lane_.due(2, now_)) << "patience is new after a success";
}

TEST_F(WitnessLaneTest, AnotherSizeIsTakenFromTheAnswerAFewTimes) {
  (void)lane_.begin(now_);
  const auto next = answer(409, "3\n", 7);
  ASSERT_EQ(next.what, What::ask_again);
  EXPECT_EQ(next.old_size, 3U);
  EXPECT_EQ(answer(409, "4\n", 7, 3).what, What::ask_again);
  EXPECT_EQ(answer(409, "5\n", 7, 4).what, What::rest);
  EXPECT_NE(lane_.problem().find("another size each time"), std::string::npos);
  // The next round begins with what was said last.
  pass(seconds(10));
  EXPECT_EQ(lane_.begin(now_), 4U);
}

TEST_F(WitnessLaneTest, NonsenseHarmsNothing) {
  const std::vector<std::pair<unsigned, std::string>> nonsense{{200, ""},
                                                               {200, "<html>hello</html>\n"},
                                                               {200, std::string(100'000, 'x')},
                                                               {200, cosignature(6, 1)},
                                                               {200, cosignature(7, 0)},
                                                               {200, cosign_note(text(7), test_signer(8), 5).value()},
                                                               {409, ""},
                                                               {409, "<html>"},
                                                               {409, "0\n"},
                                                               {409, "99999999999999999999\n"},
                                                               {301, "/elsewhere"},
                                                               {500, ""},
                                                               {0, ""}};
  for (const auto& [status, body] : nonsense) {
    pass(seconds(60));
    (void)lane_.begin(now_);
    EXPECT_EQ(answer(status, body, 7).what, What::rest) << status << body;
    EXPECT_FALSE(lane_.problem().empty());
    EXPECT_EQ(lane_.problem().find("html"), std::string::npos) << "the witness's words";
    EXPECT_FALSE(lane_.cosigned());
  }
  EXPECT_EQ(lane_.failures(), nonsense.size());
}

TEST_F(WitnessLaneTest, ASizeThatNobodySignedIsForgottenAfterTheRound) {
  cosign(5);
  pass(seconds(10));
  (void)lane_.begin(now_);
  EXPECT_EQ(answer(409, "999999999\n", 7, 5).what, What::rest);
  EXPECT_EQ(lane_.observe(7, now_), WitnessAlarm::refused);
  pass(seconds(60));
  ASSERT_TRUE(lane_.due(7, now_));
  EXPECT_EQ(lane_.begin(now_), 5U);
  lane_.kept({7, 1}, now_);
  EXPECT_EQ(lane_.observe(7, now_), WitnessAlarm::none);
}

TEST_F(WitnessLaneTest, TheLagIsTheAgeOfTheOldestUncoveredRecord) {
  EXPECT_EQ(lane_.observe(5, now_), std::nullopt);
  cosign(5);
  EXPECT_EQ(lane_.observe(5, now_), std::nullopt);
  EXPECT_EQ(lane_.lag(now_), seconds(0));
  pass(seconds(30));  // idle: nothing is uncovered
  EXPECT_EQ(lane_.observe(5, now_), std::nullopt);
  EXPECT_EQ(lane_.lag(now_), seconds(0));
  EXPECT_EQ(lane_.observe(8, now_), std::nullopt);
  pass(seconds(7));
  EXPECT_EQ(lane_.lag(now_), seconds(7));
  EXPECT_EQ(lane_.lag_records(), 3U);
  // More comes while a round is under way: that is uncovered since the round began at most.
  (void)lane_.begin(now_);
  pass(seconds(2));
  EXPECT_EQ(lane_.observe(9, now_), std::nullopt);
  lane_.kept({8, 1}, now_);
  EXPECT_EQ(lane_.lag(now_), seconds(2));
  EXPECT_EQ(lane_.lag_records(), 1U);
}

TEST_F(WitnessLaneTest, AnAlarmIsToldOnceForEachCrossing) {
  EXPECT_EQ(lane_.observe(5, now_), std::nullopt);
  pass(seconds(59));
  EXPECT_EQ(lane_.observe(5, now_), std::nullopt);
  pass(seconds(1));
  EXPECT_EQ(lane_.observe(5, now_), WitnessAlarm::behind);
  pass(seconds(600));
  EXPECT_EQ(lane_.observe(50, now_), std::nullopt);
  cosign(50);
  EXPECT_EQ(lane_.observe(50, now_), WitnessAlarm::none);
  EXPECT_EQ(lane_.observe(50, now_), std::nullopt);
}

TEST_F(WitnessLaneTest, AnotherHistoryIsAnAlarmAtOnce) {
  cosign(5);
  EXPECT_EQ(lane_.observe(6, now_), std::nullopt);
  pass(seconds(10));
  (void)lane_.begin(now_);
  EXPECT_EQ(answer(422, "no\n", 6, 5).what, What::rest);
  EXPECT_EQ(lane_.observe(6, now_), WitnessAlarm::refused);
  // A log that was cut back below what was cosigned.
  pass(seconds(60));
  ASSERT_TRUE(lane_.due(3, now_)) << "it is asked again, whatever the log has now";
  (void)lane_.begin(now_);
  EXPECT_EQ(answer(409, "5\n", 3).what, What::rest);
  EXPECT_NE(lane_.problem().find("it has cosigned 5 records and this log has 3"), std::string::npos) << lane_.problem();
  EXPECT_EQ(lane_.observe(3, now_), std::nullopt);
  pass(seconds(60));
  cosign(9);
  EXPECT_EQ(lane_.observe(9, now_), WitnessAlarm::none);
}

TEST_F(WitnessLaneTest, ARestartKnowsHowLongItHasBeen) {
  lane_.restore({5, 1'795'510'800 - 50}, {now_, WallTime{1'795'510'800'000'000'000}});
  EXPECT_EQ(lane_.observe(7, now_), std::nullopt);
  EXPECT_EQ(lane_.lag(now_), seconds(50));
  pass(seconds(10));
  EXPECT_EQ(lane_.observe(7, now_), WitnessAlarm::behind);
  EXPECT_EQ(lane_.begin(now_), 5U);
}

}  // namespace
}  // namespace sanad::audit
