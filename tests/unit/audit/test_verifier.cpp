#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "control/audit/leaf_read.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) { return read_file(path, 1U << 26U).value(); }
void overwrite(const fs::path& path, const std::string& text) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

TEST(Verifier, NamesTheFirstBadRecordHoweverManyThreads) {
  TestLog log;
  log.outbox.add(10'000);
  ASSERT_TRUE(log.publish());
  for (const std::uint64_t record : {9'000U, 5'000U, 300U}) {
    const auto file = log.directory / tile_path({{}, record / 256, 256});
    std::string bytes = contents(file);
    std::size_t at = 0;
    for (std::uint64_t i = 0; i < record % 256; ++i) {
      at += 2 + static_cast<unsigned char>(bytes[at]) * 256U + static_cast<unsigned char>(bytes[at + 1]);
    }
    bytes[at + 40] = static_cast<char>(bytes[at + 40] ^ 4);
    overwrite(file, bytes);
    for (const unsigned threads : {1U, 2U, 7U}) {
      const auto verdict = log.verify(threads);
      ASSERT_FALSE(verdict);
      EXPECT_EQ(verdict.error().code, Errc::corrupt);
      EXPECT_EQ(verdict.error().field, tile_path({{}, record / 256, 256}));
      EXPECT_NE(verdict.error().message.find("record " + std::to_string(record) + ":"), std::string::npos)
          << verdict.error().message;
    }
  }
}

// A host that lies consistently: records changed together with every tile above them.
TEST(Verifier, FindsRecordsChangedTogetherWithTheirTiles) {
  TestLog honest;
  honest.outbox.add(1'000);
  ASSERT_TRUE(honest.publish());
  TestLog liar;
  liar.outbox.leaves = honest.outbox.leaves;
  liar.outbox.leaves[500].replace(liar.outbox.leaves[500].find("4014"), 4, "4015");
  ASSERT_TRUE(liar.publish());
  ASSERT_NO_FATAL_FAILURE(liar.check(1'000));
  overwrite(liar.directory / "checkpoint", contents(honest.directory / "checkpoint"));
  const auto verdict = liar.verify();
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().field, "checkpoint");
}

TEST(Verifier, RecordsOutOfPlaceAreFoundThoughTheHashesAgree) {
  const auto verdict_of = [](const std::function<void(std::vector<std::string>&)>& change) {
    TestLog log;
    log.outbox.add(600);
    change(log.outbox.leaves);
    EXPECT_TRUE(log.publish());
    const auto verdict = log.verify();
    EXPECT_FALSE(verdict);
    return verdict ? std::string() : verdict.error().message;
  };
  EXPECT_NE(verdict_of([](auto& leaves) { std::swap(leaves[299], leaves[300]); }).find("record 299: it says it is record 300"),
            std::string::npos);
  EXPECT_NE(verdict_of([](auto& leaves) { leaves.erase(leaves.begin() + 400); }).find("record 400"), std::string::npos);
  EXPECT_NE(verdict_of([](auto& leaves) { leaves[7] = leaves[6]; }).find("record 7"), std::string::npos);
  EXPECT_NE(verdict_of([](auto& leaves) { leaves[7] = "{}"; }).find("record 7: not one of our records"), std::string::npos);
  const auto epoch = [](std::string& leaf, const std::string& to) {
    leaf.replace(leaf.find("\"epoch\":1"), 9, "\"epoch\":" + to);
  };
  EXPECT_NE(verdict_of([&](auto& leaves) {
              epoch(leaves[255], "2");
            }).find("record 255: its epoch is 2, which no record before it announces"),
            std::string::npos);
  EXPECT_NE(verdict_of([&](auto& leaves) {
              epoch(leaves[100], "2");
            }).find("record 100: its epoch is 2, which no record before it announces"),
            std::string::npos);
}

TEST(Verifier, SaysWhoseKeysItBelieved) {
  TestLog log;
  log.outbox.add(5);
  ASSERT_TRUE(log.publish());
  const auto own = verify_log(log.reader(), {});
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_TRUE(own->by_its_own_keys);
  EXPECT_EQ(own->signed_by, to_vkey(verifier_of(log.signer).value()));
  EXPECT_EQ(own->first_ms, 1'795'510'800'000);
  EXPECT_EQ(own->last_ms, 1'795'510'800'004);
  EXPECT_EQ(own->clock_steps_back, 0U);
  EXPECT_FALSE(log.verify()->by_its_own_keys);
  VerifyOptions stranger;
  stranger.keys = {verifier_of(test_signer(9)).value()};
  EXPECT_EQ(verify_log(log.reader(), stranger).error().code, Errc::permission_denied);
}

TEST(Verifier, CountsStepsOfTheClock) {
  TestLog log;
  log.outbox.add(300);
  log.outbox.add(300, 1'795'510'700'000);
  log.outbox.add(1, 1'795'510'600'000);
  ASSERT_TRUE(log.publish());
  EXPECT_EQ(log.verify()->clock_steps_back, 2U);
}

TEST(Verifier, ALogCutShortIsFoundByItsArchive) {
  TestLog log;
  log.outbox.add(100);
  ASSERT_TRUE(log.publish());
  const auto earlier = contents(log.directory / "checkpoint");
  log.outbox.add(100);
  ASSERT_TRUE(log.publish());
  log.outbox.add(100);
  ASSERT_TRUE(log.publish(1'795'510'800'000 + 3'600'000));  // archives the one of 200
  overwrite(log.directory / "checkpoint", earlier);
  const auto verdict = log.verify();
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().message.find("checkpoints/200"), std::string::npos) << verdict.error().message;
  // Without the archive nobody but a witness can tell.
  fs::remove_all(log.directory / "checkpoints");
  ASSERT_NO_FATAL_FAILURE(log.check(100));
}

TEST(Verifier, WhatIsNoLogIsRefused) {
  TemporaryDirectory empty;
  EXPECT_EQ(verify_log(LogReader(empty.path()), {}).error().code, Errc::not_found);
  EXPECT_EQ(verify_log(LogReader(empty.path() / "nothing"), {}).error().code, Errc::not_found);
  fs::create_directory(empty.path() / "checkpoint");
  EXPECT_FALSE(verify_log(LogReader(empty.path()), {}));
  fs::remove(empty.path() / "checkpoint");
  // A pipe without a writer must not stop the auditor.
  ASSERT_EQ(::mkfifo((empty.path() / "checkpoint").c_str(), 0600), 0);
  EXPECT_EQ(verify_log(LogReader(empty.path()), {}).error().code, Errc::corrupt);
  fs::remove(empty.path() / "checkpoint");
  overwrite(empty.path() / "checkpoint", std::string(3U << 20U, 'x'));
  EXPECT_EQ(verify_log(LogReader(empty.path()), {}).error().code, Errc::corrupt);
}

TEST(LogReader, ProvesFromTiles) {
  TestLog log;
  log.outbox.add(70'000);
  ASSERT_NO_FATAL_FAILURE(log.publish_all());
  const auto tree = log.verify()->checkpoint;
  const auto nodes = log.reader().nodes(tree.size);
  std::mt19937_64 random(4);
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t index = random() % tree.size;
    const auto proof = inclusion_proof(index, tree.size, nodes);
    ASSERT_TRUE(proof) << proof.error().message;
    ASSERT_TRUE(verify_inclusion(leaf_hash(as_bytes(log.outbox.leaves[index])), index, tree.size, *proof, tree.root));
  }
  for (const auto& note : log.outbox.notes) {
    const auto earlier = parse_checkpoint(parse_note(note)->text).value();
    const auto proof = consistency_proof(earlier.size, tree.size, nodes);
    ASSERT_TRUE(verify_consistency(earlier.size, earlier.root, tree.size, tree.root, *proof));
  }
}

TEST(LogKeys, ReadBackInOneSpelling) {
  const std::vector<EpochKey> keys{{1, verifier_of(test_signer(1)).value()}, {3, verifier_of(test_signer(2)).value()}};
  const std::string text = log_keys_text(keys);
  EXPECT_EQ(parse_log_keys(text).value(), keys);
  EXPECT_TRUE(parse_log_keys("")->empty());
  const std::string vkey = to_vkey(keys[0].key);
  for (const std::string& bad :
       std::vector<std::string>{"1 " + vkey, "01 " + vkey + "\n", "1  " + vkey + "\n", vkey + "\n", "1\n", "\n",
                                "1 " + vkey + "\r\n", "1 " + vkey + "\n1 " + vkey + "\n", "2 " + vkey + "\n1 " + vkey + "\n"}) {
    EXPECT_EQ(parse_log_keys(bad).error().code, Errc::corrupt) << bad;
  }
}

TEST(LeafRead, ReadsWhatIsWritten) {
  const EventDraft draft{
      {{"a", boost::json::array{1, -2, true, false, nullptr, "x\"\\\n\x01", boost::json::object{}}}, {"b", {{"c", "\xC3\xA9"}}}},
      {{"user.name", "N", "o-1"}, {"user.email", "E", "o-1"}}};
  const auto leaf = make_leaf({12, WallTime::from_ms(99), 4}, draft, system_random()).value();
  const auto view = read_leaf(leaf.bytes);
  ASSERT_TRUE(view) << view.error().message << leaf.bytes;
  EXPECT_EQ(view->index, 12U);
  EXPECT_EQ(view->time_ms, 99);
  EXPECT_EQ(view->epoch, 4U);
  EXPECT_EQ(view->event, "{\"a\":[1,-2,true,false,null,\"x\\\"\\\\\\n\\u0001\",{}],\"b\":{\"c\":\"\xC3\xA9\"}}");
  for (const auto& disclosure : leaf.disclosures) {
    EXPECT_TRUE(holds_digest(*view, disclosure_digest(disclosure_text(disclosure).value())));
  }
  EXPECT_FALSE(holds_digest(*view, disclosure_digest("other")));
  EXPECT_FALSE(holds_digest(*view, "\",\""));
  EXPECT_FALSE(holds_digest(*view, ""));
}

TEST(LeafRead, OtherSpellingsAreRefused) {
  const auto good =
      make_leaf({12, WallTime::from_ms(99), 4}, {{{"a", boost::json::array{1, "s"}}}, {{"n", "N", ""}}}, system_random())
          .value()
          .bytes;
  ASSERT_TRUE(read_leaf(good));
  for (std::size_t length = 0; length < good.size(); ++length) ASSERT_FALSE(read_leaf(good.substr(0, length)));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    const auto at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return changed.replace(at, from.size(), to);
  };
  for (const auto& bad : {good + " ",
                          " " + good,
                          with("{\"a\"", "{ \"a\""),
                          with("[1,", "[01,"),
                          with("[1,", "[1.5,"),
                          with("[1,", "[1e3,"),
                          with("[1,", "[-0,"),
                          with("[1,", "[,"),
                          with("[1,", "[1"),
                          with("\"s\"]", "\"s\",]"),
                          with("\"s\"]", "\"s]"),
                          with("\"s\"", "\"\\u0041\""),
                          with("\"s\"", "\"\\x\""),
                          with("\"s\"", "\"\xFF\""),
                          with("\"s\"", "\"\n\""),
                          with("]}", "]}}"),
                          with("\"i\":12", "\"i\":012"),
                          with("\"i\":12", "\"i\":-12"),
                          with("\"i\":12", "\"i\":99999999999999999999"),
                          with("\"v\":1", "\"v\":2"),
                          with("\"epoch\":4", "\"epoch\":"),
                          with("[1,", std::string(100'000, '[') + "1,")}) {
    const auto view = read_leaf(bad);
    ASSERT_FALSE(view) << bad.substr(0, 300);
    EXPECT_EQ(view.error().code, Errc::corrupt);
  }
}

}  // namespace
}  // namespace sanad::audit
