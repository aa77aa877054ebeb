#include "control/registration/standing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;
using namespace std::chrono_literals;

constexpr std::chrono::hours kDay{24};

// Standing is pure, so it needs no certificate that verifies: only the values that verify() would return.
Installed installed(Level level = Level::association) {
  Installed value;
  value.verified.certificate.claims = example_claims();
  value.verified.certificate.not_before = *parse_rfc3339("2026-12-01T00:00:00Z");
  value.verified.level = level;
  value.verified.anchor_name = "P@SHA";
  value.verified.not_before = *parse_rfc3339("2026-12-01T00:00:00Z");
  value.verified.not_after = *parse_rfc3339("2027-11-30T00:00:00Z");
  return value;
}
const WallTime kEnd = *parse_rfc3339("2027-11-30T00:00:00Z");
const WallTime kMiddle = *parse_rfc3339("2027-05-01T00:00:00Z");

Facts matching() {
  Facts facts;
  facts.public_key = example_claims().wireguard_key;
  facts.listen_port = 51820;
  facts.public_addresses = {*IpAddress::parse("203.0.113.10")};
  facts.clock_synchronised = true;
  return facts;
}

RevocationState revoked() {
  RevocationState state;
  state.status = RevocationState::Status::revoked;
  state.revoked_at = *parse_rfc3339("2027-02-03T00:00:00Z");
  state.reason = "keyCompromise";
  return state;
}

bool has(const Standing& standing, FindingCode code) {
  return std::any_of(standing.findings.begin(), standing.findings.end(), [code](const Finding& f) { return f.code == code; });
}

// Every row of the table, written out, with how it is reached and which response decides.
enum class Decides { nothing, on_expired, on_mismatch, on_revoked, always_refuses };
struct Row {
  const char* name;
  bool present = true;
  RevocationState revocation;
  Facts facts;
  WallTime now;
  bool grace = false;
  StandingKind kind;
  FindingCode finding;
  Decides decides;
};

std::vector<Row> table() {
  Facts other_key = matching();
  other_key.public_key = *wg::PublicKey::from_base64("HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=");
  Facts other_port = matching();
  other_port.listen_port = 51821;
  Facts other_address = matching();
  other_address.public_addresses = {*IpAddress::parse("198.51.100.1")};
  return {
      {"in force", true, {}, matching(), kMiddle, false, StandingKind::in_force, {}, Decides::nothing},
      {"expiring",
       true,
       {},
       matching(),
       kEnd - 10 * kDay,
       false,
       StandingKind::expiring,
       FindingCode::expiring,
       Decides::nothing},
      {"last moment", true, {}, matching(), kEnd, false, StandingKind::expiring, FindingCode::expiring, Decides::nothing},
      {"grace", true, {}, matching(), kEnd + 1ns, true, StandingKind::grace, FindingCode::grace, Decides::nothing},
      {"grace's last moment",
       true,
       {},
       matching(),
       kEnd + 30 * kDay,
       true,
       StandingKind::grace,
       FindingCode::grace,
       Decides::nothing},
      {"grace over",
       true,
       {},
       matching(),
       kEnd + 30 * kDay + 1ns,
       true,
       StandingKind::expired,
       FindingCode::expired,
       Decides::on_expired},
      {"expired", true, {}, matching(), kEnd + 1ns, false, StandingKind::expired, FindingCode::expired, Decides::on_expired},
      {"not yet valid",
       true,
       {},
       matching(),
       *parse_rfc3339("2026-11-30T23:59:59Z"),
       false,
       StandingKind::unregistered,
       FindingCode::not_yet_valid,
       Decides::always_refuses},
      {"key", true, {}, other_key, kMiddle, false, StandingKind::mismatch, FindingCode::key_mismatch, Decides::on_mismatch},
      {"port", true, {}, other_port, kMiddle, false, StandingKind::mismatch, FindingCode::port_mismatch, Decides::on_mismatch},
      {"address",
       true,
       {},
       other_address,
       kMiddle,
       false,
       StandingKind::mismatch,
       FindingCode::address_mismatch,
       Decides::on_mismatch},
      {"mismatch in grace",
       true,
       {},
       other_key,
       kEnd + 1ns,
       true,
       StandingKind::mismatch,
       FindingCode::key_mismatch,
       Decides::on_mismatch},
      {"revoked", true, revoked(), matching(), kMiddle, false, StandingKind::revoked, FindingCode::revoked, Decides::on_revoked},
      {"revoked in grace", true, revoked(), matching(), kEnd + 1ns, true, StandingKind::revoked, FindingCode::revoked,
       Decides::on_revoked},
      {"none",
       false,
       {},
       matching(),
       kMiddle,
       false,
       StandingKind::unregistered,
       FindingCode::unregistered,
       Decides::always_refuses},
      {"none, but revoked", false, revoked(), matching(), kMiddle, true, StandingKind::unregistered, FindingCode::unregistered,
       Decides::always_refuses},
  };
}

