#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "gateway/base/durable_file.hpp"
#include "tests/unit/audit/log_fixture.hpp"
#include "tests/unit/audit/rfc6962.hpp"

namespace sanad::audit {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) { return read_file(path, 1U << 26U).value(); }
void overwrite(const fs::path& path, const std::string& text) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

TEST(Publisher, WritesWhatTheStandardSaysAtEverySize) {
  TestLog log;
  ASSERT_FALSE(log.publish()->changed);
  EXPECT_FALSE(fs::exists(log.directory / "checkpoint"));
  std::mt19937_64 random(11);
  while (log.outbox.leaves.size() < 1'200) {
    log.outbox.add(1 + random() % 90);
    const auto published = log.publish();
    ASSERT_TRUE(published) << published.error().message;
    EXPECT_TRUE(published->changed);
    EXPECT_EQ(published->checkpoint.root, rfc6962::mth(log.outbox.leaves));
    ASSERT_NO_FATAL_FAILURE(log.check(log.outbox.leaves.size()));
  }
  EXPECT_EQ(log.outbox.dropped, log.outbox.leaves.size() / 256 * 256);
  EXPECT_FALSE(log.publish()->changed);
  EXPECT_EQ(contents(log.directory / "checkpoint"), log.outbox.notes.back());
  // Partial forms of what is full are gone.
  EXPECT_FALSE(fs::exists(log.directory / "tile/0/000.p"));
  EXPECT_FALSE(fs::exists(log.directory / "tile/entries/000.p"));
  EXPECT_TRUE(fs::exists(log.directory / "tile/1/000.p"));
}

TEST(Publisher, CarriesOnAfterEveryRestart) {
  TestLog log;
  std::mt19937_64 random(12);
  while (log.outbox.leaves.size() < 70'000) {
    log.outbox.add(1 + random() % 9'000);
    log.restart();
    ASSERT_NO_FATAL_FAILURE(log.publish_all());
  }
  ASSERT_NO_FATAL_FAILURE(log.check(log.outbox.leaves.size()));
}

TEST(Publisher, PublishesABurstInSteps) {
  TestLog log;
  log.outbox.add(20'000);
  const auto first = log.publish();
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->more);
  EXPECT_EQ(first->checkpoint.size, 16'384U);
  ASSERT_NO_FATAL_FAILURE(log.check(16'384));
  EXPECT_FALSE(log.publish()->more);
  ASSERT_NO_FATAL_FAILURE(log.check(20'000));
}

// Every call to the outbox fails once; with and without a restart after it.
TEST(Publisher, AFailingOutboxLosesNothingAndSignsNothingTwice) {
  for (const bool restart : {false, true}) {
    TestLog log;
    int failures = 0;
    for (int at = 0; at < 60; ++at) {
      log.outbox.add(100);
      log.outbox.calls_until_failure = at % 7;
      if (!log.publish()) ++failures;
      log.outbox.calls_until_failure = -1;
      if (restart) log.restart();
      ASSERT_NO_FATAL_FAILURE(log.publish_all());
      ASSERT_NO_FATAL_FAILURE(log.check(log.outbox.leaves.size()));
    }
    EXPECT_GT(failures, 15);
  }
}

TEST(Publisher, ACheckpointStoredButNotRenamedIsPublishedAtTheNextStart) {
  TestLog log;
  log.outbox.add(300);
  ASSERT_TRUE(log.publish());
  const std::string older = contents(log.directory / "checkpoint");
  log.outbox.add(7);
  ASSERT_TRUE(log.publish());
  overwrite(log.directory / "checkpoint", older);
  log.restart();
  EXPECT_FALSE(log.publish()->changed);
  ASSERT_NO_FATAL_FAILURE(log.check(307));
  fs::remove(log.directory / "checkpoint");
  log.restart();
  ASSERT_TRUE(log.publish());
  ASSERT_NO_FATAL_FAILURE(log.check(307));
}

TEST(Publisher, TornAndMissingPartialsAreMadeAgain) {
  TestLog log;
  log.outbox.add(520);
  ASSERT_TRUE(log.publish());
  for (const char* name : {"tile/0/002.p/8", "tile/entries/002.p/8", "tile/1/000.p/2"}) {
    for (const bool missing : {false, true}) {
      const auto good = contents(log.directory / name);
      fs::remove(log.directory / name);
      if (!missing) overwrite(log.directory / name, good.substr(0, good.size() / 2));
      log.restart();
      ASSERT_TRUE(log.publish()) << name;
      EXPECT_EQ(contents(log.directory / name), good);
      ASSERT_NO_FATAL_FAILURE(log.check(520));
    }
  }
  // What a killed process left half written.
  overwrite(log.directory / ".incoming-7", "half");
  log.outbox.add(1);
  log.restart();
  ASSERT_TRUE(log.publish());
  EXPECT_FALSE(fs::exists(log.directory / ".incoming-7"));
  ASSERT_NO_FATAL_FAILURE(log.check(521));
}

void expect_refusal(TestLog& log, const std::string& words) {
  log.restart();
  const auto refused = log.publish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::corrupt);
  EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
  EXPECT_FALSE(refused.error().hint.empty());
}

TEST(Publisher, RefusesALogAheadOfItsState) {
  TestLog log;
  log.outbox.add(300);
  ASSERT_TRUE(log.publish());
  log.outbox.add(10);
  ASSERT_TRUE(log.publish());
  log.outbox.notes.pop_back();
  log.outbox.leaves.resize(300);
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "state.db is older than the log"));
  log.outbox.notes.clear();
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "state.db is older than the log"));
}

TEST(Publisher, RefusesALogBesideItsState) {
  TestLog log;
  log.outbox.add(300);
  ASSERT_TRUE(log.publish());
  // The same size with another root, signed by the very key.
  const Checkpoint other{log.signer.name, 300, leaf_hash({}), {}};
  const auto good = contents(log.directory / "checkpoint");
  overwrite(log.directory / "checkpoint", sign_checkpoint(other, log.signer).value());
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "another root"));
  overwrite(log.directory / "checkpoint", sign_checkpoint({log.signer.name, 200, leaf_hash({}), {}}, log.signer).value());
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "another root"));
  overwrite(log.directory / "checkpoint",
            sign_checkpoint({"sanad/gw-2", 300, leaf_hash({}), {}}, test_signer(2, "sanad/gw-2")).value());
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "not of this log's keys"));
  overwrite(log.directory / "checkpoint", "nonsense");
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "not of this log's keys"));
  overwrite(log.directory / "checkpoint", good);
  // A full tile that is not that of the records.
  const auto tile = contents(log.directory / "tile/0/000");
  auto changed = tile;
  changed[5] = static_cast<char>(changed[5] ^ 1);
  overwrite(log.directory / "tile/0/000", changed);
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "do not have the root"));
  fs::remove(log.directory / "tile/0/000");
  ASSERT_NO_FATAL_FAILURE(expect_refusal(log, "lacks"));
  overwrite(log.directory / "tile/0/000", tile);
  log.restart();
  ASSERT_TRUE(log.publish());
  ASSERT_NO_FATAL_FAILURE(log.check(300));
}

