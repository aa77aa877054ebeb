#include "control/service/registration_keeper.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "control/registration/revocation_list.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::service {
namespace {

using namespace registration::testing;
using registration::Action;
using registration::StandingKind;

class Keeper : public ::testing::Test {
 protected:
  Keeper() : keeper_(settings_, example_claims().wireguard_key, example_claims().listen_ports.front()) {}

  static RegistrationMaterial material(const registration::testing::Gateway& gateway,
                                       std::vector<registration::Anchor> anchors = {}) {
    RegistrationMaterial out;
    out.certificate_pem = gateway.pem;
    out.key = std::make_shared<registration::PrivateKeyPem>(gateway.key.reveal());
    out.anchors = std::move(anchors);
    out.public_addresses = example_claims().addresses;
    return out;
  }
  void install(const std::string& pem) { keeper_.set_history({{.certificate_pem = pem, .fingerprint = "f", .installed = kNow}}); }

  config::Registration settings_;
  RegistrationKeeper keeper_;
};

TEST_F(Keeper, WithoutACertificateItIsUnregistered) {
  (void)keeper_.judge(kNow);
  EXPECT_EQ(keeper_.standing().kind, StandingKind::unregistered);
  EXPECT_TRUE(keeper_.status().level.empty());
}

TEST_F(Keeper, ASelfDeclaredCertificateVouchesForItselfAtTheLowestLevel) {
  const auto gateway = self_declared();
  keeper_.set_material(material(gateway));
  const auto checked = keeper_.check(gateway.pem);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->level, registration::Level::self);
  install(gateway.pem);
  EXPECT_TRUE(keeper_.judge(kNow));
  EXPECT_EQ(keeper_.standing().action, Action::serve);
  EXPECT_FALSE(keeper_.judge(kNow));  // nothing new
  EXPECT_EQ(keeper_.status().level, "self");
}

TEST_F(Keeper, AnIssuersChainNeedsItsAnchor) {
  const auto authority = make_authority();
  const auto gateway = confirmed_by(authority);
  keeper_.set_material(material(gateway));
  const auto unknown = keeper_.check(gateway.pem);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::refused_by_policy);
  keeper_.set_material(material(gateway, {{authority.pem, registration::Level::company, "P@SHA"}}));
  const auto known = keeper_.check(gateway.pem);
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(known->level, registration::Level::company);
}

TEST_F(Keeper, WrongKeysAreRefused) {
  const auto gateway = self_declared();
  auto claims = example_claims();
  claims.wireguard_key = wg::derive_public_key(wg::generate_private_key().value()).value();
  const auto other_device = self_declared(claims);
  keeper_.set_material(material(other_device));
  const auto wrong_device = keeper_.check(other_device.pem);
  ASSERT_FALSE(wrong_device);
  EXPECT_EQ(wrong_device.error().code, Errc::invalid_argument);
  EXPECT_EQ(wrong_device.error().field, "certificate.wireguard_key");
  keeper_.set_material(material(self_declared()));  // the registration key of another certificate
  EXPECT_FALSE(keeper_.check(gateway.pem));
}

TEST_F(Keeper, AnEndedCertificateHasTheConfiguredConsequence) {
  const auto gateway = self_declared();
  keeper_.set_material(material(gateway));
  install(gateway.pem);
  (void)keeper_.judge(kNow);
  EXPECT_TRUE(keeper_.judge(kYear.not_after + std::chrono::hours{24}));
  EXPECT_EQ(keeper_.standing().kind, StandingKind::expired);
  EXPECT_EQ(keeper_.standing().action, Action::refuse_new);
  settings_.on_expired = config::StandingAction::suspend;
  keeper_.configure(settings_, example_claims().listen_ports.front());
  EXPECT_TRUE(keeper_.judge(kYear.not_after + std::chrono::hours{24}));
  EXPECT_EQ(keeper_.standing().action, Action::suspend);
}

