#include "control/registration/verify.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "control/registration/extension.hpp"
#include "control/registration/openssl.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;

std::string refusal(const Result<Verified>& result) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, Errc::refused_by_policy) << result.error().message;
  return result.error().message;
}

TEST(Verify, TheAnchorsLevelIsTheLevel) {
  const Authority root = make_authority("P@SHA");
  const Gateway gateway = confirmed_by(root);
  for (const Level level : {Level::self, Level::company, Level::association, Level::regulator}) {
    auto verified = verify(gateway.pem, {{root.pem, level, ""}});
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->level, level);
    EXPECT_EQ(verified->anchor_name, "P@SHA");
    EXPECT_EQ(verified->chain_subjects,
              (std::vector<std::string>{"C=PK, O=Example Software (Pvt) Ltd, organizationIdentifier=NTRPK-0123456",
                                        "C=PK, O=P@SHA, CN=P@SHA"}));
    EXPECT_EQ(verified->issuer_pem, root.pem);
    EXPECT_EQ(verified->certificate.claims, example_claims());
    EXPECT_EQ(level_from_string(to_string(level)), level);
  }
  EXPECT_EQ(verify(gateway.pem, {{root.pem, Level::association, "Pakistan Software Houses"}})->anchor_name,
            "Pakistan Software Houses");
  EXPECT_EQ(level_from_string("Regulator"), std::nullopt);
}

TEST(Verify, ASelfDeclaredOneIsTrustedOnlyAsItself) {
  const Gateway gateway = self_declared();
  auto verified = verify(gateway.pem, {{gateway.pem, Level::self, ""}});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->level, Level::self);
  EXPECT_EQ(verified->chain_subjects.size(), 1U);
  EXPECT_TRUE(verified->issuer_pem.empty());
  // The same claims under another key: a rogue's.
  const Gateway rogue = self_declared();
  EXPECT_NE(refusal(verify(rogue.pem, {{gateway.pem, Level::self, ""}})).find("unknown issuer"), std::string::npos);
  EXPECT_NE(refusal(verify(rogue.pem, {})).find("only declares itself"), std::string::npos);
}

TEST(Verify, IntermediatesComeWithTheChainAndTheNearestAnchorDecides) {
  const Authority root = make_authority("Association", 2);
  const Authority member = below(root, "Member Ltd", 0);
  const Gateway gateway = confirmed_by(member);
  const Anchor association{root.pem, Level::association, ""};
  EXPECT_EQ(verify(gateway.pem + member.pem, {association})->level, Level::association);
  EXPECT_EQ(verify(gateway.pem + member.pem + root.pem, {association})->chain_subjects.size(), 3U);
  EXPECT_NE(refusal(verify(gateway.pem, {association})).find("unknown issuer"), std::string::npos);
  const Anchor company{member.pem, Level::company, ""};
  EXPECT_EQ(verify(gateway.pem, {company})->level, Level::company);
  EXPECT_EQ(verify(gateway.pem + member.pem + root.pem, {association, company})->level, Level::company);
}

// Two issuers that certify each other: the chain goes round and ends nowhere.
TEST(Verify, AChainThatGoesInACircleEndsAtNobodyTrusted) {
  const Authority one = make_authority("One");
  const Authority two = make_authority("Two");
  const auto cross = [](const Authority& above, const Authority& subject, std::string_view name) {
    return make_intermediate(above.issuer(), name, "PK", public_key_of(subject.key).value(), kYear, 1).value();
  };
  const std::string one_by_two = cross(two, one, "One");
  const std::string two_by_one = cross(one, two, "Two");
  const Gateway gateway = confirmed_by(one);
  const Authority stranger = make_authority("Stranger");
  const auto verified = verify(gateway.pem + one_by_two + two_by_one + one_by_two, {{stranger.pem, Level::company, {}}});
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, Errc::refused_by_policy);
  EXPECT_NE(verified.error().message.find("unknown issuer"), std::string::npos) << verified.error().message;
}

