#include "control/witness/store.hpp"

#include <gtest/gtest.h>

#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "tests/unit/witness/support.hpp"

namespace sanad::witness {
namespace {

using namespace testing;
constexpr WallTime kNow{1'795'510'800'000'000'000};

class StoreTest : public ::testing::Test {
 protected:
  Result<Store> open() { return Store::open(directory_, witness_key()); }
  Witness witness(Store store) {
    return Witness(witness_signer(), log_.known(), std::move(store), [this](const std::string& line) { told_.push_back(line); });
  }
  [[nodiscard]] std::filesystem::path file() const { return directory_ / hex_encode(sha256(as_bytes(log_.signer.name))); }

  audit::TemporaryDirectory root_;
  std::filesystem::path directory_ = root_.path() / "store";
  GrowingLog log_;
  std::vector<std::string> told_;
};

TEST_F(StoreTest, WhatWasCosignedIsRememberedAfterARestart) {
  {
    auto first = witness(open().value());
    ASSERT_EQ(first.add_checkpoint(log_.request(0, 7), kNow).status, 200U);
  }
  auto again = witness(open().value());
  const auto conflict = again.add_checkpoint(log_.request(0, 13), kNow);
  EXPECT_EQ(conflict.status, 409U);
  EXPECT_EQ(conflict.content_type, "text/x.tlog.size");
  EXPECT_EQ(conflict.body, "7\n");
  const auto answer = again.add_checkpoint(log_.request(7, 13), kNow);
  ASSERT_EQ(answer.status, 200U) << answer.body;
  const auto stored = read_file(file(), audit::kMaxNoteBytes).value();
  EXPECT_TRUE(stored.ends_with(answer.body));
  EXPECT_EQ(again.checkpoint(file().filename().string()).body, stored);
  EXPECT_EQ(again.checkpoint(std::string(64, '0')).status, 404U);
  EXPECT_EQ(again.checkpoint("../lock").status, 404U);
  EXPECT_TRUE(told_.empty());
}

TEST_F(StoreTest, AClockThatWasSetBackIsNotBelieved) {
  auto first = witness(open().value());
  const auto time_of = [&](const Answer& answer, std::size_t size) {
    const std::string text = std::string(audit::parse_note(audit::parse_add_checkpoint(log_.request(0, size))->checkpoint)->text);
    return audit::find_cosignature(answer.body, text, witness_key()).value().timestamp;
  };
  EXPECT_EQ(time_of(first.add_checkpoint(log_.request(0, 5), kNow), 5), 1'795'510'800U);
  EXPECT_EQ(time_of(first.add_checkpoint(log_.request(5, 6), WallTime{0}), 6), 1'795'510'800U);
  EXPECT_EQ(time_of(first.add_checkpoint(log_.request(6, 6), kNow + std::chrono::seconds(9)), 6), 1'795'510'809U);
}

TEST_F(StoreTest, WhatCannotBeStoredIsNotCosigned) {
  auto first = witness(open().value());
  ASSERT_EQ(first.add_checkpoint(log_.request(0, 5), kNow).status, 200U);
  std::filesystem::rename(directory_, root_.path() / "elsewhere");
  const auto failed = first.add_checkpoint(log_.request(5, 9), kNow);
  EXPECT_EQ(failed.status, 500U);
  EXPECT_EQ(failed.body.find("\xE2\x80\x94"), std::string::npos);
  EXPECT_EQ(told_.size(), 1U);
  std::filesystem::rename(root_.path() / "elsewhere", directory_);
  // It still stands where it stood, and goes on from there.
  EXPECT_EQ(first.add_checkpoint(log_.request(9, 12), kNow).body, "5\n");
  EXPECT_EQ(first.add_checkpoint(log_.request(5, 12), kNow).status, 200U);
}

TEST_F(StoreTest, ARewrittenLogIsTold) {
  auto first = witness(open().value());
  ASSERT_EQ(first.add_checkpoint(log_.request(0, 5), kNow).status, 200U);
  log_.entries[2] = "rewritten";
  EXPECT_EQ(first.add_checkpoint(log_.request(5, 9), kNow).status, 422U);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_NE(told_[0].find("9 records of sanad/gw-1"), std::string::npos) << told_[0];
}

TEST_F(StoreTest, TwoWitnessesDoNotShareAStore) {
  const auto first = open();
  ASSERT_TRUE(first);
  EXPECT_EQ(open().error().code, Errc::conflict);
}

TEST_F(StoreTest, ADamagedMemoryIsNotTakenForNone) {
  ASSERT_EQ(witness(open().value()).add_checkpoint(log_.request(0, 5), kNow).status, 200U);
  const std::string good = read_file(file(), audit::kMaxNoteBytes).value();
  std::string forged = good;
  forged[forged.find("\n5\n") + 1] = '4';
  std::vector<std::string> bad{"", good.substr(0, good.size() / 2), forged};
  for (const auto& text : bad) {
    ASSERT_TRUE(write_file_durably(file(), text, 0600));
    const auto store = open();
    ASSERT_FALSE(store) << text;
    EXPECT_EQ(store.error().code, Errc::corrupt);
    EXPECT_FALSE(store.error().hint.empty());
  }
  // Another log's checkpoint in this one's place.
  ASSERT_TRUE(write_file_durably(file(), good, 0600));
  std::filesystem::rename(file(), directory_ / std::string(64, '0'));
  EXPECT_EQ(open().error().code, Errc::corrupt);
  // With a new key the witness still knows what it saw.
  std::filesystem::rename(directory_ / std::string(64, '0'), file());
  const auto renewed = Store::open(directory_, audit::verifier_of(test_signer(5, "w"), audit::KeyType::cosignature_v1).value());
  ASSERT_TRUE(renewed) << renewed.error().message;
  EXPECT_EQ(renewed->last(log_.signer.name)->checkpoint.size, 5U);
}

}  // namespace
}  // namespace sanad::witness
