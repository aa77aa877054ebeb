#include <gtest/gtest.h>

#include <array>

#include "control/audit/policy.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

std::string log_vkey(std::uint8_t fill) { return to_vkey(verifier_of(test_signer(fill)).value()); }
std::string witness_vkey(std::uint8_t fill, const std::string& name = "witness.example/w") {
  return to_vkey(verifier_of(test_signer(fill, name), KeyType::cosignature_v1).value());
}

// The example of the specification, with comments, tabs and an URL.
std::string example() {
  std::string text = "# who must agree\n\nlog " + log_vkey(1) + " https://log.example/\n";
  for (std::uint8_t i = 1; i <= 3; ++i) {
    text += "witness X" + std::to_string(i) + " " + witness_vkey(static_cast<std::uint8_t>(10 + i)) + "\n";
    text += "\twitness\tY" + std::to_string(i) + "  " + witness_vkey(static_cast<std::uint8_t>(20 + i)) + " https://y/" +
            std::to_string(i) + " \n";
  }
  return text +
         "group X-witnesses 2 X1 X2 X3\n  # the other house\ngroup Y-witnesses any Y1 Y2 Y3\n"
         "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
}

TEST(Policy, TheSpecificationsExampleReadsAndIsWrittenBack) {
  const auto policy = parse_policy(example());
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->logs.size(), 1U);
  EXPECT_EQ(policy->logs[0].url, "https://log.example/");
  EXPECT_EQ(policy->witnesses.size(), 6U);
  ASSERT_EQ(policy->groups.size(), 3U);
  EXPECT_EQ(policy->groups[0].threshold, 2U);
  EXPECT_EQ(policy->groups[1].threshold, 1U);
  EXPECT_EQ(policy->groups[2].threshold, 2U);
  EXPECT_EQ(policy->quorum, (PolicyRef{PolicyRef::Kind::group, 2}));
  EXPECT_EQ(parse_policy(policy_text(*policy)).value(), *policy);
}

// Every one of the 64 sets of witnesses, against the rule in words.
TEST(Policy, NestedGroupsAskForWhatTheySay) {
  const auto policy = parse_policy(example()).value();
  std::vector<bool> is_x;
  for (const auto& witness : policy.witnesses) is_x.push_back(witness.name[0] == 'X');
  for (unsigned set = 0; set < 64; ++set) {
    std::vector<std::uint64_t> sizes;
    int x = 0;
    int y = 0;
    for (unsigned i = 0; i < 6; ++i) {
      const bool cosigned = ((set >> i) & 1U) != 0;
      sizes.push_back(cosigned ? 7 : 0);
      (is_x[i] ? x : y) += cosigned ? 1 : 0;
    }
    EXPECT_EQ(quorum_size(policy, sizes), x >= 2 && y >= 1 ? 7U : 0U) << set;
  }
}

TEST(Policy, WhoVouchesForMoreRecordsVouchesForFewer) {
  const std::vector<PolicyWitness> three{{"a", verifier_of(test_signer(1, "a"), KeyType::cosignature_v1).value()},
                                         {"b", verifier_of(test_signer(2, "b"), KeyType::cosignature_v1).value()},
                                         {"c", verifier_of(test_signer(3, "c"), KeyType::cosignature_v1).value()}};
  const std::array<std::uint64_t, 3> sizes{100, 40, 70};
  EXPECT_EQ(quorum_size(simple_policy({}, three, 1), sizes), 100U);
  EXPECT_EQ(quorum_size(simple_policy({}, three, 2), sizes), 70U);
  EXPECT_EQ(quorum_size(simple_policy({}, three, 3), sizes), 40U);
  EXPECT_EQ(quorum_size(simple_policy({}, {}, 1), {}), std::nullopt);
  for (const auto& policy : {simple_policy({}, three, 2), simple_policy({}, {}, 1)})
    EXPECT_EQ(parse_policy(policy_text(policy)).value(), policy);
  // A witness that is called as the group would be.
  auto named = three;
  named[1].name = "witnesses";
  EXPECT_EQ(parse_policy(policy_text(simple_policy({}, named, 2)))->witnesses[1].name, "witnesses");
}

