#include "control/registration/certificate.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "control/registration/extension.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;

TEST(Certificate, WhatIsIssuedIsReadBack) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::ed25519, KeyAlgorithm::ecdsa_p256}) {
    const Gateway gateway = self_declared(example_claims(), algorithm);
    auto certificate = parse_certificate(gateway.pem);
    ASSERT_TRUE(certificate) << certificate.error().message;
    EXPECT_EQ(certificate->claims, example_claims());
    EXPECT_EQ(certificate->subject, "C=PK, O=Example Software (Pvt) Ltd, organizationIdentifier=NTRPK-0123456");
    EXPECT_EQ(certificate->issuer, certificate->subject);
    EXPECT_EQ(certificate->name, "Example Software (Pvt) Ltd");
    EXPECT_EQ(certificate->not_before, kYear.not_before);
    EXPECT_EQ(certificate->not_after, kYear.not_after);
    EXPECT_EQ(certificate->pem, gateway.pem);
    EXPECT_EQ(certificate->serial.size(), 32U);
    EXPECT_TRUE(check_key_matches(gateway.pem, gateway.key));
  }
}

TEST(Certificate, OptionalClaimsMayBeMissing) {
  RegistrationClaims claims = example_claims();
  claims.organization_identifier.clear();
  claims.addresses.clear();
  claims.dns_names.clear();
  claims.reference.reset();
  claims.approved_on.reset();
  claims.registration_valid_until.reset();
  claims.legal_name = "Müller & Söhne, کراچی";
  auto certificate = parse_certificate(self_declared(claims).pem);
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_EQ(certificate->claims, claims);
}

TEST(Certificate, TwoOfTheSameDifferInSerialAndFingerprint) {
  const Authority authority = make_authority();
  const auto one = parse_certificate(confirmed_by(authority).pem).value();
  const auto two = parse_certificate(confirmed_by(authority).pem).value();
  EXPECT_NE(one.serial, two.serial);
  EXPECT_NE(one.fingerprint, two.fingerprint);
  EXPECT_EQ(one.issuer, "C=PK, O=P@SHA, CN=P@SHA");
}

// The openssl program, which knows nothing of our extension, reads all the rest, verifies it and shows the extension's ASN.1.
TEST(Certificate, OpensslUnderstandsIt) {
  const TemporaryDirectory directory;
  const Authority root = make_authority();
  const Gateway gateway = confirmed_by(root, example_claims(), KeyAlgorithm::ecdsa_p256);
  directory.write("root.pem", root.pem);
  directory.write("leaf.pem", gateway.pem);

  const Output text = run({"openssl", "x509", "-in", "leaf.pem", "-noout", "-text", "-fingerprint", "-sha256"}, directory.path());
  EXPECT_EQ(text.status, 0);
  const auto certificate = parse_certificate(gateway.pem).value();
  for (const std::string& expected :
       {std::string{"Subject: C = PK, O = Example Software (Pvt) Ltd, organizationIdentifier = NTRPK-0123456"},
        std::string{"Issuer: C = PK, O = P@SHA, CN = P@SHA"},
        std::string{"X509v3 Basic Constraints: critical\n                CA:FALSE"},
        std::string{"X509v3 Key Usage: critical\n                Digital Signature\n"}, std::string{"DNS:vpn.example.com"},
        std::string{"IP Address:203.0.113.10, IP Address:2001:DB8:0:0:0:0:0:10"}, std::string{kExtensionOid} + ": \n",
        std::string{"Not After : Nov 30 00:00:00 2027 GMT"}, "Fingerprint=" + fingerprint_text(certificate.fingerprint)}) {
    EXPECT_NE(text.text.find(expected), std::string::npos) << expected << "\nnot in\n" << text.text;
  }
  EXPECT_EQ(run({"openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem"}, directory.path()).text,
            "leaf.pem: OK\n");

  const Bytes der = encode_extension(example_claims()).value();
  directory.write("extension.der", {reinterpret_cast<const char*>(der.data()), der.size()});
  const Output asn1 = run({"openssl", "asn1parse", "-inform", "DER", "-in", "extension.der"}, directory.path());
  EXPECT_EQ(asn1.status, 0);
  for (const char* expected :
       {"UTF8STRING        :PTA", "UTF8STRING        :pta-self-registration", "ENUMERATED        :02",
        "UTF8STRING        :24-7781", "GENERALIZEDTIME   :20261015000000Z", "GENERALIZEDTIME   :20271130000000Z",
        "l=  32 prim: OCTET STRING", "INTEGER           :CA6C", "INTEGER           :01BB", "UTF8STRING        :example-khi-1"}) {
    EXPECT_NE(asn1.text.find(expected), std::string::npos) << expected << "\nnot in\n" << asn1.text;
  }
  const Output whole = run({"openssl", "asn1parse", "-in", "leaf.pem"}, directory.path());
  EXPECT_NE(whole.text.find(std::string{"OBJECT            :"} + kExtensionOid), std::string::npos) << whole.text;
}