constexpr Response kResponses[] = {Response::warn, Response::refuse_new, Response::suspend};

Action expected_action(Decides decides, const Policy& policy) {
  const auto of = [](Response response) {
    return response == Response::warn ? Action::serve : response == Response::refuse_new ? Action::refuse_new : Action::suspend;
  };
  switch (decides) {
    case Decides::nothing:
      return Action::serve;
    case Decides::on_expired:
      return of(policy.on_expired);
    case Decides::on_mismatch:
      return of(policy.on_mismatch);
    case Decides::on_revoked:
      return of(policy.on_revoked);
    case Decides::always_refuses:
      return Action::refuse_new;
  }
  return Action::suspend;
}

TEST(Standing, EveryRowUnderEveryPolicy) {
  int cases = 0;
  for (const Row& row : table()) {
    for (const Response on_expired : kResponses) {
      for (const Response on_mismatch : kResponses) {
        for (const Response on_revoked : kResponses) {
          Policy policy;
          policy.on_expired = on_expired;
          policy.on_mismatch = on_mismatch;
          policy.on_revoked = on_revoked;
          if (row.grace) policy.grace = Grace{kEnd + 30 * kDay, "notice 7/2027"};
          const auto result =
              standing(row.present ? std::optional{installed()} : std::nullopt, row.revocation, row.facts, policy, row.now);
          EXPECT_EQ(result.kind, row.kind) << row.name;
          EXPECT_EQ(result.action, expected_action(row.decides, policy)) << row.name;
          EXPECT_EQ(result.findings.empty(), row.kind == StandingKind::in_force) << row.name;
          EXPECT_TRUE(row.kind == StandingKind::in_force || has(result, row.finding)) << row.name;
          EXPECT_EQ(result.ends.has_value(), row.present) << row.name;
          ++cases;
        }
      }
    }
  }
  EXPECT_EQ(cases, 16 * 27);
}

TEST(Standing, TheDefaultsAreTheDocumentedOnes) {
  const Policy policy;
  EXPECT_EQ(policy.on_expired, Response::refuse_new);
  EXPECT_EQ(policy.on_mismatch, Response::refuse_new);
  EXPECT_EQ(policy.on_revoked, Response::suspend);
  EXPECT_EQ(policy.warn_before_days, (std::vector<int>{30, 14, 7, 1}));
}

TEST(Standing, TheSmallestThresholdReachedIsNamed) {
  const struct {
    std::chrono::nanoseconds left;
    std::optional<int> threshold;
  } rows[] = {{31 * kDay, {}},      {30 * kDay + 1ns, {}}, {30 * kDay, 30},     {15 * kDay, 30}, {14 * kDay, 14},
              {7 * kDay + 1ns, 14}, {7 * kDay, 7},         {1 * kDay + 1ns, 7}, {1 * kDay, 1},   {0ns, 1}};
  for (const auto& row : rows) {
    const auto result = standing(installed(), {}, matching(), {}, kEnd - row.left);
    EXPECT_EQ(result.threshold_days, row.threshold) << row.left.count();
    EXPECT_EQ(result.kind, row.threshold ? StandingKind::expiring : StandingKind::in_force);
  }
  Policy jumbled;
  jumbled.warn_before_days = {2, 60, 5};
  EXPECT_EQ(standing(installed(), {}, matching(), jumbled, kEnd - 4 * kDay).threshold_days, 5);
  jumbled.warn_before_days = {};
  EXPECT_EQ(standing(installed(), {}, matching(), jumbled, kEnd - 1h).kind, StandingKind::in_force);
}

