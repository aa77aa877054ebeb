#include <gtest/gtest.h>

#include <fstream>

#include "control/registration/certificate.hpp"
#include "control/registration/profile.hpp"
#include "control/registration/standing.hpp"
#include "fake_daemon.hpp"

namespace sanad::cli::test {
namespace {

constexpr std::int64_t kDay = std::int64_t{86400} * 1'000'000'000;

class ProfileVerify : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto gateway_private = wg::generate_private_key().value();
    const WallTime today = now().wall;
    const registration::Validity validity{WallTime{today.ns - kDay}, WallTime{today.ns + 300 * kDay}};
    auto root_key = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
    const std::string root = registration::make_root("Example Root", "PK", root_key, validity).value();
    auto key = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
    registration::RegistrationClaims claims;
    claims.legal_name = "Example Software (Pvt) Ltd";
    claims.country = "PK";
    claims.addresses = {IpAddress::parse("203.0.113.10").value()};
    claims.authority = "PTA";
    claims.regime = "pta-self-registration";
    claims.purpose = "staff access";
    claims.wireguard_key = wg::derive_public_key(gateway_private).value();
    claims.listen_ports = {51820};
    claims.gateway_id = "example-khi-1";
    const std::string leaf =
        registration::issue_by({root, root_key}, claims, registration::public_key_of(key).value(), validity).value();
    registration::ProfileInput input;
    input.gateway_name = "example-khi-1";
    input.device_name = "ayesha-khan/laptop";
    input.addresses = {InterfaceAddress::parse("10.66.0.2/32").value()};
    input.gateway_key = claims.wireguard_key;
    input.networks = {IpPrefix::parse("10.66.0.0/16").value()};
    input.endpoint_host = "203.0.113.10";
    input.endpoint_port = 51820;
    input.issued_at = today;
    input.sequence = 3;
    const auto verified = registration::verify(leaf, {{root, registration::Level::company, {}}}).value();
    input.issuer = registration::ProfileIssuer{registration::sentence_for_client(verified), leaf, std::nullopt};
    text_ = registration::sign_profile(registration::write_profile(input).value(), key).value();
    fingerprint_ = registration::fingerprint_text(verified.certificate.fingerprint);
    write("profile.conf", text_);
    write("root.pem", root);
  }

  void write(const std::string& name, const std::string& text) const { std::ofstream(directory_.at(name)) << text; }
  Ran verify(std::vector<std::string> more) {
    std::vector<std::string> words{"profile", "verify", directory_.at("profile.conf")};
    words.insert(words.end(), more.begin(), more.end());
    return run(directory_.at("admin.sock"), std::move(words));
  }

  TemporaryDirectory directory_;
  std::string text_;
  std::string fingerprint_;
};

TEST_F(ProfileVerify, SaysWhoRunsTheGateway) {
  const Ran ran = verify({"--trust", directory_.at("root.pem")});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("genuine: run by Example Software (Pvt) Ltd"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("recorded about you"), std::string::npos) << ran.out;
}

TEST_F(ProfileVerify, ByPinAlone) {
  EXPECT_EQ(verify({"--pin", fingerprint_}).exit, 0);
  std::string other = fingerprint_;
  other[0] = other[0] == '0' ? '1' : '0';
  const Ran ran = verify({"--pin", other});
  EXPECT_EQ(ran.exit, 19);
  EXPECT_NE(ran.err.find("NOT GENUINE"), std::string::npos) << ran.err;
}

TEST_F(ProfileVerify, AnEditedEndpointIsRefused) {
  std::string edited = text_;
  const auto at = edited.find("Endpoint = 203.0.113.10");
  ASSERT_NE(at, std::string::npos);
  edited.replace(at, 23, "Endpoint = 203.0.113.66");
  write("profile.conf", edited);
  const Ran ran = verify({"--trust", directory_.at("root.pem"), "--json"});
  EXPECT_EQ(ran.exit, 21);
  EXPECT_NE(ran.err.find("NOT GENUINE"), std::string::npos) << ran.err;
  EXPECT_NE(ran.out.find("\"genuine\":false"), std::string::npos) << ran.out;
}

TEST_F(ProfileVerify, AnOlderProfileIsRefusedAndNoTrustIsAUsageError) {
  EXPECT_EQ(verify({"--trust", directory_.at("root.pem"), "--least-sequence", "4"}).exit, 22);
  EXPECT_EQ(verify({"--trust", directory_.at("root.pem"), "--least-sequence", "3"}).exit, 0);
  EXPECT_EQ(verify({}).exit, 2);
  EXPECT_EQ(verify({"--pin", "zz"}).exit, 2);
}

}  // namespace
}  // namespace sanad::cli::test