// A revocation list is made with the openssl program, as an issuer would.
class KeeperCrl : public Keeper {
 protected:
  KeeperCrl() {
    directory_.write("ca.pem", authority_.pem);
    directory_.write("ca.key", authority_.key.reveal());
    directory_.write("index.txt", "");
    directory_.write("crlnumber", "01\n");
    directory_.write(
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=default\ndefault_crl_days=3650\n");
    directory_.write("leaf.pem", gateway_.pem);
  }
  std::string crl(bool revoked) {
    if (revoked) {
      const auto out = run({"openssl", "ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-revoke", "leaf.pem"},
                           directory_.path());
      EXPECT_EQ(out.status, 0) << out.text;
    }
    const auto out =
        run({"openssl", "ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-gencrl", "-out", "list.pem"},
            directory_.path());
    EXPECT_EQ(out.status, 0) << out.text;
    return directory_.read("list.pem");
  }
  void give(std::string text) {
    auto all = material(gateway_, {{authority_.pem, registration::Level::company, "P@SHA"}});
    all.crls = {{"/etc/sanad/list.pem", std::move(text)}};
    keeper_.set_material(std::move(all));
    install(gateway_.pem);
    (void)keeper_.judge(now().wall);
  }
  [[nodiscard]] bool unavailable() const {
    for (const auto& f : keeper_.standing().findings)
      if (f.code == registration::FindingCode::revocation_unavailable) return true;
    return false;
  }

  TemporaryDirectory directory_;
  Authority authority_ = make_authority();
  registration::testing::Gateway gateway_ = confirmed_by(authority_);
};

TEST_F(KeeperCrl, AListThatWasNeverReadIsAFinding) {
  give("");
  EXPECT_TRUE(unavailable());
  EXPECT_EQ(keeper_.standing().action, Action::serve);
}

TEST_F(KeeperCrl, RevokedStaysRevokedWhenTheFileBreaks) {
  give(crl(true));
  ASSERT_EQ(keeper_.standing().kind, StandingKind::revoked);
  EXPECT_EQ(keeper_.standing().action, Action::suspend);
  for (const char* broken : {"", "half a lis"}) {
    give(broken);
    EXPECT_EQ(keeper_.standing().kind, StandingKind::revoked) << broken;
  }
}

TEST_F(KeeperCrl, AGoodListGoesOnCountingWhenTheFileBreaksAndThatIsSaid) {
  give(crl(false));
  ASSERT_FALSE(unavailable());
  give("");
  EXPECT_TRUE(unavailable());
  EXPECT_EQ(keeper_.standing().kind, StandingKind::in_force);
  EXPECT_EQ(keeper_.standing().action, Action::serve);
}

TEST_F(KeeperCrl, MaterialNamesTheFileItCouldNotRead) {
  settings_.certificate = directory_.path() / "none.pem";
  settings_.private_key.path = directory_.path() / "ca.key";
  settings_.crl_files = {directory_.path() / "gone.pem"};
  settings_.public_addresses = {IpAddress::parse("198.51.100.1").value()};
  std::filesystem::permissions(settings_.private_key.path, std::filesystem::perms::owner_read);
  auto loaded = load_material(settings_, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->certificate_pem.empty());
  EXPECT_TRUE(loaded->key);
  ASSERT_EQ(loaded->crls.size(), 1U);
  EXPECT_TRUE(loaded->crls[0].text.empty());
  settings_.anchors = {{directory_.path() / "no-anchor.pem", config::AnchorLevel::company, "x"}};
  loaded = load_material(settings_, {});
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("no-anchor.pem"), std::string::npos);
}

// ---- lists that come over HTTP ----

class Fetched : public Keeper {
 protected:
  Fetched() {
    settings_.crl_urls = {kUrl};
    keeper_.configure(settings_, example_claims().listen_ports.front());
    keeper_.set_material(material(gateway_, {{authority_.pem, registration::Level::association, {}}}));
    install(gateway_.pem);
    (void)keeper_.judge(kNow);
  }
  [[nodiscard]] std::string list(bool revoked, std::chrono::nanoseconds age = std::chrono::hours(1)) const {
    registration::RevocationListDraft draft{1, kNow - age, kNow + std::chrono::hours(24), {}};
    if (revoked) draft.revoked.push_back({registration::parse_certificate(gateway_.pem)->serial, kNow, {}});
    return registration::make_revocation_list(authority_.issuer(), draft).value();
  }
  bool told_unavailable() {
    (void)keeper_.judge(kNow);
    for (const auto& finding : keeper_.standing().findings)
      if (finding.code == registration::FindingCode::revocation_unavailable) return true;
    return false;
  }

  static constexpr const char* kUrl = "http://association.example/crl.pem";
  Authority authority_ = make_authority();
  registration::testing::Gateway gateway_ = confirmed_by(authority_);
};

TEST_F(Fetched, RevokesAndIsKept) {
  EXPECT_TRUE(keeper_.set_fetched({kUrl, list(false), {}}, kNow));
  (void)keeper_.judge(kNow);
  EXPECT_EQ(keeper_.standing().kind, StandingKind::in_force);
  EXPECT_TRUE(keeper_.set_fetched({kUrl, list(true), {}}, kNow));
  (void)keeper_.judge(kNow);
  EXPECT_EQ(keeper_.standing().kind, StandingKind::revoked);
  EXPECT_EQ(keeper_.standing().action, Action::suspend);
  EXPECT_TRUE(keeper_.set_fetched({kUrl, list(true), {}}, kNow)) << "kept again: the file's time is when it was fetched last";
}

