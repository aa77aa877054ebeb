#include "control/registrar/policy.hpp"

#include <gtest/gtest.h>

#include "tests/unit/registration/support.hpp"

namespace sanad::registrar {
namespace {

using registration::RegistrationClaims;
using registration::testing::example_claims;
using registration::testing::kYear;

std::vector<std::string> fields_against(const Policy& policy, const RegistrationClaims& claims, const Known& known = {}) {
  std::vector<std::string> out;
  for (const auto& one : objections(policy, claims, {kYear.not_before, kYear.not_before + std::chrono::hours(24 * 365)}, known))
    out.push_back(one.field);
  return out;
}

using Fields = std::vector<std::string>;

TEST(Policy, TheExampleIsOneAndHasNothingAgainstAnOrdinaryApplication) {
  const auto policy = parse_policy(example_policy(), "policy.yaml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(fields_against(*policy, example_claims()), Fields{});
}

TEST(Policy, EveryErrorIsToldAtOnce) {
  const auto policy = parse_policy("longest_validity: 1y\nunique_keys: true\nmembers:\n  - addresses: [1.2.3.4/33]\n", "p");
  ASSERT_FALSE(policy);
  for (const char* part : {"p:1:19: longest_validity", "unknown key; did you mean unique_key?", "members[0].addresses[0]",
                           "members[0].legal_name: missing"})
    EXPECT_NE(policy.error().message.find(part), std::string::npos) << part << " not in:\n" << policy.error().message;
}

TEST(Policy, RangesOfTheRegistrarAndOfTheMember) {
  RegistrationClaims claims = example_claims();
  claims.addresses = {IpAddress::parse("203.0.113.10").value()};
  EXPECT_EQ(fields_against(parse_policy("addresses: [203.0.113.0/24]", "p").value(), claims), Fields{});
  EXPECT_EQ(fields_against(parse_policy("addresses: [198.51.100.0/24]", "p").value(), claims), Fields{"addresses"});
  const std::string member =
      "addresses: [203.0.113.0/24]\nmembers:\n  - {legal_name: \"" + claims.legal_name + "\", addresses: [";
  EXPECT_EQ(fields_against(parse_policy(member + "203.0.113.8/29]}", "p").value(), claims), Fields{});
  EXPECT_EQ(fields_against(parse_policy(member + "203.0.113.128/25]}", "p").value(), claims), Fields{"addresses"});
}

TEST(Policy, MembersOnly) {
  RegistrationClaims claims = example_claims();
  EXPECT_EQ(fields_against(parse_policy("members_only: true", "p").value(), claims), Fields{"legal_name"});
  const std::string member = "members_only: true\nmembers:\n  - legal_name: \"" + claims.legal_name + "\"\n";
  EXPECT_EQ(fields_against(parse_policy(member, "p").value(), claims), Fields{});
  EXPECT_EQ(fields_against(parse_policy(member + "    organization_identifier: NTRPK-9\n", "p").value(), claims),
            Fields{"organization_identifier"});
}

TEST(Policy, RequiredFieldsByCategory) {
  RegistrationClaims claims = example_claims();
  claims.reference.reset();
  claims.addresses.clear();
  claims.category = registration::Category::company;
  const auto policy = parse_policy("required:\n  company: [reference]\n  freelancer: [addresses]\n", "p").value();
  EXPECT_EQ(fields_against(policy, claims), Fields{"reference"});
  claims.category = registration::Category::freelancer;
  EXPECT_EQ(fields_against(policy, claims), Fields{"addresses"});
  claims.category = registration::Category::call_centre;
  EXPECT_EQ(fields_against(policy, claims), Fields{});
}

TEST(Policy, UniqueUnlessItSaysOtherwise) {
  const Known known{"\"X\" (gateway x)", "\"Y\" (gateway y)"};
  EXPECT_EQ(fields_against(parse_policy("{}", "p").value(), example_claims(), known), (Fields{"wireguard_key", "reference"}));
  EXPECT_EQ(fields_against(parse_policy("unique_key: false\nunique_reference: false", "p").value(), example_claims(), known),
            Fields{});
}

TEST(Policy, TheLongestValidity) {
  EXPECT_EQ(fields_against(parse_policy("longest_validity: 364d", "p").value(), example_claims()), Fields{"valid_until"});
  EXPECT_EQ(fields_against(parse_policy("longest_validity: 365d", "p").value(), example_claims()), Fields{});
}

}  // namespace
}  // namespace sanad::registrar
