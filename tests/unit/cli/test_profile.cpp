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
    const WallTime today = kRunAt;
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
    claims.reference = "24-7781";
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

TEST_F(ProfileVerify, TheWordForProgramsHasWhoLevelReferenceAndDates) {
  const Ran ran = verify({"--trust", directory_.at("root.pem"), "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  for (const char* part :
       {R"("legal_name":"Example Software (Pvt) Ltd")", R"("level":"company")", R"("confirmed_by":"Example Root")",
        R"("reference":"24-7781")", R"("confirmed_at":"2)", R"("valid_until":"2)", R"("not_revoked_at":null)", R"("sequence":3)"})
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << " not in: " << ran.out;
}

TEST_F(ProfileVerify, RegulatorIsSaidOnlyWhenARegulatorsAnchorIsTrusted) {
  for (const char* level : {"company", "association"}) {
    const Ran ran = verify({"--trust", directory_.at("root.pem"), "--level", level});
    EXPECT_EQ(ran.out.find("regulator"), std::string::npos) << ran.out;
  }
  EXPECT_NE(verify({"--trust", directory_.at("root.pem"), "--level", "regulator"}).out.find("the regulator Example Root"),
            std::string::npos);
}

TEST_F(ProfileVerify, AsAQrCodeTheWholeIfItFitsElseTheBareSettingsAndThatIsSaid) {
  Terminal terminal;
  const auto drawn = [&](std::size_t columns) {
    terminal.columns = columns;
    return run(directory_.at("admin.sock"), {"peer", "profile", "--file", directory_.at("profile.conf"), "--qr"}, terminal);
  };
  const Ran whole = drawn(1000);
  ASSERT_EQ(whole.exit, 0) << whole.err;
  EXPECT_TRUE(whole.err.empty()) << whole.err;
  const Ran bare = drawn(80);
  ASSERT_EQ(bare.exit, 0) << bare.err;
  EXPECT_EQ(bare.err, "(without the lines about the registration, which the file has)\n");
  EXPECT_LT(bare.out.size(), whole.out.size());
  const Ran neither = drawn(20);
  EXPECT_EQ(neither.exit, 1);
  EXPECT_NE(neither.err.find("columns, the terminal has 20"), std::string::npos) << neither.err;
}

}  // namespace
}  // namespace sanad::cli::test
