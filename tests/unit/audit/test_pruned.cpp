#include "control/audit/pruned.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "gateway/base/durable_file.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1'795'510'800'000;

TEST(RetentionRecord, IsReadBackAndNothingElseIsTakenForIt) {
  const auto event = [](EventDraft draft) { return boost::json::serialize(draft.event); };
  const auto read = read_minimum_raised(event(minimum_raised({"gw-1", {}, {}, {}}, WallTime::from_ms(kTime), {256, 768, 365})));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->from, 256U);
  EXPECT_EQ(read->to, 768U);
  EXPECT_EQ(read->policy_days, 365);
  const boost::json::object details{{"action", "sessions"}, {"old", 0}, {"new", 256}, {"policy_days", 1}};
  EXPECT_FALSE(read_minimum_raised(event(own_event({}, {}, "retention", details))));
  EXPECT_FALSE(read_minimum_raised(event(own_event({}, {}, "gap", {{"action", "minimum"}, {"old", 0}, {"new", 256}}))));
  // A session event whose texts say the same is none.
  EXPECT_FALSE(read_minimum_raised(
      R"({"class_uid":4014,"unmapped":{"sanad":{"action":"minimum","name":"retention","new":256,"old":0,"policy_days":1}}})"));
  EXPECT_FALSE(read_minimum_raised(R"({"class_uid":0,"note":"\"name\":\"retention\""})"));
  EXPECT_FALSE(read_minimum_raised("\"name\":\"retention\""));
}

struct PrunedLog : TestLog {
  // `before` records, one that raises the minimum, `after` records; published.
  void make(std::size_t before, std::uint64_t minimum, std::size_t after) {
    outbox.add(before);
    retire(0, minimum);
    outbox.add(after);
    publish_all();
  }
  void retire(std::uint64_t from, std::uint64_t to) {
    static const FillRandom random = system_random();
    const auto when = WallTime::from_ms(kTime + static_cast<std::int64_t>(outbox.leaves.size()));
    outbox.leaves.push_back(make_leaf({outbox.first + outbox.leaves.size(), when, 1},
                                      minimum_raised({"gw-1", {}, {}, {}}, when, {from, to, 365}), random)
                                ->bytes);
  }
  [[nodiscard]] fs::path bundle(std::uint64_t number) const { return directory / tile_path({{}, number, kTileWidth}); }
};

