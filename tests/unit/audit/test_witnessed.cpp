// Cosignatures beside a log: how they are kept, and what they let an auditor say.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "control/audit/cosigned.hpp"
#include "control/audit/witnessed.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kNoon = 1'795'510'800'000;

class WitnessedTest : public ::testing::Test {
 protected:
  void grow(std::size_t count, std::int64_t ms = kNoon) {
    log_.outbox.add(count);
    const auto published = log_.publish(ms);
    ASSERT_TRUE(published) << published.error().message;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    const auto text = read_file(log_.directory / name, kMaxNoteBytes);
    return text ? *text : std::string();
  }
  [[nodiscard]] std::string published() const { return read(kCheckpointFile); }
  [[nodiscard]] static std::uint64_t size_of(const std::string& note) {
    return parse_checkpoint(parse_note(note).value().text).value().size;
  }
  void cosign(const Signer& witness, const std::string& note, std::uint64_t time, std::int64_t ms = kNoon) {
    const auto key = key_of(witness);
    const auto text = std::string(parse_note(note).value().text);
    const auto cosignature = find_cosignature(cosign_note(text, witness, time).value(), text, key).value();
    const auto done = files_.add(note, key, cosignature, WallTime::from_ms(ms));
    ASSERT_TRUE(done) << done.error().message;
  }
  static VerifierKey key_of(const Signer& witness) { return verifier_of(witness, KeyType::cosignature_v1).value(); }
  [[nodiscard]] Policy policy(std::size_t needed) const {
    return simple_policy({{log_key_, {}}}, {{"w1", key_of(w1_), {}}, {"w2", key_of(w2_), {}}}, needed);
  }
  Result<Witnessed> look(const Policy& policy, const std::vector<NamedCheckpoint>& kept = {}) {
    auto own = cosigned_checkpoints(log_.reader());
    if (!own) return own.error();
    const auto verified = log_.verify();
    if (!verified) return verified.error();
    return check_witnesses(log_.reader(), verified->checkpoint, std::span(&log_key_, 1), policy, *own, kept);
  }

  TestLog log_;
  VerifierKey log_key_ = verifier_of(log_.signer).value();
  Signer w1_ = test_signer(11, "witness.example/w1");
  Signer w2_ = test_signer(12, "witness.example/w2");
  CosignedFiles files_{log_.directory};
};

TEST_F(WitnessedTest, TheLatestCheckpointCarriesItsCosignatures) {
  grow(5);
  const std::string bare = published();
  cosign(w1_, bare, 100);
  cosign(w2_, bare, 101);
  const std::string both = published();
  EXPECT_TRUE(both.starts_with(bare)) << both;
  EXPECT_EQ(open_checkpoint(both, std::vector{log_key_}, std::vector{key_of(w1_), key_of(w2_)})->signatures.size(), 3U);
  EXPECT_EQ(read("cosigned/" + cosigned_name(key_of(w2_))), both);
  // A later cosignature of the same tree takes the place of the earlier.
  cosign(w1_, bare, 200);
  EXPECT_EQ(parse_note(published())->signatures.size(), 3U);
  EXPECT_EQ(files_.latest(key_of(w1_))->timestamp, 200U);
  EXPECT_EQ(files_.latest(key_of(w1_))->size, 5U);
  EXPECT_FALSE(files_.latest(key_of(test_signer(13, "witness.example/w3"))));
}

TEST_F(WitnessedTest, ACosignatureThatComesLateTouchesNoOtherCheckpoint) {
  grow(5);
  const std::string early = published();
  grow(5);
  const std::string late = published();
  cosign(w1_, early, 100);
  EXPECT_EQ(published(), late);
  EXPECT_EQ(size_of(read("cosigned/" + cosigned_name(key_of(w1_)))), 5U);
  // The other witness is further: its file takes nothing from the one that lags.
  cosign(w2_, late, 101);
  EXPECT_EQ(parse_note(read("cosigned/" + cosigned_name(key_of(w2_))))->signatures.size(), 2U);
  log_.check(10);
}

TEST_F(WitnessedTest, ARestartedPublisherKeepsWhatWasCosigned) {
  grow(5);
  cosign(w1_, published(), 100);
  const std::string cosigned = published();
  log_.restart();
  ASSERT_TRUE(log_.publish());
  EXPECT_EQ(published(), cosigned);
  grow(1);
  EXPECT_EQ(size_of(published()), 6U);
}