TEST_F(Fetched, OutOfReachIsAFindingAndTakesNothingBack) {
  EXPECT_FALSE(keeper_.set_fetched({kUrl, {}, "couldn't connect"}, kNow));
  EXPECT_TRUE(told_unavailable());
  EXPECT_EQ(keeper_.standing().action, Action::serve);
  (void)keeper_.set_fetched({kUrl, list(true), {}}, kNow);
  EXPECT_FALSE(told_unavailable());
  EXPECT_FALSE(keeper_.set_fetched({kUrl, {}, "couldn't connect"}, kNow));
  EXPECT_TRUE(told_unavailable());
  EXPECT_EQ(keeper_.standing().kind, StandingKind::revoked) << "the last good list still says so";
}

TEST_F(Fetched, AnotherIssuersListIsAFindingAndNotKept) {
  const Authority other = make_authority("Other");
  const auto foreign =
      registration::make_revocation_list(other.issuer(), {1, kNow - std::chrono::hours(1), kNow + std::chrono::hours(24), {}})
          .value();
  EXPECT_FALSE(keeper_.set_fetched({kUrl, foreign, {}}, kNow));
  EXPECT_TRUE(told_unavailable());
  EXPECT_FALSE(keeper_.set_fetched({kUrl, "<html>", {}}, kNow));
  EXPECT_TRUE(told_unavailable());
}

TEST_F(Fetched, WhatWasKeptOverARestartCountsUntilTheFirstFetch) {
  const auto before = kNow - std::chrono::minutes(30);
  keeper_.set_kept({{kUrl, list(true), {}, before}});
  (void)keeper_.judge(kNow);
  EXPECT_EQ(keeper_.standing().kind, StandingKind::revoked);
  EXPECT_EQ(keeper_.status().revocation.checked_at, before);
}

TEST_F(Fetched, SaysWhenItWasLastCheckedAndSinceWhenThatFails) {
  EXPECT_EQ(keeper_.status().revocation.status, "not_checked");
  (void)keeper_.set_fetched({kUrl, {}, "couldn't connect"}, kNow);
  (void)keeper_.judge(kNow);
  EXPECT_EQ(keeper_.status().revocation.status, "unavailable");
  EXPECT_FALSE(keeper_.status().revocation.checked_at);

  const auto good = kNow + std::chrono::minutes(1);
  (void)keeper_.set_fetched({kUrl, list(false), {}}, good);
  (void)keeper_.judge(good);
  auto status = keeper_.status().revocation;
  EXPECT_EQ(status.status, "good");
  EXPECT_EQ(status.checked_at, good);
  ASSERT_EQ(status.lists.size(), 1U);
  EXPECT_EQ(status.lists[0].issued_at, kNow - std::chrono::hours(1));
  EXPECT_EQ(status.lists[0].next_update, kNow + std::chrono::hours(24));
  EXPECT_TRUE(status.lists[0].problem.empty());
  EXPECT_FALSE(status.lists[0].failing_since);

  const auto failed = good + std::chrono::minutes(1);
  for (const auto& at : {failed, failed + std::chrono::minutes(1)}) {
    (void)keeper_.set_fetched({kUrl, {}, "couldn't connect"}, at);
    (void)keeper_.judge(at);
  }
  status = keeper_.status().revocation;
  EXPECT_EQ(status.status, "good");
  EXPECT_EQ(status.checked_at, good) << "an attempt that failed checks nothing";
  EXPECT_EQ(status.lists[0].failing_since, failed);
  EXPECT_EQ(status.lists[0].problem, "couldn't connect");
}

TEST_F(Fetched, AListFromBeforeARevocationDoesNotHideIt) {
  const auto first = list(false);
  (void)keeper_.set_fetched({kUrl, list(true, std::chrono::minutes(30)), {}}, kNow);
  (void)keeper_.judge(kNow);
  ASSERT_EQ(keeper_.standing().kind, StandingKind::revoked);
  EXPECT_FALSE(keeper_.set_fetched({kUrl, first, {}}, kNow)) << "older than what is kept";
  EXPECT_TRUE(told_unavailable());
  EXPECT_EQ(keeper_.standing().kind, StandingKind::revoked);
  EXPECT_NE(keeper_.status().revocation.lists[0].problem.find("older than one that was read before"), std::string::npos);
}

TEST_F(Fetched, NobodyCouldRevokeASelfDeclaredOne) {
  const auto own = self_declared();
  keeper_.set_material(material(own));
  install(own.pem);
  (void)keeper_.set_fetched({kUrl, list(false), {}}, kNow);
  (void)keeper_.judge(kNow);
  EXPECT_EQ(keeper_.status().revocation.status, "no_issuer");
  EXPECT_FALSE(keeper_.status().revocation.checked_at);
}

}  // namespace
}  // namespace sanad::service
