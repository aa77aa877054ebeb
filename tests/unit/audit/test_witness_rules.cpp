// A witness's decisions, status by status as c2sp.org/tlog-witness lists them, and the messages they are made of.

#include <gtest/gtest.h>

#include "control/audit/add_checkpoint.hpp"
#include "control/audit/witness_rules.hpp"
#include "gateway/base/encoding.hpp"
#include "tests/unit/audit/log_fixture.hpp"
#include "tests/unit/audit/rfc6962.hpp"

namespace sanad::audit {
namespace {

constexpr const char* kExample =
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n"
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\xE2\x80\x94 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

TEST(AddCheckpoint, TheSpecificationsExampleReadsAndIsWrittenBack) {
  const auto request = parse_add_checkpoint(kExample);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->old_size, 20'852'014U);
  EXPECT_EQ(request->proof.size(), 4U);
  EXPECT_TRUE(request->checkpoint.starts_with("example.com/behind-the-sofa\n20852163\n"));
  EXPECT_EQ(add_checkpoint_text(*request), kExample);
}

TEST(AddCheckpoint, OtherSpellingsAreRefused) {
  const std::string hash = base64_encode(Hash{}) + "\n";
  std::string many;
  for (std::size_t i = 0; i < kMaxProofHashes; ++i) many += hash;
  EXPECT_TRUE(parse_add_checkpoint("old 1\n" + many + "\nx"));
  for (const std::string& text : std::vector<std::string>{
           std::string(), std::string("old 1"), std::string("old 1\n"), std::string("old 1\n\n"), std::string("old 01\n\nx"),
           std::string("old -1\n\nx"), std::string("old  1\n\nx"), std::string("old 1 \n\nx"), std::string("Old 1\n\nx"),
           std::string("1\n\nx"), std::string("old 9223372036854775808\n\nx"), "old 1\n" + many + hash + "\nx",
           "old 1\nAAAA\n\nx", "old 1\n" + hash + "x", "old 1\r\n\r\nx", "old 1\n " + hash + "\nx",
           "old 1\n" + hash.substr(0, 43) + "\n\nx", std::string(kMaxAddCheckpointBytes + 1, 'x')}) {
    const auto request = parse_add_checkpoint(text);
    ASSERT_FALSE(request) << text.substr(0, 100);
    EXPECT_EQ(request.error().code, Errc::invalid_argument);
  }
}

TEST(AddCheckpoint, ATreeSizeHasOneSpelling) {
  EXPECT_EQ(parse_tree_size(tree_size_text(0)).value(), 0U);
  EXPECT_EQ(parse_tree_size("20852014\n").value(), 20'852'014U);
  for (const char* text : {"", "\n", "1", "01\n", "1\n\n", " 1\n", "-1\n", "9223372036854775808\n", "<html>\n"})
    EXPECT_FALSE(parse_tree_size(text)) << text;
}

TEST(AddCheckpoint, AnAnswerIsTakenOnlyFromTheWitnessItself) {
  const Signer witness = test_signer(9, "witness.example/w1");
  const Signer other = test_signer(8, "witness.example/w2");
  const auto key = verifier_of(witness, KeyType::cosignature_v1).value();
  const std::string text = checkpoint_text({"sanad/gw-1", 3, leaf_hash({}), {}});
  const std::string line = cosign_note(text, witness, 77).value();
  const auto found = find_cosignature(cosign_note(text, other, 5).value() + line, text, key);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->line, line);
  EXPECT_EQ(found->timestamp, 77U);
  EXPECT_EQ(find_cosignature(cosign_note(text, other, 5).value(), text, key).error().code, Errc::permission_denied);
  for (const std::string& answer :
       std::vector<std::string>{std::string(), std::string("\n"), std::string("<html>\n"), line.substr(0, line.size() - 1),
                                "\n" + line, "x\n\n" + line, line + "\n", line + "x\n",
                                cosign_note("other\n", witness, 5).value(), cosign_note(text, witness, 0).value(),
                                line + cosign_note("other\n", witness, 5).value(), std::string(kMaxCosignaturesBytes + 1, 'x')}) {
    const auto refused = find_cosignature(answer, text, key);
    ASSERT_FALSE(refused) << answer;
    EXPECT_EQ(refused.error().code, Errc::corrupt) << answer;
  }
  // The log's own key does not make a witness of it.
  EXPECT_FALSE(find_cosignature(sign_note(text, witness).value(), text, key));
}

class WitnessRules : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 20; ++i) entries_.push_back(std::to_string(i));
  }
  [[nodiscard]] std::vector<std::string> first(std::size_t size) const {
    return {entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(size)};
  }
  [[nodiscard]] Checkpoint tree(std::size_t size) const { return {"sanad/gw-1", size, rfc6962::mth(first(size)), {}}; }
  [[nodiscard]] AddCheckpoint asking(std::size_t old_size, std::size_t size) const {
    AddCheckpoint request{old_size, {}, sign_checkpoint(tree(size), log_).value()};
    if (old_size != 0 && old_size < size) request.proof = rfc6962::proof(old_size, first(size));
    return request;
  }
  WitnessVerdict judge(const AddCheckpoint& request) { return judge(add_checkpoint_text(request)); }
  WitnessVerdict judge(const std::string& request) {
    return judge_checkpoint(request, logs_, [this](const std::string& origin) {
      EXPECT_EQ(origin, "sanad/gw-1");
      return last_ ? &*last_ : nullptr;
    });
  }

  Signer log_ = test_signer(1);
  std::vector<WitnessedLog> logs_{{"sanad/gw-1", {verifier_of(log_).value()}}};
  std::optional<Checkpoint> last_;
  std::vector<std::string> entries_;
};