TEST(Standing, TheEarliestOfAllEndsCounts) {
  Installed value = installed();
  value.verified.certificate.claims.registration_valid_until = kEnd - 100 * kDay;
  EXPECT_EQ(standing(value, {}, matching(), {}, kEnd - 99 * kDay).kind, StandingKind::expired);
  value.authority_valid_until = kEnd - 200 * kDay;
  EXPECT_EQ(standing(value, {}, matching(), {}, kEnd - 199 * kDay).kind, StandingKind::expired);
  EXPECT_EQ(standing(value, {}, matching(), {}, kEnd - 199 * kDay).ends, kEnd - 200 * kDay);
  value.authority_valid_until = kEnd + 1000 * kDay;  // a date entered by hand does not lengthen what the issuer signed
  EXPECT_EQ(standing(value, {}, matching(), {}, kEnd - 99 * kDay).kind, StandingKind::expired);
}

TEST(Standing, SeveralFaultsTheGravestNamesTheStrictestDecides) {
  Facts facts = matching();
  facts.listen_port = 1;
  facts.public_addresses = {*IpAddress::parse("198.51.100.1")};
  Policy policy;
  policy.on_revoked = Response::warn;
  policy.on_mismatch = Response::refuse_new;
  policy.on_expired = Response::suspend;
  const auto result = standing(installed(), revoked(), facts, policy, kEnd + 1h);
  EXPECT_EQ(result.kind, StandingKind::revoked);
  EXPECT_EQ(result.action, Action::suspend);
  for (const FindingCode code :
       {FindingCode::revoked, FindingCode::port_mismatch, FindingCode::address_mismatch, FindingCode::expired}) {
    EXPECT_TRUE(has(result, code)) << to_string(code);
  }
}

TEST(Standing, WarningsChangeNothingElse) {
  Facts facts = matching();
  facts.clock_synchronised = false;
  facts.public_addresses.push_back(*IpAddress::parse("198.51.100.1"));
  RevocationState stale;
  stale.status = RevocationState::Status::good;
  stale.stale = true;
  auto result = standing(installed(), stale, facts, {}, kMiddle);
  EXPECT_EQ(result.kind, StandingKind::in_force);
  EXPECT_EQ(result.action, Action::serve);
  EXPECT_EQ(result.findings.size(), 3U);
  EXPECT_TRUE(has(result, FindingCode::clock_unsynchronised));
  EXPECT_TRUE(has(result, FindingCode::address_unregistered));
  EXPECT_TRUE(has(result, FindingCode::revocation_stale));

  facts = matching();
  facts.public_addresses.clear();
  facts.listen_port = 0;
  RevocationState gone;
  gone.status = RevocationState::Status::unavailable;
  gone.detail = "not a revocation list (PEM or DER)";
  result = standing(installed(), gone, facts, {}, kMiddle);
  EXPECT_EQ(result.kind, StandingKind::in_force);
  EXPECT_EQ(result.findings.size(), 2U);
  EXPECT_TRUE(has(result, FindingCode::address_unknown));
  EXPECT_TRUE(has(result, FindingCode::revocation_unavailable));
}

TEST(Standing, ARegistrationWithoutAddressesJudgesNone) {
  Installed value = installed();
  value.verified.certificate.claims.addresses.clear();
  EXPECT_EQ(standing(value, {}, matching(), {}, kMiddle).kind, StandingKind::in_force);
}