TEST(Verify, AnotherRootOfTheSameNameIsUnknown) {
  const Authority genuine = make_authority("P@SHA");
  const Authority rogue = make_authority("P@SHA");
  const std::string message = refusal(verify(confirmed_by(rogue).pem, {{genuine.pem, Level::association, ""}}));
  EXPECT_TRUE(message.find("unknown issuer") != std::string::npos || message.find("broken signature") != std::string::npos)
      << message;
  EXPECT_NE(refusal(verify(confirmed_by(rogue).pem + rogue.pem, {{genuine.pem, Level::association, ""}})), "accepted");
}

TEST(Verify, PathLengthAndChainLength) {
  const Authority root = make_authority("Root", 0);
  const Authority too_low = below(root, "Below", 0);
  EXPECT_NE(
      refusal(verify(confirmed_by(too_low).pem + too_low.pem, {{root.pem, Level::company, ""}})).find("not allowed to issue"),
      std::string::npos);

  const Authority top = make_authority("Top", 3);
  const Authority one = below(top, "One", 2);
  const Authority two = below(one, "Two", 1);
  const Authority three = below(two, "Three", 0);
  const Gateway gateway = confirmed_by(three);
  const std::string bundle = gateway.pem + three.pem + two.pem + one.pem;
  EXPECT_EQ(verify(bundle, {{top.pem, Level::company, ""}})->chain_subjects.size(), 5U);
  EXPECT_EQ(verify(bundle + top.pem, {{top.pem, Level::company, ""}})->chain_subjects.size(), 5U);
}

// A certificate by hand, for what our own issuing never writes.
struct Handmade {
  EVP_PKEY* subject_key = nullptr;
  X509* issuer = nullptr;  // null: self-signed
  EVP_PKEY* issuer_key = nullptr;
  const EVP_MD* digest = nullptr;
  std::vector<std::pair<int, const char*>> extensions;
  bool registration = true;
  const char* name = "Example Software (Pvt) Ltd";
};

