// Several keys, one after another: how the publisher goes from one to the next, and what the verifier makes of it.

#include <gtest/gtest.h>

#include <fstream>

#include "control/audit/key_following.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEpochMs = 1'000'000;

std::string contents(const fs::path& path) { return read_file(path, 1U << 26U).value(); }
void overwrite(const fs::path& path, const std::string& text) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

std::int64_t begin_of(std::uint64_t epoch) { return kBegin + static_cast<std::int64_t>(epoch - 1) * kEpochMs; }

// `counts[i]` records in epoch i + 1, the announcement of the next among them, and not published yet.
void fill(TestLog& log, const std::vector<std::size_t>& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::uint64_t epoch = i + 1;
    log.outbox.add(counts[i] - (epoch < counts.size() ? 1 : 0), begin_of(epoch), epoch);
    if (epoch < counts.size()) log.rotate(begin_of(epoch + 1));
  }
}

std::string refusal(const Result<VerifiedLog>& verdict) { return verdict ? "passed" : verdict.error().message; }

void expect_refused(const TestLog& log, const std::string& words) {
  const auto verdict = log.verify();
  EXPECT_NE(refusal(verdict).find(words), std::string::npos) << refusal(verdict);
}

TEST(Epochs, TheLastTreeOfAnEpochIsSignedByItsKeyAndKept) {
  TestLog log;
  fill(log, {300, 1, 256, 700});
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  ASSERT_NO_FATAL_FAILURE(log.check(1'257));
  const auto verified = log.verify();
  ASSERT_EQ(verified->epochs.size(), 4U);
  EXPECT_EQ(verified->signed_by, to_vkey(log.keys.key(4)));
  std::vector<std::uint64_t> ends;
  for (const auto& epoch : verified->epochs) ends.push_back(epoch.end.value_or(0));
  EXPECT_EQ(ends, (std::vector<std::uint64_t>{300, 301, 557, 0}));
  EXPECT_EQ(log.reader().archived_sizes().value(), (std::vector<std::uint64_t>{300, 301, 557}));
  for (const std::uint64_t epoch : {1U, 2U, 3U}) {
    const VerifierKey key = log.keys.key(epoch);
    EXPECT_TRUE(open_checkpoint(log.reader().archived_checkpoint(ends[epoch - 1]).value(), {&key, 1}));
  }
  EXPECT_EQ(log.reader().keys()->size(), 4U);
}

TEST(Epochs, AnyOneKeyLeadsToAllOthersAndAStrangersDoesNot) {
  TestLog log;
  fill(log, {30, 40, 50});
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  for (const std::uint64_t epoch : {1U, 2U, 3U}) {
    VerifyOptions pinned;
    pinned.keys = {log.keys.key(epoch)};
    EXPECT_TRUE(verify_log(log.reader(), pinned));
    pinned.keys.push_back(verifier_of(test_signer(77)).value());
    EXPECT_EQ(verify_log(log.reader(), pinned).error().code, Errc::permission_denied);
  }
}

TEST(Epochs, AKeyIsFollowedWithoutReadingTheWholeLog) {
  TestLog log;
  fill(log, {300, 1, 256, 700});
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  const auto followed = [&](std::uint64_t from) { return follow_keys(log.reader(), {log.keys.key(from)}); };
  EXPECT_EQ(followed(1), (std::vector<VerifierKey>{log.keys.key(1), log.keys.key(2), log.keys.key(3), log.keys.key(4)}));
  EXPECT_EQ(followed(3), (std::vector<VerifierKey>{log.keys.key(3), log.keys.key(4)}));
  const auto stranger = verifier_of(test_signer(99)).value();
  EXPECT_EQ(follow_keys(log.reader(), {stranger}), std::vector<VerifierKey>{stranger});
  // A directory that lists another key leads nobody there.
  auto listed = log.reader().keys().value();
  listed[2].key = stranger;
  overwrite(log.directory / kKeysFile, log_keys_text(listed));
  EXPECT_EQ(followed(1), (std::vector<VerifierKey>{log.keys.key(1), log.keys.key(2)}));
  // Nor does one whose last tree of an epoch another key signed.
  listed[2].key = log.keys.key(3);
  overwrite(log.directory / kKeysFile, log_keys_text(listed));
  const auto tree = parse_checkpoint(parse_note(contents(log.directory / "checkpoints/301"))->text).value();
  overwrite(log.directory / "checkpoints/301", sign_checkpoint(tree, log.keys.signer(1)).value());
  EXPECT_EQ(followed(1), (std::vector<VerifierKey>{log.keys.key(1)}));
}

// Every write fails once somewhere around the change of keys; then a start that must find its way.
TEST(Epochs, AFailureOrKillAnywhereInTheChangeIsTakenUp) {
  for (int at = 0; at < 12; ++at) {
    for (const bool restart : {false, true}) {
      TestLog log;
      fill(log, {300});
      ASSERT_NO_FATAL_FAILURE(log.publish_all());
      log.rotate(begin_of(2));
      log.outbox.add(20, begin_of(2), 2);
      log.outbox.calls_until_failure = at;
      for (int round = 0; round < 3; ++round) (void)log.publish();
      log.outbox.calls_until_failure = -1;
      if (restart) log.restart();
      ASSERT_NO_FATAL_FAILURE(log.publish_all());
      ASSERT_NO_FATAL_FAILURE(log.check(321));
      EXPECT_EQ(log.reader().archived_sizes().value(), std::vector<std::uint64_t>{301});
    }
  }
}

TEST(Epochs, AKillBeforeTheArchiveIsTakenUpBeforeTheNextKeySigns) {
  TestLog log;
  fill(log, {300});
  log.rotate(begin_of(2));
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  // As if killed right after the checkpoint was published.
  fs::remove_all(log.directory / kArchiveDirectory);
  const auto key = log.keys.key(1);
  const EpochKey only_first{1, key};
  overwrite(log.directory / kKeysFile, log_keys_text({&only_first, 1}));
  ASSERT_NO_FATAL_FAILURE(log.check(301));
  log.outbox.add(5, begin_of(2), 2);
  log.restart();
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  ASSERT_NO_FATAL_FAILURE(log.check(306));
  EXPECT_EQ(log.reader().archived_sizes().value(), std::vector<std::uint64_t>{301});
}

TEST(Epochs, WithoutTheCheckpointThatVouchesForTheNextKeyTheLogIsRefused) {
  TestLog log;
  fill(log, {300, 300, 10});
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  const auto file = log.directory / "checkpoints/600";
  const auto good = contents(file);
  fs::remove(file);
  expect_refused(log, "checkpoints/600: it is missing");
  // The later key cannot stand in for the earlier one.
  const auto tree = parse_checkpoint(parse_note(good)->text).value();
  overwrite(file, sign_checkpoint(tree, log.keys.signer(3)).value());
  expect_refused(log, "checkpoints/600");
  overwrite(file, good);
  ASSERT_NO_FATAL_FAILURE(log.check(610));
}

TEST(Epochs, OnlyTheKeyOfTheLastRecordsEpochMaySign) {
  TestLog log;
  fill(log, {300, 300, 10});
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  const auto note = contents(log.directory / kCheckpointFile);
  const auto tree = parse_checkpoint(parse_note(note)->text).value();
  for (const std::uint64_t epoch : {1U, 2U}) {
    overwrite(log.directory / kCheckpointFile, sign_checkpoint(tree, log.keys.signer(epoch)).value());
    expect_refused(log, "it is not signed by the key of epoch 3");
  }
  overwrite(log.directory / kCheckpointFile, sign_checkpoint(tree, test_signer(50)).value());
  EXPECT_EQ(log.verify().error().code, Errc::permission_denied);
  overwrite(log.directory / kCheckpointFile, std::string(parse_note(note)->text));
  EXPECT_FALSE(log.verify());
}

// Whoever has today's key, and only that, rewrites yesterday: everything is consistent and signed, but for the old key's word.
TEST(Epochs, TheCurrentKeyCannotRewriteAnEarlierEpoch) {
  TestLog honest;
  fill(honest, {300, 200});
  ASSERT_NO_FATAL_FAILURE(honest.publish_all());
  TestLog liar;
  fill(liar, {300, 200});
  liar.outbox.leaves = honest.outbox.leaves;
  liar.outbox.leaves[100].replace(liar.outbox.leaves[100].find("4014"), 4, "4015");
  ASSERT_NO_FATAL_FAILURE(liar.publish_all());
  ASSERT_NO_FATAL_FAILURE(liar.check(500));  // with both keys it can
  fs::copy_file(honest.directory / "checkpoints/300", liar.directory / "checkpoints/300", fs::copy_options::overwrite_existing);
  expect_refused(liar, "checkpoints/300: the log had another root then");
}

TEST(Epochs, TheListOfKeysMustBeWhatTheRecordsAnnounce) {
  TestLog log;
  fill(log, {30, 30, 30});
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  const auto keys = log.reader().keys().value();
  const auto with = [&](std::vector<EpochKey> list) {
    overwrite(log.directory / kKeysFile, log_keys_text(list));
    const auto verdict = log.verify();
    overwrite(log.directory / kKeysFile, log_keys_text(keys));
    return refusal(verdict);
  };
  const EpochKey stranger{2, verifier_of(test_signer(90)).value()};
  EXPECT_NE(with({keys[0], stranger, keys[2]}).find("its key of epoch 2 is not what the records say"), std::string::npos);
  EXPECT_NE(with({keys[0], keys[2]}), "passed");
  EXPECT_NE(with({keys[1], keys[2]}), "passed");
  EXPECT_NE(with({keys[0], keys[1], keys[2], {4, stranger.key}}), "passed");
  fs::remove(log.directory / kKeysFile);
  EXPECT_EQ(log.verify().error().code, Errc::not_found);
}

// What the records say, against the rules: each is a list of (epoch, announcement or not), and what is wrong with it.
TEST(Epochs, RecordsThatBreakTheOrderOfEpochsAreNamed) {
  const auto second = to_vkey(verifier_of(test_signer(2)).value());
  const auto third = to_vkey(verifier_of(test_signer(3)).value());
  const auto other_log = to_vkey(verifier_of(test_signer(2, "sanad/gw-2")).value());
  const auto verdict_of = [](const std::function<void(FakeOutbox&)>& write) {
    TestLog log;
    log.outbox.add(10);
    write(log.outbox);
    EXPECT_TRUE(log.publish());
    return refusal(log.verify());
  };
  const auto announce = [](FakeOutbox& outbox, std::uint64_t in_epoch, const KeyAnnouncement& key) {
    outbox.add_event(key_announced({}, WallTime::from_ms(kBegin), key), in_epoch, kBegin + 1'000);
  };
  EXPECT_NE(
      verdict_of([&](auto& o) { o.add(1, kBegin, 2); }).find("record 10: its epoch is 2, which no record before it announces"),
      std::string::npos);
  EXPECT_NE(verdict_of([&](auto& o) {
              announce(o, 1, {2, second, 11});
              o.add(1, kBegin, 1);
            }).find("record 11: its epoch is 1; the record before it announces that epoch 2 begins here"),
            std::string::npos);
  EXPECT_NE(verdict_of([&](auto& o) {
              announce(o, 1, {2, second, 11});
              o.add(1, kBegin + 1'000, 2);
              o.add(1, kBegin + 1'000, 1);
            }).find("record 12: its epoch is 1 after 2"),
            std::string::npos);
  const auto wrong = [&](std::uint64_t in_epoch, const KeyAnnouncement& key, const std::string& words) {
    const auto why = verdict_of([&](auto& o) { announce(o, in_epoch, key); });
    EXPECT_NE(why.find("record 10: it announces the key of epoch " + std::to_string(key.epoch) + " " + words), std::string::npos)
        << why;
  };
  wrong(1, {3, second, 11}, "in epoch 1");
  wrong(1, {2, second, 12}, "from record 12 on, not from the next");
  wrong(1, {2, other_log, 11}, "for another log");
  wrong(1, {2, to_vkey(verifier_of(test_signer(1)).value()), 11}, "as one that has signed before");
  wrong(1, {2, "nonsense", 11}, "in a way that is no key");
  wrong(1, {1, third, 10}, "a second time");
}

TEST(Epochs, TheFirstRecordMayAnnounceItsOwnKeyAndNoOther) {
  for (const std::uint8_t fill : {std::uint8_t{1}, std::uint8_t{2}}) {
    TestLog log;
    const auto vkey = to_vkey(verifier_of(test_signer(fill)).value());
    log.outbox.add_event(key_announced({}, WallTime::from_ms(kBegin), {1, vkey, 0}), 1, kBegin);
    log.outbox.add(5);
    ASSERT_TRUE(log.publish());
    EXPECT_EQ(log.verify().has_value(), fill == 1);
  }
}

TEST(Epochs, RecordsOutsideTheTimeOfTheirEpochAreFound) {
  const auto verdict_of = [](std::int64_t in_first, std::int64_t in_second, std::optional<std::int64_t> step) {
    TestLog log;
    log.outbox.add(10);
    log.outbox.add_event({{{"class_uid", 4014}}, {}}, 1, in_first);
    log.rotate(begin_of(2));
    log.outbox.add(10, begin_of(2), 2);
    log.outbox.add_event({{{"class_uid", 4014}}, {}}, 2, in_second);
    if (step) log.outbox.add_event(clock_change({}, WallTime::from_ms(begin_of(2)), "stepped", *step), 2, in_second);
    EXPECT_TRUE(log.publish());
    EXPECT_TRUE(log.publish());
    return refusal(log.verify());
  };
  const std::int64_t boundary = begin_of(2);
  EXPECT_EQ(verdict_of(boundary, boundary, std::nullopt), "passed");
  EXPECT_EQ(verdict_of(boundary + kClockSlackMs, boundary - kClockSlackMs, std::nullopt), "passed");
  EXPECT_NE(verdict_of(boundary + kClockSlackMs + 1, boundary, std::nullopt)
                .find("record 10: its time is after the end of its epoch 1"),
            std::string::npos);
  EXPECT_NE(verdict_of(boundary, boundary - kClockSlackMs - 1, std::nullopt)
                .find("record 22: its time is before the beginning of its epoch 2"),
            std::string::npos);
  // Set back, and said so: by as much as was said.
  EXPECT_EQ(verdict_of(boundary, boundary - 60'000, -60'000), "passed");
  EXPECT_EQ(verdict_of(boundary + 60'000, boundary, -60'000), "passed");
  EXPECT_NE(verdict_of(boundary, boundary - 70'000, -60'000).find("record 22"), std::string::npos);
  EXPECT_NE(verdict_of(boundary, boundary - 60'000, 60'000).find("record 22"), std::string::npos);
}

TEST(LogFacts, ReadBackAsWritten) {
  const auto fact_of = [](const EventDraft& draft) {
    const auto leaf = make_leaf({0, WallTime::from_ms(kBegin), 1}, draft, system_random()).value();
    return log_fact(read_leaf(leaf.bytes)->event).value();
  };
  const KeyAnnouncement key{3, "sanad/gw+00000000+AA==", 99};
  EXPECT_EQ(std::get<KeyAnnouncement>(fact_of(key_announced({}, {}, key))), key);
  EXPECT_EQ(std::get<ClockStep>(fact_of(clock_change({}, {}, "stepped", -5))), ClockStep{-5});
  EntityChange change;
  change.verb = EntityVerb::create;
  change.action = "install";
  change.type = "registration";
  change.id = "ab12";
  EXPECT_EQ(std::get<RegistrationInstalled>(fact_of(entity_management({}, {}, std::nullopt, change))),
            (RegistrationInstalled{"ab12", std::nullopt}));
  EXPECT_EQ(fact_of(key_destroyed({}, {}, 1)).index(), 0U);
  EXPECT_EQ(fact_of(lifecycle({}, {}, Lifecycle::heartbeat, "1")).index(), 0U);
  // A name a person chose must not pass for one of ours.
  EntityChange named;
  named.action = "log_key";
  named.type = "peer";
  named.id = "log_key";
  EXPECT_EQ(fact_of(entity_management({}, {}, std::nullopt, named)).index(), 0U);
  EXPECT_EQ(log_fact(R"({"class_uid":0,"unmapped":{"sanad":{"name":"log_key"}}})").error().code, Errc::corrupt);
}

}  // namespace
}  // namespace sanad::audit
