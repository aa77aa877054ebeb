#include "control/registrar/registrar.hpp"

#include <gtest/gtest.h>

#include "control/audit/log_reader.hpp"
#include "control/audit/verifier.hpp"
#include "control/registration/crl.hpp"
#include "control/registration/signing.hpp"
#include "control/registration/verify.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registrar {
namespace {

using registration::RegistrationClaims;
using registration::testing::example_claims;
using registration::testing::kNow;
using registration::testing::TemporaryDirectory;

constexpr std::chrono::hours kDay{24};

struct Applicant {
  registration::PrivateKeyPem key = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
  RegistrationClaims claims = example_claims();
  Applicant(std::string gateway_id, std::uint8_t number) {
    claims.gateway_id = std::move(gateway_id);
    std::array<std::uint8_t, 32> bytes{};
    bytes[0] = number;
    claims.wireguard_key = wg::PublicKey{bytes};
    claims.reference.reset();
    claims.registration_valid_until.reset();
  }
  [[nodiscard]] Application application() const { return {registration::make_request(claims, key).value(), {}, {}, {}, {}}; }
};

class RegistrarTest : public ::testing::Test {
 protected:
  RegistrarTest() {
    const auto begun = Registrar::begin(directory.path() / "reg", {"P@SHA", "PK", 3650, {}, {}, {}, {}}, actor, kNow);
    EXPECT_TRUE(begun) << begun.error().message;
    registrar.emplace(Registrar::open(directory.path() / "reg", actor).value());
    key.emplace(registrar->key({}).value());
  }
  Issued issue(const Applicant& who, WallTime now = kNow) {
    auto issued = registrar->issue(who.application(), *key, false, now);
    EXPECT_TRUE(issued) << issued.error().message;
    return *std::move(issued);
  }
  template <class Ask>
  auto asked(Ask ask) {
    decltype(ask()) out{};
    EXPECT_TRUE(registrar->store().look([&]() -> Result<void> {
      out = ask();
      return {};
    }));
    return out;
  }

  TemporaryDirectory directory;
  audit::Actor actor{1000, 1000, 1, "admin", "", ""};
  std::optional<Registrar> registrar;
  std::optional<registration::PrivateKeyPem> key;
};

TEST_F(RegistrarTest, IssuesWhatVerifiesAgainstItsCertificate) {
  const Applicant who("khi-1", 1);
  const Issued issued = issue(who);
  const auto verified = registration::verify(issued.chain, {{registrar->authority_pem(), registration::Level::association, {}}});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->certificate.claims, who.claims);
  EXPECT_TRUE(registration::check_key_matches(verified->certificate.pem, who.key));
  EXPECT_EQ(asked([&] { return registrar->store().counts(kNow).current; }), 1U);
}

TEST_F(RegistrarTest, ASecondOneInTheSameFolderIsRefused) {
  const auto again = Registrar::begin(directory.path() / "reg", {"Other", "PK", 10, {}, {}, {}, {}}, actor, kNow);
  EXPECT_EQ(again.error().code, Errc::conflict);
  EXPECT_EQ(Registrar::open(directory.path() / "none", actor).error().code, Errc::not_found);
}

TEST_F(RegistrarTest, AKeyOfAnotherGatewayIsRefusedAndItsOwnRenewalIsNot) {
  const Applicant first("khi-1", 1);
  issue(first);
  issue(first, kNow + kDay);  // a renewal: the same holder, gateway and keys
  const Applicant thief("lhr-1", 1);
  const auto refused = registrar->issue(thief.application(), *key, false, kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::refused_by_policy);
  EXPECT_NE(refused.error().message.find("wireguard_key: a key of this gateway is already certified"), std::string::npos)
      << refused.error().message;
  EXPECT_TRUE(registrar->issue(thief.application(), *key, true, kNow)) << "despite the policy";
}

TEST_F(RegistrarTest, AReferenceBelongsToOneHolder) {
  Application first = Applicant("khi-1", 1).application();
  first.reference = "24-7781";
  ASSERT_TRUE(registrar->issue(first, *key, false, kNow));
  Applicant other("lhr-1", 2);
  other.claims.legal_name = "Other Ltd";
  Application second = other.application();
  second.reference = "24-7781";
  const auto inspection = registrar->inspect(second, kNow);
  ASSERT_TRUE(inspection);
  ASSERT_EQ(inspection->objections.size(), 1U);
  EXPECT_EQ(inspection->objections[0].field, "reference");
}

TEST_F(RegistrarTest, TwoCommandsAtOneRegistrarDoNotStandInEachOthersWay) {
  Registrar other = Registrar::open(directory.path() / "reg", actor).value();
  issue(Applicant("khi-1", 1));
  const auto issued = other.issue(Applicant("lhr-1", 2).application(), *key, false, kNow);
  ASSERT_TRUE(issued) << issued.error().message;
  const auto same = registrar->issue(Applicant("isb-1", 2).application(), *key, false, kNow);
  EXPECT_EQ(same.error().code, Errc::refused_by_policy) << "it sees what the other has done";
}

TEST_F(RegistrarTest, ManyAreAllOrNone) {
  const Applicant good("khi-1", 1);
  const Applicant same("lhr-1", 1);
  EXPECT_FALSE(registrar->issue_all({good.application(), same.application()}, *key, false, kNow));
  EXPECT_EQ(asked([&] { return registrar->store().counts(kNow).issued; }), 0U);
}

