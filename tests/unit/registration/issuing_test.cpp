// What an issuer makes beside certificates: revocation lists, the list of the genuine, signatures in two steps.

#include <gtest/gtest.h>

#include "control/registration/crl.hpp"
#include "control/registration/genuine_list.hpp"
#include "control/registration/request.hpp"
#include "control/registration/signing.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;

Verified verified_by(const Authority& authority, const std::string& pem) {
  return verify(pem, {{authority.pem, Level::association, {}}}).value();
}

RevocationListDraft draft_of(std::vector<RevokedCertificate> revoked = {}) {
  return {7, *parse_rfc3339("2026-11-20T00:00:00Z"), *parse_rfc3339("2026-11-27T00:00:00Z"), std::move(revoked)};
}

TEST(RevocationList, OursIsReadByOurCheckAndByOpenssl) {
  const Authority authority = make_authority();
  const Gateway good = confirmed_by(authority);
  const Gateway bad = confirmed_by(authority);
  const auto serial = parse_certificate(bad.pem)->serial;
  const WallTime at = *parse_rfc3339("2026-11-19T10:00:00Z");
  const auto list = make_revocation_list(authority.issuer(), draft_of({{serial, at, RevocationReason::key_compromise}}));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(check_crl(*list, verified_by(authority, good.pem), kNow).status, RevocationState::Status::good);
  const auto state = check_crl(*list, verified_by(authority, bad.pem), kNow);
  EXPECT_EQ(state.status, RevocationState::Status::revoked);
  EXPECT_EQ(state.reason, "keyCompromise");
  EXPECT_EQ(state.revoked_at, at);
  EXPECT_FALSE(state.stale);

  const TemporaryDirectory directory;
  directory.write("ca.pem", authority.pem);
  directory.write("crl.pem", *list);
  directory.write("bad.pem", bad.pem);
  directory.write("good.pem", good.pem);
  EXPECT_EQ(
      run({"openssl", "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "-attime", "1795521600", "good.pem"},
          directory.path())
          .status,
      0);
  const Output refused =
      run({"openssl", "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "-attime", "1795521600", "bad.pem"},
          directory.path());
  EXPECT_NE(refused.text.find("certificate revoked"), std::string::npos) << refused.text;
}

TEST(RevocationList, BadDraftsAreRefused) {
  const Authority authority = make_authority();
  auto backwards = draft_of();
  std::swap(backwards.this_update, backwards.next_update);
  EXPECT_EQ(make_revocation_list(authority.issuer(), backwards).error().field, "next_update");
  EXPECT_EQ(make_revocation_list(authority.issuer(), draft_of({{"xyz", kNow}})).error().field, "revoked");
  const Gateway gateway = self_declared();
  EXPECT_FALSE(make_revocation_list({gateway.pem, gateway.key}, draft_of()));
}

TEST(RevocationReason, NamesAreRfc5280s) {
  for (const std::string_view name :
       {"unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"}) {
    EXPECT_EQ(to_string(revocation_reason_from_string(name).value()), name);
  }
  EXPECT_FALSE(revocation_reason_from_string("KeyCompromise"));
}

TEST(TwoSteps, WhatIsPreparedIsNothingUntilItIsSigned) {
  const Authority authority = make_authority();
  const PrivateKeyPem key = generate_key(KeyAlgorithm::ed25519).value();
  const std::string subject = public_key_of(key).value();
  const auto prepared = prepare_certificate(authority.pem, example_claims(), subject, kYear);
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_FALSE(verify(*prepared, {{authority.pem, Level::company, {}}}));
  const auto certificate = sign_prepared_certificate(authority.issuer(), *prepared);
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_TRUE(check_signed_certificate(authority.pem, *prepared, *certificate));
  EXPECT_EQ(verified_by(authority, *certificate).certificate.claims, example_claims());

  const std::string other = prepare_certificate(authority.pem, example_claims(), subject, kYear).value();
  EXPECT_NE(check_signed_certificate(authority.pem, other, *certificate).error().message.find("serial"), std::string::npos);
  EXPECT_FALSE(check_signed_certificate(authority.pem, *prepared, *prepared));
}

TEST(TwoSteps, TheKeySignsNothingElse) {
  const Authority authority = make_authority();
  const Authority stranger = make_authority("Stranger");
  const PrivateKeyPem key = generate_key(KeyAlgorithm::ed25519).value();
  const std::string prepared = prepare_certificate(stranger.pem, example_claims(), public_key_of(key).value(), kYear).value();
  EXPECT_NE(sign_prepared_certificate(authority.issuer(), prepared).error().message.find("another issuer"), std::string::npos);
  EXPECT_FALSE(sign_prepared_certificate(authority.issuer(), below(authority, "Below").pem));
  const std::string list = prepare_revocation_list(stranger.pem, draft_of()).value();
  EXPECT_FALSE(sign_prepared_revocation_list(authority.issuer(), list));
  const auto signed_list = sign_prepared_revocation_list(stranger.issuer(), list);
  ASSERT_TRUE(signed_list);
  EXPECT_FALSE(check_revocation_list_signature(list, stranger.pem));
  EXPECT_TRUE(check_revocation_list_signature(*signed_list, stranger.pem));
}

struct Listed {
  Authority authority = make_authority();
  Gateway gateway = confirmed_by(authority);
  GenuineList list{"P@SHA", 3, *parse_rfc3339("2026-11-20T00:00:00Z"), *parse_rfc3339("2026-11-27T00:00:00Z"), {}};
  Listed() {
    const Certificate certificate = parse_certificate(gateway.pem).value();
    list.gateways.push_back(
        {certificate.fingerprint, "A \"name\"", "khi-1", certificate.claims.wireguard_key, "24-7781", kYear.not_after});
  }
};

TEST(GenuineList, IsReadBackAndCheckedByOpensslAlone) {
  const Listed one;
  const std::string text = write_genuine_list(one.list);
  const auto again = read_genuine_list(text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->gateways.size(), 1U);
  EXPECT_EQ(again->gateways[0].legal_name, "A \"name\"");
  EXPECT_EQ(again->number, 3U);
  const Bytes signature = sign_genuine_list(text, one.authority.issuer()).value();
  EXPECT_TRUE(check_genuine_list(text, signature, verified_by(one.authority, one.gateway.pem), kNow));

  const TemporaryDirectory directory;
  directory.write("ca.pem", one.authority.pem);
  directory.write("list", text);
  directory.write("sig", {reinterpret_cast<const char*>(signature.data()), signature.size()});
  directory.write("key.pem", run({"openssl", "x509", "-in", "ca.pem", "-noout", "-pubkey"}, directory.path()).text);
  const Output output =
      run({"openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "list", "-sigfile", "sig"},
          directory.path());
  EXPECT_EQ(output.status, 0) << output.text;
}

TEST(GenuineList, EachFaultIsSaid) {
  const Listed one;
  const std::string text = write_genuine_list(one.list);
  const Bytes signature = sign_genuine_list(text, one.authority.issuer()).value();
  const Verified verified = verified_by(one.authority, one.gateway.pem);
  const auto fault = [&](std::string_view list, const Verified& of, WallTime now) {
    return check_genuine_list(list, signature, of, now).error();
  };
  std::string edited = text;
  edited.replace(edited.find("khi-1"), 5, "khi-2");
  EXPECT_NE(fault(edited, verified, kNow).message.find("not signed by who confirmed"), std::string::npos);
  EXPECT_NE(fault(text, verified, *parse_rfc3339("2026-12-01T00:00:00Z")).message.find("stale"), std::string::npos);
  const Gateway unlisted = confirmed_by(one.authority);
  EXPECT_EQ(fault(text, verified_by(one.authority, unlisted.pem), kNow).field, "list.missing");
  const Authority other = make_authority("Other");
  EXPECT_EQ(fault(text, verified_by(other, confirmed_by(other).pem), kNow).field, "list");
  const Gateway self = self_declared();
  EXPECT_EQ(fault(text, verify(self.pem, {{self.pem, Level::self, {}}}).value(), kNow).field, "list");
  for (const std::string_view bad : {"", "[]", "{}", "{\"kind\":\"sanad-genuine-list\",\"version\":2}"})
    EXPECT_FALSE(read_genuine_list(bad)) << bad;
}

}  // namespace
}  // namespace sanad::registration