std::string make(const Handmade& parts) {
  const X509Ptr certificate{X509_new()};
  X509* raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 7);
  const auto add = [raw](const char* name, const char* value) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), name, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value), -1,
                               -1, 0);
  };
  add("C", "PK");
  add("O", parts.name);
  X509_set_issuer_name(raw, X509_get_subject_name(parts.issuer == nullptr ? raw : parts.issuer));
  ASN1_TIME_set(X509_getm_notBefore(raw), static_cast<time_t>(kYear.not_before.ns / 1'000'000'000));
  ASN1_TIME_set(X509_getm_notAfter(raw), static_cast<time_t>(kYear.not_after.ns / 1'000'000'000));
  X509_set_pubkey(raw, parts.subject_key);
  for (const auto& [nid, value] : parts.extensions) {
    const X509ExtensionPtr extension{X509V3_EXT_conf_nid(nullptr, nullptr, nid, value)};
    X509_add_ext(raw, extension.get(), -1);
  }
  if (parts.registration) {
    const Bytes der = encode_extension(example_claims()).value();
    const ObjectPtr oid{OBJ_txt2obj(kExtensionOid, 1)};
    const OctetStringPtr value{ASN1_OCTET_STRING_new()};
    ASN1_OCTET_STRING_set(value.get(), der.data(), static_cast<int>(der.size()));
    const X509ExtensionPtr extension{X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, value.get())};
    X509_add_ext(raw, extension.get(), -1);
  }
  EXPECT_GT(X509_sign(raw, parts.issuer_key, parts.digest), 0);
  return certificate_to_pem(raw).value();
}

const std::vector<std::pair<int, const char*>> kLeafExtensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                                  {NID_key_usage, "critical,digitalSignature"}};

TEST(Verify, WeakKeysAndSignaturesAreNamed) {
  const KeyPtr rsa1024{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024})};
  const KeyPtr rsa2048{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})};
  const KeyPtr p192{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "prime192v1")};
  ASSERT_TRUE(rsa1024 && rsa2048 && p192);
  const auto try_it = [](const std::string& pem) { return refusal(verify(pem, {{pem, Level::self, ""}})); };
  EXPECT_EQ(try_it(make({rsa2048.get(), nullptr, rsa2048.get(), EVP_sha256(), kLeafExtensions})), "accepted");
  EXPECT_EQ(try_it(make({rsa1024.get(), nullptr, rsa1024.get(), EVP_sha256(), kLeafExtensions})),
            "weak key in \"Example Software (Pvt) Ltd\": RSA with 1024 bits; 2048 are the least");
  EXPECT_EQ(try_it(make({p192.get(), nullptr, p192.get(), EVP_sha256(), kLeafExtensions})),
            "weak key in \"Example Software (Pvt) Ltd\": an elliptic curve key with 192 bits; 256 are the least");
  EXPECT_EQ(try_it(make({rsa2048.get(), nullptr, rsa2048.get(), EVP_sha1(), kLeafExtensions})),
            "weak signature on \"Example Software (Pvt) Ltd\": SHA-256 or stronger is needed");

  // A weak root under a strong leaf.
  const std::string weak_root = make({rsa1024.get(),
                                      nullptr,
                                      rsa1024.get(),
                                      EVP_sha256(),
                                      {{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "critical,keyCertSign"}},
                                      false,
                                      "Weak Root"});
  const auto root = read_certificate(weak_root).value();
  const std::string leaf = make({rsa2048.get(), root.get(), rsa1024.get(), EVP_sha256(), kLeafExtensions});
  EXPECT_NE(refusal(verify(leaf, {{weak_root, Level::company, ""}})).find("weak key in \"Weak Root\""), std::string::npos);
}

TEST(Verify, UsageIsChecked) {
  const KeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  const auto try_it = [&key](std::vector<std::pair<int, const char*>> extensions) {
    const std::string pem = make({key.get(), nullptr, key.get(), nullptr, std::move(extensions)});
    return refusal(verify(pem, {{pem, Level::self, ""}}));
  };
  EXPECT_EQ(try_it(kLeafExtensions), "accepted");
  EXPECT_EQ(try_it({{NID_basic_constraints, "critical,CA:FALSE"}}), "wrong usage: the certificate is not for digital signatures");
  EXPECT_EQ(try_it({{NID_key_usage, "critical,keyEncipherment"}}), "wrong usage: the certificate is not for digital signatures");
  EXPECT_EQ(try_it({{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "critical,digitalSignature,keyCertSign"}}),
            "wrong usage: an issuing certificate is not a gateway's");
  EXPECT_EQ(try_it({{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "critical,digitalSignature"}}),
            "wrong usage: an issuing certificate is not a gateway's");
  EXPECT_NE(try_it({{NID_key_usage, "critical,digitalSignature"}, {NID_name_constraints, "critical,permitted;DNS:example.com"}}),
            "");
}

TEST(Verify, AGatewayMayNotIssueAnotherOne) {
  const Gateway gateway = self_declared();
  const auto issuer = read_certificate(gateway.pem).value();
  const KeyPtr issuer_key = read_private_key(gateway.key).value();
  const KeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  const std::string forged = make({key.get(), issuer.get(), issuer_key.get(), nullptr, kLeafExtensions, true, "Victim Ltd"});
  const std::string message = refusal(verify(forged, {{gateway.pem, Level::association, ""}}));
  EXPECT_EQ(message, "not allowed to issue: \"Example Software (Pvt) Ltd\" is no issuing certificate");
}