TEST_F(RegistrarTest, DueAreThoseThatNobodyHasRenewed) {
  const Applicant renewed("khi-1", 1);
  const Applicant late("lhr-1", 2);
  const Applicant fresh("isb-1", 3);
  const WallTime year_ago = kNow - kDay * 350;
  issue(renewed, year_ago);
  issue(late, year_ago);
  issue(renewed);
  issue(fresh);
  const auto due = asked([&] { return registrar->store().due(kNow, kNow + kDay * 30); });
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].gateway_id, "lhr-1");
}

TEST_F(RegistrarTest, RevokedIsOnTheListOnceAndOffTheOther) {
  const Applicant who("khi-1", 1);
  const Applicant other("lhr-1", 2);
  const Issued issued = issue(who);
  issue(other);
  ASSERT_TRUE(registrar->revoke(issued.certificate.serial, registration::RevocationReason::key_compromise, kNow));
  EXPECT_EQ(registrar->revoke(issued.certificate.serial, registration::RevocationReason::key_compromise, kNow).error().code,
            Errc::conflict);
  EXPECT_EQ(registrar->revoke("00ff", {}, kNow).error().code, Errc::not_found);
  const std::string list = registrar->revocation_list(&*key, kNow).value();
  ASSERT_TRUE(registrar->publish_revocation_list(list, kNow));
  EXPECT_EQ(directory.read("reg/public/crl.pem"), list);
  const auto verified =
      registration::verify(issued.chain, {{registrar->authority_pem(), registration::Level::association, {}}}).value();
  EXPECT_EQ(registration::check_crl(list, verified, kNow).status, registration::RevocationState::Status::revoked);
  const auto genuine = registration::read_genuine_list(registrar->genuine_list(kNow).value()).value();
  ASSERT_EQ(genuine.gateways.size(), 1U);
  EXPECT_EQ(genuine.gateways[0].gateway_id, "lhr-1");
  // A new certificate for the key it was revoked with is a matter for the policy no more.
  EXPECT_TRUE(registrar->issue(who.application(), *key, false, kNow));
}

TEST_F(RegistrarTest, WhatIsPreparedComesBackOnce) {
  const Applicant who("khi-1", 1);
  const std::string prepared = registrar->prepare(who.application(), false, kNow).value();
  EXPECT_FALSE(registrar->accept_certificate(prepared, kNow)) << "not signed";
  const std::string done = registration::sign_prepared_certificate({registrar->authority_pem(), *key}, prepared).value();
  const auto accepted = registrar->accept_certificate(done, kNow);
  ASSERT_TRUE(accepted) << accepted.error().message;
  EXPECT_EQ(registrar->accept_certificate(done, kNow).error().code, Errc::not_found);
}

TEST_F(RegistrarTest, PublishesNothingThatItDidNotSign) {
  const auto stranger = registration::testing::make_authority("P@SHA");
  const auto list = registration::make_revocation_list(stranger.issuer(), {1, kNow, kNow + kDay, {}}).value();
  EXPECT_FALSE(registrar->publish_revocation_list(list, kNow));
  const std::string genuine = registrar->genuine_list(kNow).value();
  EXPECT_FALSE(
      registrar->publish_genuine_list(genuine, registration::sign_genuine_list(genuine, stranger.issuer()).value(), kNow));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "reg/public/genuine.json"));
}

TEST_F(RegistrarTest, EveryActIsARecordAndNoNameIsInTheLog) {
  const Applicant who("khi-1", 1);
  const Issued issued = issue(who);
  ASSERT_TRUE(registrar->revoke(issued.certificate.serial, {}, kNow));
  ASSERT_TRUE(registrar->publish_log(kNow));
  const audit::LogReader reader(directory.path() / "reg/log");
  audit::Bundle bundle;
  ASSERT_TRUE(reader.entries(0, 3, bundle));
  ASSERT_EQ(bundle.entries.size(), 3U);
  for (const auto& entry : bundle.entries) {
    const std::string text(entry.begin(), entry.end());
    EXPECT_EQ(text.find(who.claims.legal_name), std::string::npos) << text;
    EXPECT_EQ(text.find("khi-1"), std::string::npos) << text;
  }
  const std::string last(bundle.entries[2].begin(), bundle.entries[2].end());
  EXPECT_NE(last.find("\"action\":\"revoke\""), std::string::npos) << last;
}

TEST_F(RegistrarTest, AKeyThatIsElsewhereIsSaidToBe) {
  const auto begun =
      Registrar::begin(directory.path() / "off", {"Offline", "PK", 10, {}, directory.path() / "usb.key", {}, {}}, actor, kNow);
  ASSERT_TRUE(begun) << begun.error().message;
  const Registrar offline = Registrar::open(directory.path() / "off", actor).value();
  const auto missing = offline.key({});
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_NE(missing.error().hint.find("sanad registrar prepare"), std::string::npos);
  EXPECT_TRUE(offline.key(directory.path() / "usb.key"));
}

TEST_F(RegistrarTest, BelowAnotherItsChainGoesAlong) {
  const auto begun =
      Registrar::begin(directory.path() / "below",
                       {"Below", "PK", 10, {}, {}, directory.path() / "reg/ca.pem", registrar->default_key()}, actor, kNow);
  ASSERT_TRUE(begun) << begun.error().message;
  Registrar below = Registrar::open(directory.path() / "below", actor).value();
  const Issued issued = below.issue(Applicant("khi-1", 1).application(), below.key({}).value(), false, kNow).value();
  const auto verified = registration::verify(issued.chain, {{registrar->authority_pem(), registration::Level::association, {}}});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->chain_subjects.size(), 3U);
}

}  // namespace
}  // namespace sanad::registrar