TEST(PrunedLog, IsVerifiedFromItsTilesBelowTheMinimum) {
  PrunedLog log;
  log.make(3'000, 1'024, 500);
  ASSERT_TRUE(log.verify());
  EXPECT_FALSE(log.verify()->past_retention) << "nothing is missing yet";
  ASSERT_TRUE(delete_bundles(log.directory, 0, 4));
  ASSERT_TRUE(delete_bundles(log.directory, 0, 4)) << "again: nothing to do";
  for (const unsigned threads : {1U, 4U}) {
    const auto verified = log.verify(threads);
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->checkpoint.size, 3'501U);
    ASSERT_TRUE(verified->past_retention);
    EXPECT_EQ(verified->past_retention->minimum, 1'024U);
    EXPECT_EQ(verified->past_retention->record, 3'000U);
    EXPECT_EQ(verified->first_ms, kTime + 1'024);
  }
  EXPECT_EQ(
      sentence(*log.verify()->past_retention),
      "records 0 to 1023 are past retention: their bundles were deleted on 2026-11-24 (retention record #3000); tiles still "
      "prove them");
}

// After a fork: its bundles begin where its first record does.
TEST(PrunedLog, ALogThatBeginsLaterCountsItsBundlesFromThere) {
  PrunedLog log;
  log.signer = test_signer(1, "sanad/gw-1/from-1000");
  log.keys = TestKeys(log.signer);
  log.outbox.first = 1'000;
  log.restart();
  log.outbox.add(600);
  log.retire(1'000, 1'255);
  log.publish_all();
  ASSERT_TRUE(log.verify()) << log.verify().error().message;
  ASSERT_TRUE(delete_bundles(log.directory, 0, 1));
  EXPECT_FALSE(log.verify()) << "1,255 is still in it";
  log.retire(1'255, 1'256);
  log.publish_all();
  const auto verified = log.verify();
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(sentence(*verified->past_retention).substr(0, 20), "records 1000 to 1255");
}

TEST(PrunedLog, HalfDeletedIsFine) {
  PrunedLog log;
  log.make(3'000, 1'024, 500);
  fs::remove(log.bundle(2));
  ASSERT_TRUE(log.verify()) << "killed while deleting, in whatever order the disk took it";
}

TEST(PrunedLog, ABundleThatNoRecordCoversIsABreak) {
  PrunedLog log;
  log.make(3'000, 1'024, 500);
  ASSERT_TRUE(delete_bundles(log.directory, 0, 4));
  for (const std::uint64_t number : {4U, 7U, 11U}) {
    const auto bytes = read_file(log.bundle(number), kMaxBundleBytes).value();
    fs::remove(log.bundle(number));
    const auto verdict = log.verify();
    ASSERT_FALSE(verdict) << number;
    EXPECT_EQ(verdict.error().code, Errc::not_found);
    EXPECT_EQ(verdict.error().field.find("tile/entries/"), 0U) << verdict.error().message;
    ASSERT_TRUE(write_file_durably(log.bundle(number), bytes, 0644));
    ASSERT_TRUE(log.verify());
  }
  PrunedLog none;
  none.outbox.add(3'000);
  none.publish_all();
  fs::remove(none.bundle(0));
  const auto verdict = none.verify();
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().message.find("no retention record"), std::string::npos) << verdict.error().message;
}

TEST(PrunedLog, TheTilesBelowTheMinimumAreStillHeldToTheRoot) {
  PrunedLog log;
  log.make(3'000, 1'024, 500);
  ASSERT_TRUE(delete_bundles(log.directory, 0, 4));
  const auto tile = log.directory / tile_path({0, 1, kTileWidth});
  auto bytes = read_file(tile, 1U << 20U).value();
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  ASSERT_TRUE(write_file_durably(tile, bytes, 0644));
  EXPECT_FALSE(log.verify());
}

TEST(PrunedLog, TheNewestRecordCounts) {
  PrunedLog log;
  log.make(3'000, 512, 500);
  log.retire(512, 1'280);
  log.outbox.add(700);
  log.publish_all();
  ASSERT_TRUE(delete_bundles(log.directory, 0, 5));
  ASSERT_TRUE(log.verify());
  EXPECT_EQ(log.verify()->past_retention->minimum, 1'280U);
  EXPECT_EQ(log.verify()->past_retention->record, 3'501U);
  fs::remove(log.bundle(5));
  EXPECT_FALSE(log.verify());
}

TEST(PrunedLog, ARecordThatWasPutIntoABundleAfterwardsCoversNothing) {
  PrunedLog log;
  log.outbox.add(2'000);
  log.publish_all();
  fs::remove(log.bundle(0));
  // A forged last bundle: its hash is not the tile's.
  const unsigned width = partial_width(0, 2'000);
  Bytes forged;
  for (std::uint64_t i = 2'000 - width; i + 1 < 2'000; ++i) ASSERT_TRUE(append_entry(forged, as_bytes(log.outbox.leaves[i])));
  static const FillRandom random = system_random();
  const auto leaf = make_leaf({1'999, WallTime::from_ms(kTime), 1}, minimum_raised({}, {}, {0, 256, 1}), random).value();
  ASSERT_TRUE(append_entry(forged, as_bytes(leaf.bytes)));
  ASSERT_TRUE(write_file_durably(log.directory / tile_path({{}, 2'000 / kTileWidth, width}),
                                 {reinterpret_cast<const char*>(forged.data()), forged.size()}, 0644));
  EXPECT_FALSE(newest_retention(log.reader(), 2'000, 0).value());
  EXPECT_FALSE(log.verify());
}

}  // namespace
}  // namespace sanad::audit
