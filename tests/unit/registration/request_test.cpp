#include "control/registration/request.hpp"

#include <gtest/gtest.h>

#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;

PrivateKeyPem key_of(KeyAlgorithm algorithm) { return generate_key(algorithm).value(); }

TEST(Request, WhatIsAskedIsReadBack) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::ed25519, KeyAlgorithm::ecdsa_p256}) {
    const PrivateKeyPem key = key_of(algorithm);
    const auto pem = make_request(example_claims(), key);
    ASSERT_TRUE(pem) << pem.error().message;
    const auto request = parse_request(*pem);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->claims, example_claims());
    EXPECT_EQ(request->public_key, public_key_of(key).value());
    const Authority authority = make_authority();
    const auto certificate = issue_by(authority.issuer(), request->claims, request->public_key, kYear);
    ASSERT_TRUE(certificate);
    EXPECT_TRUE(check_key_matches(*certificate, key));
    EXPECT_EQ(key_fingerprint_of(*certificate).value(), request->key_fingerprint);
  }
}

TEST(Request, OpensslVerifiesIt) {
  const TemporaryDirectory directory;
  directory.write("r.csr", make_request(example_claims(), key_of(KeyAlgorithm::ed25519)).value());
  const Output output = run({"openssl", "req", "-in", "r.csr", "-noout", "-verify", "-text"}, directory.path());
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_NE(output.text.find("verify OK"), std::string::npos) << output.text;
  EXPECT_NE(output.text.find(example_claims().legal_name), std::string::npos) << output.text;
}

TEST(Request, BadOnesAreRefusedInPlainWords) {
  const std::string good = make_request(example_claims(), key_of(KeyAlgorithm::ed25519)).value();
  const auto message = [](std::string_view pem) {
    const auto request = parse_request(pem);
    return request ? std::string{"accepted"} : request.error().message;
  };
  EXPECT_NE(message("").find("not a certificate request"), std::string::npos);
  EXPECT_NE(message(self_declared().pem).find("not a certificate request"), std::string::npos);
  EXPECT_NE(message(good.substr(0, good.size() / 2)).find("cut off"), std::string::npos);
  EXPECT_NE(message(good + good).find("more text follows"), std::string::npos);
  EXPECT_NE(message(good + std::string(kMaxRequest, ' ')).find("larger than 24 KiB"), std::string::npos);

  const TemporaryDirectory directory;
  ASSERT_EQ(
      run({"openssl", "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "k", "-subj", "/C=PK/O=X", "-out", "weak.csr"},
          directory.path())
          .status,
      0);
  EXPECT_NE(message(directory.read("weak.csr")).find("RSA with 1024 bits"), std::string::npos);
  ASSERT_EQ(
      run({"openssl", "req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", "k", "-subj", "/C=PK/O=X", "-out", "plain.csr"},
          directory.path())
          .status,
      0);
  EXPECT_NE(message(directory.read("plain.csr")).find("the registration extension is missing"), std::string::npos);
}

TEST(Request, ASignatureThatDoesNotFitIsFound) {
  const TemporaryDirectory directory;
  directory.write("r.csr", make_request(example_claims(), key_of(KeyAlgorithm::ed25519)).value());
  ASSERT_EQ(run({"openssl", "req", "-in", "r.csr", "-outform", "DER", "-out", "r.der"}, directory.path()).status, 0);
  std::string der = directory.read("r.der");
  der.back() = static_cast<char>(der.back() ^ 1);
  directory.write("r.der", der);
  ASSERT_EQ(run({"openssl", "req", "-inform", "DER", "-in", "r.der", "-out", "bad.csr"}, directory.path()).status, 0);
  const auto request = parse_request(directory.read("bad.csr"));
  ASSERT_FALSE(request);
  EXPECT_NE(request.error().message.find("signature does not fit"), std::string::npos) << request.error().message;
}

}  // namespace
}  // namespace sanad::registration