TEST_F(WitnessedTest, EachHourLeavesACosignedCheckpointInTheArchive) {
  grow(5);
  cosign(w1_, published(), 100);
  grow(1);
  cosign(w1_, published(), 110);
  // The publisher's own archive of the hour has the cosignature too.
  grow(1, kNoon + kHourMs);
  cosign(w1_, published(), 120, kNoon + kHourMs);
  EXPECT_EQ(log_.reader().archived_sizes().value(), (std::vector<std::uint64_t>{5, 6, 7}));
  for (const char* size : {"5", "6", "7"}) EXPECT_EQ(parse_note(read(std::string("checkpoints/") + size))->signatures.size(), 2U);
  log_.check(7);
}

TEST_F(WitnessedTest, TheQuorumIsDemandedAndSaysHowFarItGoes) {
  grow(300);
  EXPECT_EQ(look(policy(1))->quorum, 0U);
  cosign(w1_, published(), 100);
  grow(20);
  cosign(w2_, published(), 200);
  grow(3);
  const auto one = look(policy(1));
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->quorum, 320U);
  EXPECT_EQ(one->by[0].size, 300U);
  EXPECT_EQ(one->by[0].timestamp, 100U);
  EXPECT_EQ(one->by[1].size, 320U);
  EXPECT_EQ(look(policy(2))->quorum, 300U);
  EXPECT_EQ(look(simple_policy({}, {}, 1))->quorum, std::nullopt);
}

TEST_F(WitnessedTest, ALogCutBackOrRewrittenIsFoundByACheckpointKeptElsewhere) {
  grow(300);
  cosign(w1_, published(), 100);
  const std::string kept = published();
  // The same log as it was before, in another directory.
  TestLog shorter;
  shorter.outbox.leaves.assign(log_.outbox.leaves.begin(), log_.outbox.leaves.begin() + 200);
  ASSERT_TRUE(shorter.publish());
  const auto judge = [&](const TestLog& other) {
    const auto verified = other.verify();
    EXPECT_TRUE(verified);
    const NamedCheckpoint note{"kept", kept};
    return check_witnesses(other.reader(), verified->checkpoint, std::span(&log_key_, 1), policy(1), {}, {&note, 1});
  };
  EXPECT_NE(judge(shorter).error().message.find("kept: the log once had 300 records and now has 200: it was cut short"),
            std::string::npos);
  TestLog rewritten;
  rewritten.outbox.add(310);
  ASSERT_TRUE(rewritten.publish());
  EXPECT_EQ(judge(rewritten).error().code, Errc::corrupt);
  EXPECT_NE(judge(rewritten).error().message.find("rewritten"), std::string::npos);
  EXPECT_EQ(judge(log_)->kept, 300U);
}

TEST_F(WitnessedTest, WhatIsDamagedIsNamed) {
  grow(300);
  cosign(w1_, published(), 100);
  const auto file = log_.directory / "cosigned" / cosigned_name(key_of(w1_));
  std::string forged = read("cosigned/" + cosigned_name(key_of(w1_)));
  const auto text = std::string(parse_note(forged)->text);
  forged = make_note(text, sign_note(text, log_.signer).value() + cosign_note("other\n", w1_, 100).value());
  ASSERT_TRUE(write_file_durably(file, forged, 0600));
  const auto found = look(policy(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::corrupt);
  EXPECT_EQ(found.error().field, "cosigned/" + cosigned_name(key_of(w1_)));
}

TEST_F(WitnessedTest, ThePolicyIsWrittenOnce) {
  ASSERT_TRUE(files_.write_policy(policy(2)));
  EXPECT_EQ(parse_policy(read(kPolicyFile)).value(), policy(2));
  const auto before = std::filesystem::last_write_time(log_.directory / kPolicyFile);
  ASSERT_TRUE(files_.write_policy(policy(2)));
  EXPECT_EQ(std::filesystem::last_write_time(log_.directory / kPolicyFile), before);
  ASSERT_TRUE(files_.write_policy(policy(1)));
  EXPECT_EQ(parse_policy(read(kPolicyFile)).value(), policy(1));
}

}  // namespace
}  // namespace sanad::audit