TEST_F(WitnessRules, AGrowingLogIsCosigned) {
  for (const std::size_t size : {0U, 0U, 1U, 1U, 2U, 7U, 8U, 13U, 20U}) {
    const auto verdict = judge(asking(last_ ? last_->size : 0, size));
    ASSERT_EQ(verdict.status, 200U) << size << " " << verdict.why;
    EXPECT_EQ(verdict.checkpoint, tree(size));
    EXPECT_EQ(verdict.note, asking(0, size).checkpoint);
    last_ = verdict.checkpoint;
  }
}

TEST_F(WitnessRules, WhatIsNoRequestIs400) {
  for (const std::string& body :
       std::vector<std::string>{std::string(), std::string("hello"), std::string("old 0\n\nno note"),
                                "old 0\n\n" + make_note("origin\n1\n", sign_note("origin\n1\n", log_).value())}) {
    const auto verdict = judge(body);
    EXPECT_EQ(verdict.status, 400U);
    EXPECT_FALSE(verdict.why.empty());
  }
  last_ = tree(7);
  EXPECT_EQ(judge(asking(8, 7)).status, 400U);
}

TEST_F(WitnessRules, ALogNobodyNamedIs404) {
  const auto stranger = sign_checkpoint({"sanad/gw-2", 1, leaf_hash({}), {}}, test_signer(2, "sanad/gw-2")).value();
  EXPECT_EQ(judge(AddCheckpoint{0, {}, stranger}).status, 404U);
}

TEST_F(WitnessRules, AForgedOrMissingSignatureIs403) {
  const std::string text = checkpoint_text(tree(5));
  const std::string by_another = make_note(text, sign_note(text, test_signer(2, "sanad/gw-1")).value());
  EXPECT_EQ(judge(AddCheckpoint{0, {}, by_another}).status, 403U);
  // Beside a good one, a wrong one in a trusted key's name makes the note malformed.
  const std::string forged = make_note(text, sign_note(text, log_).value() + sign_note("other\n", log_).value());
  EXPECT_EQ(judge(AddCheckpoint{0, {}, forged}).status, 403U);
  // Nothing of the log's size is told to who is not the log.
  last_ = tree(3);
  EXPECT_EQ(judge(AddCheckpoint{0, {}, by_another}).status, 403U);
}

TEST_F(WitnessRules, SignaturesOfOthersAreIgnoredAndNotKept) {
  const std::string text = checkpoint_text(tree(5));
  const std::string own = sign_note(text, log_).value();
  const std::string others = sign_note(text, test_signer(2, "sanad/gw-1")).value() +
                             cosign_note("other\n", test_signer(3, "witness.example"), 5).value();
  const auto verdict = judge(AddCheckpoint{0, {}, make_note(text, others + own)});
  ASSERT_EQ(verdict.status, 200U) << verdict.why;
  EXPECT_EQ(verdict.note, make_note(text, own));
}

TEST_F(WitnessRules, AnotherOldSizeIs409AndSaysWhich) {
  EXPECT_EQ(judge(asking(3, 7)).status, 409U);
  EXPECT_EQ(judge(asking(3, 7)).known, 0U);
  last_ = tree(7);
  for (const std::size_t old_size : {0U, 6U, 8U}) {
    const auto verdict = judge(asking(old_size, 13));
    EXPECT_EQ(verdict.status, 409U);
    EXPECT_EQ(verdict.known, 7U);
  }
  // A log that was cut back cannot name the old size.
  EXPECT_EQ(judge(asking(3, 5)).status, 409U);
}

TEST_F(WitnessRules, WhatDoesNotFollowIs422) {
  auto padded = asking(0, 5);
  padded.proof = {Hash{}};
  EXPECT_EQ(judge(padded).status, 422U);
  const Checkpoint no_such{"sanad/gw-1", 0, leaf_hash({}), {}};
  EXPECT_EQ(judge(AddCheckpoint{0, {}, sign_checkpoint(no_such, log_).value()}).status, 422U);

  last_ = tree(7);
  auto cut = asking(7, 13);
  cut.proof.pop_back();
  EXPECT_EQ(judge(cut).status, 422U);
  EXPECT_EQ(judge(AddCheckpoint{7, {}, asking(7, 13).checkpoint}).status, 422U);
  // The same size with another root, and a log whose past was rewritten, with a proof that is right for itself.
  entries_[3] = "rewritten";
  EXPECT_EQ(judge(asking(7, 7)).status, 422U);
  EXPECT_EQ(judge(asking(7, 13)).status, 422U);
}

}  // namespace
}  // namespace sanad::audit