TEST(Standing, TheTellingDetails) {
  Facts facts = matching();
  facts.listen_port = 51821;
  EXPECT_EQ(standing(installed(), {}, facts, {}, kMiddle).findings[0].detail,
            "this gateway listens on port 51821; registered: 51820, 443");
  EXPECT_EQ(standing(installed(), revoked(), matching(), {}, kMiddle).findings[0].detail,
            "revoked by its issuer on 2027-02-03 (keyCompromise)");
  EXPECT_EQ(standing(installed(), {}, matching(), {}, kEnd - 14 * kDay).findings[0].detail, "ends on 2027-11-30, in 14 days");
  EXPECT_EQ(standing(installed(), {}, matching(), {}, kEnd - 5h).findings[0].detail, "ends on 2027-11-30, in 5 hours");
  Policy policy;
  policy.grace = Grace{kEnd + 30 * kDay, "notice 7/2027"};
  EXPECT_EQ(standing(installed(), {}, matching(), policy, kEnd + 1h).findings[0].detail,
            "ended on 2027-11-30, extended until 2027-12-30: notice 7/2027");
}

TEST(Standing, NamesAreTheApis) {
  EXPECT_EQ(to_string(StandingKind::in_force), "in_force");
  EXPECT_EQ(to_string(Action::refuse_new), "refuse_new");
  EXPECT_EQ(response_from_string("refuse_new"), Response::refuse_new);
  EXPECT_EQ(response_from_string("suspend"), Response::suspend);
  EXPECT_EQ(response_from_string("warn"), Response::warn);
  EXPECT_EQ(response_from_string("serve"), std::nullopt);
}

TEST(Sentence, SaysPlainlyWhoSaysSo) {
  EXPECT_EQ(sentence(std::nullopt), "unregistered: no registration certificate is installed");
  Installed self = installed(Level::self);
  self.verified.certificate.claims.reference.reset();
  EXPECT_EQ(sentence(self), "self-declared by Example Software (Pvt) Ltd, valid until 2027-11-30, not confirmed by anyone else");
  EXPECT_EQ(
      sentence(installed(Level::self)),
      "self-declared by Example Software (Pvt) Ltd, reference 24-7781 (its own statement), valid until 2027-11-30, not confirmed "
      "by anyone else");
  EXPECT_EQ(
      sentence(installed(Level::company)),
      "declared by Example Software (Pvt) Ltd, confirmed within the company by P@SHA on 2026-12-01, reference 24-7781, valid "
      "until 2027-11-30, not confirmed by anyone outside it");
  EXPECT_EQ(
      sentence(installed(Level::association)),
      "declared by Example Software (Pvt) Ltd, confirmed by P@SHA on 2026-12-01, reference 24-7781, valid until 2027-11-30");
  EXPECT_EQ(
      sentence(installed(Level::regulator)),
      "declared by Example Software (Pvt) Ltd, confirmed by the regulator P@SHA on 2026-12-01, reference 24-7781, valid until "
      "2027-11-30");
}

TEST(Sentence, AReferenceEnteredByHandIsNotTheIssuersWord) {
  Installed value = installed();
  value.reference = "25-1";
  EXPECT_NE(sentence(value).find("reference 25-1 (its own statement)"), std::string::npos);
  value.reference = "24-7781";
  EXPECT_EQ(sentence(value).find("its own statement"), std::string::npos);
}

TEST(Sentence, RegulatorIsSaidOnlyOfOne) {
  for (const Level level : {Level::self, Level::company, Level::association, Level::regulator}) {
    EXPECT_EQ(sentence(installed(level)).find("regulator") != std::string::npos, level == Level::regulator);
    EXPECT_EQ(sentence_for_client(installed(level).verified).find("regulator") != std::string::npos, level == Level::regulator);
  }
}

TEST(Sentence, ForTheClient) {
  EXPECT_EQ(sentence_for_client(installed().verified),
            "run by Example Software (Pvt) Ltd, registration confirmed by P@SHA on 2026-12-01, reference 24-7781, valid until "
            "2027-11-30");
  EXPECT_EQ(
      sentence_for_client(installed(Level::self).verified),
      "run by Example Software (Pvt) Ltd, self-declared, reference 24-7781 (its own statement), valid until 2027-11-30, not "
      "confirmed by anyone else");
}

}  // namespace
}  // namespace sanad::registration