TEST(Publisher, RefusesTilesOfOtherRecordsInItsWay) {
  TestLog log;
  log.outbox.add(200);
  ASSERT_TRUE(log.publish());
  // Full tiles written before a kill, and then an outbox that was put back to other records.
  log.outbox.add(56);
  overwrite(log.directory / "tile/entries/000", "other records");
  const auto refused = log.publish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::corrupt);
  EXPECT_EQ(log.outbox.notes.size(), 1U);
  ASSERT_NO_FATAL_FAILURE(log.check(200));
}

TEST(Publisher, KeepsTheLastCheckpointOfEveryHour) {
  TestLog log;
  constexpr std::int64_t kHour = 3'600'000;
  std::int64_t at = 1'795'510'800'000 / kHour * kHour;
  std::vector<std::uint64_t> last_of_hour;
  for (int hour = 0; hour < 5; ++hour) {
    for (int i = 0; i < 3; ++i) {
      log.outbox.add(100);
      ASSERT_TRUE(log.publish(at + i * 1000));
    }
    last_of_hour.push_back(log.outbox.leaves.size());
    at += kHour;
  }
  last_of_hour.pop_back();  // the hour is not over
  EXPECT_EQ(log.reader().archived_sizes().value(), last_of_hour);
  const auto verified = log.verify();
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->archived, 4U);
}

TEST(Publisher, FullDisksAndMissingDirectoriesAreErrorsNotSignatures) {
  TestLog log;
  log.outbox.add(10);
  // A file where a directory has to be.
  overwrite(log.directory / "tile", "in the way");
  const auto refused = log.publish();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(log.outbox.notes.empty());
  fs::remove(log.directory / "tile");
  ASSERT_TRUE(log.publish());
  ASSERT_NO_FATAL_FAILURE(log.check(10));
  EXPECT_EQ(LogStore::open(log.directory / "no" / "such").error().code, Errc::not_found);
}

// More files than are open at a time, with a directory in the way of one in the middle: those before it have their names, those
// behind it none, and nothing is signed until all have.
TEST(Publisher, AFileThatCannotBeNamedAmongManyStopsTheSignatureAlone) {
  TestLog log;
  constexpr std::uint64_t kRecords = 40 * kTileWidth + 3;
  log.outbox.add(kRecords);
  const fs::path in_the_way = log.directory / "tile/entries/036";
  fs::create_directories(in_the_way / "not a bundle");
  const auto refused = log.publish();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(log.outbox.notes.empty());
  EXPECT_TRUE(fs::exists(log.directory / "tile/entries/031"));
  EXPECT_FALSE(fs::exists(log.directory / "tile/entries/037"));
  EXPECT_FALSE(fs::exists(log.directory / "checkpoint"));

  fs::remove_all(in_the_way);
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  ASSERT_NO_FATAL_FAILURE(log.check(kRecords));
  log.restart();
  for (const auto& entry : fs::directory_iterator(log.directory)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".incoming")) << entry.path();
  }
}

}  // namespace
}  // namespace sanad::audit