TEST(Policy, OneWitnessOrNoneMayBeTheQuorum) {
  const auto one = parse_policy("witness W " + witness_vkey(1) + "\nquorum W\n").value();
  EXPECT_EQ(quorum_size(one, std::array<std::uint64_t, 1>{9}), 9U);
  EXPECT_EQ(quorum_size(one, std::array<std::uint64_t, 1>{0}), 0U);
  EXPECT_EQ(parse_policy("quorum none\n").value(), Policy{});
  // Names are octets: these are not the same.
  EXPECT_TRUE(parse_policy("witness K " + witness_vkey(1) + "\nwitness \xE2\x84\xAA " + witness_vkey(2) + "\nquorum K\n"));
}

TEST(Policy, EveryFaultIsToldWithItsLine) {
  const std::string w = "witness W " + witness_vkey(1) + "\n";
  const std::string v = "witness V " + witness_vkey(2) + "\n";
  const std::vector<std::pair<std::string, std::string>> bad{
      {"", "no quorum line"},
      {w, "no quorum line"},
      {"quorum none", "line 1: it does not end"},
      {"quorum none\nquorum none\n", "line 2: a second quorum line"},
      {"quorum\n", "line 1: expected: quorum NAME"},
      {"quorum W\n", "line 1: \"W\" is not defined"},
      {"quorum none none\n", "line 1: expected: quorum NAME"},
      {"\n#\nquora none\n", "line 3: \"quora\" is not one of"},
      {"quorum none\r\n", "line 1: control characters"},
      {"quorum n\x7Fone\n", "line 1: control characters"},
      {"log\nquorum none\n", "line 1: expected: log"},
      {"log x\nquorum none\n", "line 1: not a verifier key"},
      {"log " + witness_vkey(1) + "\nquorum none\n", "line 1: a log's key is of type"},
      {"log " + log_vkey(1) + " u v\nquorum none\n", "line 1: expected: log"},
      {"log " + log_vkey(1) + "\nlog " + log_vkey(1) + "\nquorum none\n", "line 2: the same key"},
      {"witness W " + log_vkey(1) + "\nquorum none\n", "line 1: a witness's key is of type"},
      {w + "witness V " + witness_vkey(1, "another.example") + "\nquorum none\n", "line 2: the same key"},
      {w + "witness W " + witness_vkey(2) + "\nquorum none\n", "line 2: \"W\" is defined already"},
      {"witness none " + witness_vkey(1) + "\nquorum none\n", "line 1: the name \"none\""},
      {w + "group G\nquorum none\n", "line 2: expected: group"},
      {w + "group G any\nquorum none\n", "line 2: expected: group"},
      {w + "group G 0 W\nquorum none\n", "line 2: expected all, any or a number from 1 to 1"},
      {w + "group G 2 W\nquorum none\n", "line 2: expected all, any or a number from 1 to 1"},
      {w + "group G 01 W\nquorum none\n", "line 2: expected all, any or a number"},
      {w + "group G most W\nquorum none\n", "line 2: expected all, any or a number"},
      {w + "group G any none\nquorum none\n", "line 2: \"none\" cannot be a member"},
      {w + "group G any G\nquorum none\n", "line 2: \"G\" is not defined"},
      {w + "group G any W W\nquorum none\n", "line 2: \"W\" is a member already"},
      {w + v + "group G any W\ngroup H any V W\nquorum H\n", "line 4: \"W\" is a member already"},
      {w + "group W any W\nquorum none\n", "line 2: \"W\" is defined already"},
      {w + "group none any W\nquorum none\n", "line 2: the name \"none\""},
      {"group G any W\n" + w + "quorum G\n", "line 1: \"W\" is not defined"},
      {"quorum G\n" + w + "group G any W\n", "line 1: \"G\" is not defined"},
  };
  for (const auto& [text, why] : bad) {
    const auto policy = parse_policy(text);
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().code, Errc::invalid_argument);
    EXPECT_NE(policy.error().message.find(why), std::string::npos) << text << "\n-> " << policy.error().message;
  }
  EXPECT_FALSE(parse_policy(std::string(kMaxPolicyBytes + 1, '#')));
}

}  // namespace
}  // namespace sanad::audit