TEST(Verify, AnUnknownCriticalExtensionIsRefused) {
  const KeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  auto extensions = kLeafExtensions;
  extensions.emplace_back(NID_netscape_comment, "critical,hello");
  const std::string pem = make({key.get(), nullptr, key.get(), nullptr, extensions});
  EXPECT_EQ(refusal(verify(pem, {{pem, Level::self, ""}})), "unknown critical extension in \"Example Software (Pvt) Ltd\"");
}

TEST(Verify, AnEditedCertificateHasABrokenSignature) {
  const Authority root = make_authority();
  const auto genuine = read_certificate(confirmed_by(root).pem).value();
  unsigned char* der = nullptr;
  const int size = i2d_X509(genuine.get(), &der);
  std::string text{reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
  OPENSSL_free(der);
  text.replace(text.find("24-7781"), 7, "24-7782");
  const auto* cursor = reinterpret_cast<const unsigned char*>(text.data());
  const X509Ptr edited{d2i_X509(nullptr, &cursor, size)};
  const std::string message = refusal(verify(certificate_to_pem(edited.get()).value(), {{root.pem, Level::association, ""}}));
  EXPECT_EQ(message,
            "broken signature: \"Example Software (Pvt) Ltd\" was changed after it was signed, or its issuer did not sign it");
}

TEST(Verify, MalformedInputIsTheCallersFault) {
  const Authority root = make_authority();
  const Gateway gateway = confirmed_by(root);
  EXPECT_EQ(verify("", {}).error().code, Errc::invalid_argument);
  EXPECT_EQ(verify(gateway.pem, {{root.pem, Level::company, ""}, {"rubbish", Level::self, ""}}).error().field, "anchors[1]");
  EXPECT_EQ(verify(gateway.pem, {{root.pem, Level::company, ""}, {root.pem, Level::regulator, ""}}).error().field, "anchors[1]");
  EXPECT_EQ(verify(gateway.pem, {{root.pem, Level::company, "a\nb"}}).error().field, "anchors[0].name");
  EXPECT_TRUE(verify(gateway.pem, {{root.pem, Level::company, ""}, {root.pem, Level::company, ""}}));
}

TEST(Verify, DatesAreASecondQuestion) {
  const Authority root = make_authority();
  RegistrationClaims claims = example_claims();
  claims.registration_valid_until.reset();
  const Validity old{*parse_rfc3339("2020-01-01T00:00:00Z"), *parse_rfc3339("2021-01-01T00:00:00Z")};
  const auto expired = verify(confirmed_by(root, claims, KeyAlgorithm::ed25519, old).pem, {{root.pem, Level::association, ""}});
  ASSERT_TRUE(expired) << expired.error().message;
  EXPECT_EQ(expired->level, Level::association);
  EXPECT_EQ(check_dates(*expired, kNow).error().message, "expired on 2021-01-01");
  EXPECT_EQ(check_dates(*expired, old.not_before).error().message, "not valid before 2026-11-01");  // the root's own

  const Validity longer{kYear.not_before, *parse_rfc3339("2030-01-01T00:00:00Z")};
  const auto outlives =
      verify(confirmed_by(root, claims, KeyAlgorithm::ed25519, longer).pem, {{root.pem, Level::association, ""}}).value();
  EXPECT_EQ(outlives.not_after, kYear.not_after);
  EXPECT_TRUE(check_dates(outlives, kYear.not_after));
  EXPECT_EQ(check_dates(outlives, longer.not_after).error().message,
            "its issuer \"C=PK, O=P@SHA, CN=P@SHA\" expired on 2027-11-30");

  claims.registration_valid_until = *parse_rfc3339("2027-01-01T00:00:00Z");
  const auto registration = verify(confirmed_by(root, claims).pem, {{root.pem, Level::association, ""}}).value();
  EXPECT_TRUE(check_dates(registration, *claims.registration_valid_until));
  EXPECT_EQ(check_dates(registration, *parse_rfc3339("2027-01-02T00:00:00Z")).error().message,
            "the registration ended on 2027-01-01");
}

}  // namespace
}  // namespace sanad::registration