TEST(Certificate, ASelfDeclaredOneIsItsOwnAnchorForOpensslToo) {
  const TemporaryDirectory directory;
  const Gateway gateway = self_declared();
  directory.write("leaf.pem", gateway.pem);
  directory.write("other.pem", self_declared().pem);
  EXPECT_EQ(run({"openssl", "verify", "-CAfile", "leaf.pem", "leaf.pem"}, directory.path()).status, 0);
  EXPECT_NE(run({"openssl", "verify", "-CAfile", "other.pem", "leaf.pem"}, directory.path()).status, 0);
}

TEST(Certificate, BadClaimsAreNotIssuedAndTheFieldIsNamed) {
  struct Row {
    const char* field;
    std::function<void(RegistrationClaims&)> spoil;
  };
  const Row rows[] = {
      {"legal_name", [](auto& c) { c.legal_name = ""; }},
      {"legal_name", [](auto& c) { c.legal_name = std::string(65, 'x'); }},
      {"legal_name", [](auto& c) { c.legal_name = "Example\nrole: regulator"; }},
      {"legal_name", [](auto& c) { c.legal_name = "\xff\xfe"; }},
      {"organization_identifier", [](auto& c) { c.organization_identifier = "0123456"; }},
      {"organization_identifier", [](auto& c) { c.organization_identifier = "ntrpk-0123456"; }},
      {"organization_identifier", [](auto& c) { c.organization_identifier = "NTRPK-"; }},
      {"country", [](auto& c) { c.country = "PAK"; }},
      {"country", [](auto& c) { c.country = "pk"; }},
      {"country", [](auto& c) { c.country = ""; }},
      {"addresses", [](auto& c) { c.addresses.push_back(c.addresses[0]); }},
      {"addresses", [](auto& c) { c.addresses.push_back(IpAddress{}); }},
      {"addresses",
       [](auto& c) {
         c.addresses.clear();
         for (std::uint64_t i = 1; i <= 65; ++i) c.addresses.push_back(IpAddress{}.plus(i));
       }},
      {"dns_names", [](auto& c) { c.dns_names = {"*.example.com"}; }},
      {"dns_names", [](auto& c) { c.dns_names = {"VPN.example.com"}; }},
      {"dns_names", [](auto& c) { c.dns_names = {"example.com."}; }},
      {"dns_names", [](auto& c) { c.dns_names = {"-a.example"}; }},
      {"dns_names",
       [](auto& c) {
         c.dns_names = {"a.example", "a.example"};
       }},
      {"authority", [](auto& c) { c.authority = ""; }},
      {"regime", [](auto& c) { c.regime = std::string(65, 'r'); }},
      {"category", [](auto& c) { c.category = static_cast<Category>(5); }},
      {"reference", [](auto& c) { c.reference = ""; }},
      {"approved_on", [](auto& c) { c.approved_on = WallTime{1}; }},
      {"registration_valid_until", [](auto& c) { c.registration_valid_until = WallTime{-1'000'000'000}; }},
      {"purpose", [](auto& c) { c.purpose = std::string(257, 'p'); }},
      {"wireguard_key", [](auto& c) { c.wireguard_key = {}; }},
      {"listen_ports", [](auto& c) { c.listen_ports = {}; }},
      {"listen_ports", [](auto& c) { c.listen_ports = {0}; }},
      {"listen_ports",
       [](auto& c) {
         c.listen_ports = {443, 443};
       }},
      {"listen_ports", [](auto& c) { c.listen_ports = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}; }},
      {"gateway_id", [](auto& c) { c.gateway_id = "a\x7f"; }},
  };
  const PrivateKeyPem key = generate_key(KeyAlgorithm::ed25519).value();
  for (const Row& row : rows) {
    RegistrationClaims claims = example_claims();
    row.spoil(claims);
    auto issued = issue_self(claims, key, kYear);
    ASSERT_FALSE(issued) << row.field;
    EXPECT_EQ(issued.error().code, Errc::invalid_argument);
    EXPECT_EQ(issued.error().field, row.field) << issued.error().message;
  }
}

TEST(Certificate, FieldsAtTheirBoundsFit) {
  RegistrationClaims claims = example_claims();
  claims.legal_name = std::string(kMaxLegalName, 'x');
  claims.purpose = std::string(kMaxPurpose, 'p');
  claims.authority = claims.regime = claims.gateway_id = std::string(kMaxShortText, 'a');
  claims.reference = std::string(kMaxShortText, 'r');
  claims.listen_ports.clear();
  for (std::uint16_t i = 0; i < kMaxListenPorts; ++i) claims.listen_ports.push_back(static_cast<std::uint16_t>(65535 - i));
  claims.addresses.clear();
  for (std::uint64_t i = 1; i <= kMaxAddresses; ++i) claims.addresses.push_back(IpAddress::parse("2001:db8::")->plus(i));
  claims.dns_names.clear();
  for (std::size_t i = 0; i < kMaxDnsNames; ++i)
    claims.dns_names.push_back(std::string(1, static_cast<char>('a' + i)) + ".example");
  auto certificate = parse_certificate(self_declared(claims).pem);
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_EQ(certificate->claims, claims);
}

TEST(Certificate, OddValiditiesAndIssuersAreRefused) {
  const PrivateKeyPem key = generate_key(KeyAlgorithm::ed25519).value();
  EXPECT_EQ(issue_self(example_claims(), key, {kYear.not_after, kYear.not_before}).error().field, "validity");
  EXPECT_EQ(issue_self(example_claims(), PrivateKeyPem{"nonsense"}, kYear).error().field, "key");
  const Authority authority = make_authority();
  const std::string public_key = public_key_of(key).value();
  EXPECT_EQ(issue_by({authority.pem, key}, example_claims(), public_key, kYear).error().field, "key");
  EXPECT_EQ(issue_by(authority.issuer(), example_claims(), "nonsense", kYear).error().field, "subject_public_key");
  const Gateway gateway = self_declared();
  EXPECT_EQ(issue_by({gateway.pem, gateway.key}, example_claims(), public_key, kYear).error().message,
            "issuer: the certificate may not issue others (no CA)");
  EXPECT_FALSE(check_key_matches(gateway.pem, key));
}

TEST(Certificate, OnlyOneWellFormedPemIsRead) {
  const std::string pem = self_declared().pem;
  EXPECT_TRUE(parse_certificate("\n  " + pem + "\n\n"));
  const std::pair<std::string, const char*> rows[] = {
      {"", "BEGIN CERTIFICATE"},
      {"hello", "BEGIN CERTIFICATE"},
      {"x" + pem, "BEGIN CERTIFICATE"},
      {pem + "x", "more text follows"},
      {pem + pem, "more text follows"},
      {pem.substr(0, pem.size() - 30), "cut off"},
      {pem.substr(0, 200) + "!" + pem.substr(201), "base64"},
      {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "DER is malformed"},
      {std::string(kMaxPem + 1, ' '), "more text than"},
      {make_authority().pem, "the registration extension is missing"},
  };
  for (const auto& [text, expected] : rows) {
    auto certificate = parse_certificate(text);
    ASSERT_FALSE(certificate) << expected;
    EXPECT_EQ(certificate.error().code, Errc::invalid_argument);
    EXPECT_NE(certificate.error().message.find(expected), std::string::npos) << certificate.error().message;
  }
}

std::string to_pem(const Bytes& der) {
  std::string text = "-----BEGIN CERTIFICATE-----\n";
  const std::string base64 = base64_encode(der);
  for (std::size_t i = 0; i < base64.size(); i += 64) text += base64.substr(i, 64) + "\n";
  return text + "-----END CERTIFICATE-----\n";
}

Bytes to_der(std::string pem) {
  pem = pem.substr(28, pem.find("-----END") - 28);
  std::erase(pem, '\n');
  return base64_decode(pem).value();
}

TEST(Certificate, BytesAfterTheDerAreRefused) {
  Bytes der = to_der(self_declared().pem);
  EXPECT_TRUE(parse_certificate(to_pem(der)));
  der.push_back(0);
  EXPECT_EQ(parse_certificate(to_pem(der)).error().message, "bytes follow the end of the certificate");
}

// Nothing crashes, and what still parses has claims within their bounds.
TEST(Certificate, EveryByteFlippedAndEveryLengthCut) {
  const Bytes der = to_der(self_declared().pem);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < der.size(); ++i) {
    Bytes damaged = der;
    damaged[i] ^= 0xff;
    auto certificate = parse_certificate(to_pem(damaged));
    if (!certificate) {
      ++refused;
      EXPECT_FALSE(certificate.error().message.empty());
    } else {
      EXPECT_TRUE(check_claims(certificate->claims));
    }
    EXPECT_FALSE(parse_certificate(to_pem({der.begin(), der.begin() + static_cast<std::ptrdiff_t>(i)})));
  }
  EXPECT_GT(refused, der.size() / 4);
}

TEST(Extension, DamageIsRefusedWithTheFieldNamed) {
  const Bytes der = encode_extension(example_claims()).value();
  RegistrationClaims claims;
  ASSERT_TRUE(decode_extension(der, claims));
  for (std::size_t i = 0; i < der.size(); ++i) {
    EXPECT_FALSE(decode_extension(std::span{der}.first(i), claims)) << i;
  }
  Bytes trailing = der;
  trailing.push_back(0);
  EXPECT_EQ(decode_extension(trailing, claims).error().field, "extension");
  EXPECT_EQ(decode_extension(Bytes(kMaxExtensionDer + 1), claims).error().field, "extension");

  Bytes version = der;
  ASSERT_EQ(version[5], 1);
  version[5] = 2;
  EXPECT_EQ(decode_extension(version, claims).error().field, "version");

  const auto replace = [&der](std::string_view from, std::string_view to) {
    std::string text{reinterpret_cast<const char*>(der.data()), der.size()};
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
    return Bytes(text.begin(), text.end());
  };
  EXPECT_EQ(decode_extension(replace({"\x0a\x01\x02", 3}, {"\x0a\x01\x05", 3}), claims).error().field, "category");
  EXPECT_EQ(decode_extension(replace("20261015000000Z", "20261315000000Z"), claims).error().field, "approved_on");
  EXPECT_EQ(decode_extension(replace("20261015000000Z", "2026101500+0500"), claims).error().field, "approved_on");
  EXPECT_EQ(decode_extension(replace({"\x02\x02\x01\xbb", 4}, {"\x02\x02\x81\xbb", 4}), claims).error().field, "listen_ports");
}

TEST(Chain, IsSplitAndBounded) {
  const std::string leaf = self_declared().pem;
  std::string bundle;
  for (std::size_t i = 0; i < kMaxChain; ++i) bundle += leaf + "\n";
  EXPECT_EQ(split_chain(bundle)->size(), kMaxChain);
  EXPECT_EQ(split_chain(bundle)->front(), leaf);
  EXPECT_EQ(split_chain(bundle + leaf).error().message, "more than five certificates");
  EXPECT_FALSE(split_chain(""));
  EXPECT_FALSE(split_chain(leaf + "rubbish"));
  std::string thousand;
  for (int i = 0; i < 1000; ++i) thousand += leaf;
  EXPECT_EQ(split_chain(thousand).error().message, "more text than five certificates need");
}

TEST(Key, IsGoneAfterAMove) {
  PrivateKeyPem key = generate_key(KeyAlgorithm::ed25519).value();
  const std::string text = key.reveal();
  EXPECT_TRUE(text.starts_with("-----BEGIN PRIVATE KEY-----"));
  const PrivateKeyPem other = std::move(key);
  EXPECT_EQ(other.reveal(), text);
  EXPECT_TRUE(key.reveal().empty());  // NOLINT(bugprone-use-after-move): the state after a move is the promise
}

}  // namespace
}  // namespace sanad::registration
