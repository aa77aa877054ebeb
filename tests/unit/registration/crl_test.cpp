#include "control/registration/crl.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <chrono>

#include "control/registration/openssl.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;
using Status = RevocationState::Status;

struct List {
  bool revoke = false;
  long reason = 1;  // keyCompromise
  bool next_update = true;
  bool partial = false;
};

time_t seconds(WallTime t) { return static_cast<time_t>(t.ns / 1'000'000'000); }

const WallTime kNext = *parse_rfc3339("2026-12-01T00:00:00Z");

X509CrlPtr make_list(const Authority& authority, std::string_view leaf_pem, const List& list) {
  X509CrlPtr crl{X509_CRL_new()};
  const auto issuer = read_certificate(authority.pem).value();
  const auto leaf = read_certificate(leaf_pem).value();
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.get()));
  const std::unique_ptr<ASN1_TIME, Freer<ASN1_TIME_free>> last{ASN1_TIME_set(nullptr, seconds(kYear.not_before))};
  const std::unique_ptr<ASN1_TIME, Freer<ASN1_TIME_free>> next{ASN1_TIME_set(nullptr, seconds(kNext))};
  X509_CRL_set1_lastUpdate(crl.get(), last.get());
  if (list.next_update) X509_CRL_set1_nextUpdate(crl.get(), next.get());
  if (list.revoke) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(leaf.get()));
    X509_REVOKED_set_revocationDate(entry, last.get());
    const std::unique_ptr<ASN1_ENUMERATED, Freer<ASN1_ENUMERATED_free>> reason{ASN1_ENUMERATED_new()};
    ASN1_ENUMERATED_set(reason.get(), list.reason);
    X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason.get(), 0, 0);
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  if (list.partial) {
    const std::unique_ptr<ASN1_INTEGER, Freer<ASN1_INTEGER_free>> base{ASN1_INTEGER_new()};
    ASN1_INTEGER_set(base.get(), 1);
    X509_CRL_add1_ext_i2d(crl.get(), NID_delta_crl, base.get(), 1, 0);
  }
  X509_CRL_sort(crl.get());
  const KeyPtr key = read_private_key(authority.key).value();
  EXPECT_GT(X509_CRL_sign(crl.get(), key.get(), nullptr), 0);
  return crl;
}

std::string pem_list(const Authority& authority, std::string_view leaf_pem, const List& list = {}) {
  const BioPtr bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509_CRL(bio.get(), make_list(authority, leaf_pem, list).get());
  return drain(bio.get());
}

struct Scene {
  Authority root = make_authority();
  Gateway gateway = confirmed_by(root);
  Verified verified = verify(gateway.pem, {{root.pem, Level::association, ""}}).value();
};

TEST(Crl, GoodAndRevoked) {
  const Scene scene;
  auto state = check_crl(pem_list(scene.root, scene.gateway.pem), scene.verified, kNow);
  EXPECT_EQ(state.status, Status::good) << state.detail;
  EXPECT_FALSE(state.stale);
  EXPECT_EQ(state.next_update, kNext);

  state = check_crl(pem_list(scene.root, scene.gateway.pem, {true}), scene.verified, kNow);
  EXPECT_EQ(state.status, Status::revoked) << state.detail;
  EXPECT_EQ(state.reason, "keyCompromise");
  EXPECT_EQ(state.revoked_at, kYear.not_before);

  const Gateway other = confirmed_by(scene.root);
  EXPECT_EQ(check_crl(pem_list(scene.root, other.pem, {true}), scene.verified, kNow).status, Status::good);
}

TEST(Crl, DerIsReadToo) {
  const Scene scene;
  const auto crl = make_list(scene.root, scene.gateway.pem, {true});
  unsigned char* der = nullptr;
  const int size = i2d_X509_CRL(crl.get(), &der);
  std::string text{reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
  OPENSSL_free(der);
  EXPECT_EQ(check_crl(text, scene.verified, kNow).status, Status::revoked);
  EXPECT_EQ(check_crl(text + "x", scene.verified, kNow).status, Status::unavailable);
  EXPECT_EQ(check_crl(text.substr(0, text.size() - 1), scene.verified, kNow).status, Status::unavailable);
}

TEST(Crl, AStaleListStillRevokes) {
  const Scene scene;
  const WallTime later = kNext + std::chrono::seconds{1};
  EXPECT_FALSE(check_crl(pem_list(scene.root, scene.gateway.pem), scene.verified, kNext).stale);
  EXPECT_TRUE(check_crl(pem_list(scene.root, scene.gateway.pem), scene.verified, later).stale);
  const auto state = check_crl(pem_list(scene.root, scene.gateway.pem, {true}), scene.verified, later);
  EXPECT_EQ(state.status, Status::revoked);
  EXPECT_TRUE(state.stale);
}

TEST(Crl, WhatCannotBeUsedIsSaidToBeSo) {
  const Scene scene;
  const Authority other = make_authority("Somebody");
  const Authority impostor = make_authority();  // the same name, another key
  const std::pair<std::string, const char*> rows[] = {
      {"", "not a revocation list"},
      {"rubbish", "not a revocation list"},
      {std::string(kMaxCrl + 1, 'x'), "larger than 8 MiB"},
      {pem_list(other, scene.gateway.pem, {true}), "of another issuer: C=PK, O=Somebody, CN=Somebody"},
      {pem_list(impostor, scene.gateway.pem, {true}), "not signed by the certificate's issuer"},
      {pem_list(scene.root, scene.gateway.pem, {true, 1, false}), "when the next one comes"},
      {pem_list(scene.root, scene.gateway.pem, {false, 1, true, true}), "a partial one"},
  };
  for (const auto& [text, expected] : rows) {
    const auto state = check_crl(text, scene.verified, kNow);
    EXPECT_EQ(state.status, Status::unavailable) << expected;
    EXPECT_NE(state.detail.find(expected), std::string::npos) << state.detail;
  }
}

TEST(Crl, ASelfDeclaredOneHasNobodyToAsk) {
  const Gateway gateway = self_declared();
  const auto verified = verify(gateway.pem, {{gateway.pem, Level::self, ""}}).value();
  EXPECT_EQ(check_crl("anything", verified, kNow).status, Status::not_checked);
}

}  // namespace
}  // namespace sanad::registration
