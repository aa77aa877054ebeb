#include "control/registration/profile.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "control/registration/genuine_list.hpp"
#include "control/registration/revocation_list.hpp"
#include "control/registration/standing.hpp"
#include "gateway/base/encoding.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;

constexpr const char* kClientKey = "6NUaYH8FjVXBpXR4DLbJHWJVr4XqSJOaVGW2NwFbLHY=";
constexpr const char* kShared = "5ym7U1Ls5TsGRGVnPdQ1bOjwGr7PMKJWR5rTMvTaGDA=";

ProfileInput example_input(const Gateway& gateway, const std::string& extra_chain = {}) {
  ProfileInput input;
  input.gateway_name = "example-khi-1";
  input.device_name = "ayesha-khan/laptop";
  input.private_key = wg::secret_from_base64(kClientKey).value();
  input.addresses = {*InterfaceAddress::parse("10.66.0.2/32"), *InterfaceAddress::parse("fd66::2/128")};
  input.dns = {*IpAddress::parse("10.66.0.1")};
  input.mtu = std::uint16_t{1420};
  input.gateway_key = example_claims().wireguard_key;
  input.preshared_key = wg::secret_from_base64(kShared).value();
  input.networks = {*IpPrefix::parse("10.66.0.0/16"), *IpPrefix::parse("fd66::/64")};
  input.endpoint_host = "203.0.113.10";
  input.endpoint_port = 51820;
  input.keepalive_s = 25;
  input.issued_at = kNow;
  input.expires_at = *parse_rfc3339("2027-06-01T00:00:00Z");
  input.sequence = 3;
  input.issuer =
      ProfileIssuer{"declared by Example Software (Pvt) Ltd, confirmed by P@SHA", gateway.pem + extra_chain, "24-7781"};
  return input;
}

struct Scene {
  explicit Scene(KeyAlgorithm algorithm = KeyAlgorithm::ed25519) : gateway(confirmed_by(root, example_claims(), algorithm)) {
    text = sign_profile(write_profile(example_input(gateway)).value(), gateway.key).value();
    check.anchors = {{root.pem, Level::association, ""}};
    check.now = kNow;
  }
  Authority root = make_authority();
  Gateway gateway;
  std::string text;
  ProfileCheck check;
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Profile, ReadsAsAnyWireguardFile) {
  ProfileInput input = example_input(self_declared());
  input.issuer.reset();
  EXPECT_EQ(write_profile(input).value(), R"(# sanad-profile: 1
# Gateway example-khi-1: who runs it is not certified.
# recorded about you: when you connect and disconnect, from which address, how many bytes. Never what you do. Kept 365 days.
# sanad-device: ayesha-khan/laptop
# sanad-retention-days: 365
# sanad-issued: 2026-11-24T12:00:00.000Z
# sanad-expires: 2027-06-01T00:00:00.000Z
# sanad-sequence: 3

[Interface]
PrivateKey = 6NUaYH8FjVXBpXR4DLbJHWJVr4XqSJOaVGW2NwFbLHY=
Address = 10.66.0.2/32, fd66::2/128
DNS = 10.66.0.1
MTU = 1420

[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
PresharedKey = 5ym7U1Ls5TsGRGVnPdQ1bOjwGr7PMKJWR5rTMvTaGDA=
AllowedIPs = 10.66.0.0/16, fd66::/64
Endpoint = 203.0.113.10:51820
PersistentKeepalive = 25
)");
}

TEST(Profile, OptionalPartsAreLeftOutOrSaidToBeMissing) {
  ProfileInput input = example_input(self_declared());
  input.issuer.reset();
  input.private_key.reset();
  input.preshared_key.reset();
  input.preshared_key_withheld = true;
  input.dns.clear();
  input.mtu.reset();
  input.full_tunnel = true;
  input.endpoint_host = "2001:db8::10";
  input.keepalive_s = 0;
  input.expires_at.reset();
  input.device_name.clear();
  const std::string text = write_profile(input).value();
  for (const char* absent : {"\nPrivateKey", "\nPresharedKey", "DNS", "MTU", "Keepalive", "sanad-expires", "sanad-device"}) {
    EXPECT_EQ(text.find(absent), std::string::npos) << absent;
  }
  for (const char* present : {"on a line of its own here: PrivateKey = ...\n", "it goes here: PresharedKey = ...\n",
                              "AllowedIPs = 0.0.0.0/0, ::/0\n", "Endpoint = [2001:db8::10]:51820\n"}) {
    EXPECT_NE(text.find(present), std::string::npos) << present;
  }
}

// `wg setconf` is not used here because it needs a device; wg-quick's own reader is, and it takes the file apart.
TEST(Profile, WgQuickStripsIt) {
  const TemporaryDirectory directory;
  const Scene scene;
  directory.write("wgtest.conf", scene.text);
  const Output output = run({"wg-quick", "strip", (directory.path() / "wgtest.conf").string()}, directory.path());
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_NE(output.text.find(std::string{"PrivateKey = "} + kClientKey), std::string::npos) << output.text;
  EXPECT_NE(output.text.find("Endpoint = 203.0.113.10:51820"), std::string::npos) << output.text;
  EXPECT_EQ(output.text.find("Address"), std::string::npos) << output.text;
}

TEST(Profile, BadInputNamesTheField) {
  const Gateway gateway = self_declared();
  const std::pair<const char*, std::function<void(ProfileInput&)>> rows[] = {
      {"gateway_name", [](auto& i) { i.gateway_name = "a\nPostUp = x"; }},
      {"device_name", [](auto& i) { i.device_name = "a\r"; }},
      {"addresses", [](auto& i) { i.addresses.clear(); }},
      {"mtu", [](auto& i) { i.mtu = std::uint16_t{575}; }},
      {"gateway_key", [](auto& i) { i.gateway_key = {}; }},
      {"networks", [](auto& i) { i.networks.clear(); }},
      {"endpoint_host", [](auto& i) { i.endpoint_host = "a b"; }},
      {"endpoint_port", [](auto& i) { i.endpoint_port = 0; }},
      {"retention_days", [](auto& i) { i.retention_days = -1; }},
      {"issuer.sentence", [](auto& i) { i.issuer->sentence = "x\n[Peer]"; }},
      {"issuer.reference", [](auto& i) { i.issuer->reference = "x\n[Peer]"; }},
      {"peer.endpoint", [](auto& i) { i.endpoint_host = "198.51.100.9"; }},
      {"peer.endpoint", [](auto& i) { i.endpoint_host = "other.example.com"; }},
      {"peer.endpoint", [](auto& i) { i.endpoint_port = 1; }},
      {"peer.public_key",
       [](auto& i) { i.gateway_key = *wg::PublicKey::from_base64("HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="); }},
  };
  for (const auto& [field, spoil] : rows) {
    ProfileInput input = example_input(gateway);
    spoil(input);
    auto text = write_profile(input);
    ASSERT_FALSE(text) << field;
    EXPECT_EQ(text.error().field, field) << text.error().message;
  }
}

TEST(Profile, AGenuineOneIsExplained) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::ed25519, KeyAlgorithm::ecdsa_p256}) {
    const Scene scene{algorithm};
    auto profile = verify_profile(scene.text, scene.check);
    ASSERT_TRUE(profile) << profile.error().message;
    EXPECT_EQ(profile->sequence, 3U);
    EXPECT_EQ(profile->issued_at, kNow);
    EXPECT_EQ(profile->device_name, "ayesha-khan/laptop");
    EXPECT_EQ(
        explain_profile(*profile),
        "genuine: run by Example Software (Pvt) Ltd, registration confirmed by P@SHA on 2026-11-01, reference 24-7781, valid "
        "until "
        "2027-11-30\n"
        "whether its issuer has revoked it since was not asked: --crl FILE, --list FILE\n"
        "recorded about you: when you connect and disconnect, from which address, how many bytes. Never what you do. Kept 365 "
        "days.\n");
  }
}

TEST(Profile, AnIntermediateTravelsWithIt) {
  const Authority root = make_authority("Root", 1);
  const Authority member = below(root, "Member", 0);
  const Gateway gateway = confirmed_by(member);
  const std::string text = sign_profile(write_profile(example_input(gateway, member.pem)).value(), gateway.key).value();
  auto profile = verify_profile(text, {{{root.pem, Level::association, ""}}, {}, {}, kNow, {}, {}});
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->verified.chain_subjects.size(), 3U);
}

TEST(Profile, APinIsEnoughOrComesOnTop) {
  const Scene scene;
  const Sha256 fingerprint = parse_certificate(scene.gateway.pem)->fingerprint;
  ProfileCheck check{{}, fingerprint, {}, kNow, {}, {}};
  auto pinned = verify_profile(scene.text, check);
  ASSERT_TRUE(pinned) << pinned.error().message;
  EXPECT_EQ(pinned->verified.level, Level::self);
  check.anchors = scene.check.anchors;
  EXPECT_EQ(verify_profile(scene.text, check)->verified.level, Level::association);
  check.pin = Sha256{};
  EXPECT_EQ(verify_profile(scene.text, check).error().field, "pin");
  check = {{}, {}, {}, kNow, {}, {}};
  EXPECT_EQ(verify_profile(scene.text, check).error().field, "certificate");
}

TEST(Profile, TheClientsOwnSecretsMayBePutInOrTakenOut) {
  const Scene scene;
  const std::string without = replaced(replaced(scene.text, std::string{"PrivateKey = "} + kClientKey + "\n", ""),
                                       std::string{"PresharedKey = "} + kShared + "\n", "");
  EXPECT_TRUE(verify_profile(without, scene.check));
  const std::string other = replaced(without, "Address = ", std::string{"PrivateKey = "} + kShared + "\nAddress = ");
  EXPECT_TRUE(verify_profile(other, scene.check));
  const std::string doubled = replaced(scene.text, "PrivateKey = ", std::string{"PrivateKey = "} + kShared + "\nPrivateKey = ");
  EXPECT_EQ(verify_profile(doubled, scene.check).error().field, "form");
  EXPECT_EQ(verify_profile(replaced(scene.text, kClientKey, "x"), scene.check).error().field, "form");
}

TEST(Profile, EveryDamageHasItsMessage) {
  const Scene scene;
  const std::string& text = scene.text;
  const std::size_t signature_at = text.find("# sanad-signature: ");
  const std::string signature_line = text.substr(signature_at);
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? std::string{"\r\n"} : std::string{c};
  std::string other_signature = signature_line;
  other_signature[25] = other_signature[25] == 'A' ? 'B' : 'A';
  const struct {
    std::string text;
    const char* field;
    const char* message;
  } rows[] = {
      {replaced(text, "203.0.113.10:51820", "198.51.100.66:51820"), "peer.endpoint", "not an address or name in the certificate"},
      {replaced(text, "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", kShared), "peer.public_key", "not the registered gateway"},
      {replaced(text, "DNS = 10.66.0.1\nMTU = 1420", "MTU = 1420\nDNS = 10.66.0.1"), "form.order", "not in the order"},
      {replaced(text, "sanad-sequence: 3", "sanad-sequence: 4"), "signature", "edited after it was issued"},
      {replaced(text, "AllowedIPs = 10.66.0.0/16", "AllowedIPs = 0.0.0.0/0"), "signature", "edited after it was issued"},
      {replaced(text, "confirmed by P@SHA", "confirmed by PTA"), "signature", "edited after it was issued"},
      {text.substr(0, signature_at) + other_signature, "signature", "edited after it was issued"},
      {text.substr(0, signature_at) + "# sanad-signature: !\n", "signature", "edited after it was issued"},
      {text.substr(0, signature_at), "signature.missing", "not signed, or its signature was removed"},
      {text + signature_line, "signature.doubled", "two signatures"},
      {text + "PostUp = reboot\n", "form", "follows the signature"},
      {replaced(text, "MTU = 1420", "PostUp = reboot"), "form", "not a line that Sanad writes"},
      {replaced(text, "MTU = 1420", "MTU = 1420\nMTU = 1420"), "form", "there twice"},
      {replaced(text, "# sanad-sequence: 3\n", "# sanad-sequence: 3\n# sanad-sequence: 9\n"), "form", "there twice"},
      {replaced(text, "# sanad-sequence", "# sanad-colour"), "form", "not known here"},
      {replaced(text, "[Peer]", "[Peer]\n[Peer]"), "form", "not a line"},
      {crlf, "form.line_ends", "CR LF"},
      {"\xef\xbb\xbf" + text, "form.byte_order_mark", "byte order mark"},
      {text.substr(0, text.size() - 1), "form", "cut off"},
      {"[Interface]\n", "form", "not a Sanad profile"},
      {"", "form", "not a Sanad profile"},
      {text + std::string(kMaxProfile, '#') + "\n", "form", "longer than 64 KiB"},
      {replaced(text, "MTU = 1420", std::string{"MTU = 14\0 20", 11}), "form", "control characters"},
      {replaced(text, "# sanad-fingerprint: ", "# sanad-fingerprint: 00"), "certificate", "fingerprint"},
      {replaced(text, "# sanad-certificate: M", "# sanad-certificate: !"), "certificate", "damaged"},
  };
  for (const auto& row : rows) {
    auto profile = verify_profile(row.text, scene.check);
    ASSERT_FALSE(profile) << row.message;
    EXPECT_EQ(profile.error().field, row.field) << profile.error().message;
    EXPECT_NE(profile.error().message.find(row.message), std::string::npos) << profile.error().message << " / " << row.message;
  }
}

TEST(Profile, NoSingleByteCanBeChanged) {
  const Scene scene;
  const std::string secretless = replaced(replaced(scene.text, std::string{"PrivateKey = "} + kClientKey + "\n", ""),
                                          std::string{"PresharedKey = "} + kShared + "\n", "");
  ASSERT_TRUE(verify_profile(secretless, scene.check));
  for (std::size_t i = 0; i < secretless.size(); ++i) {
    std::string damaged = secretless;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(verify_profile(damaged, scene.check)) << "byte " << i;
  }
}

TEST(Profile, ARoguesProfileIsRefused) {
  const Scene scene;
  // The same name, address and claims, but its own registration key and certificate.
  const Gateway rogue = self_declared();
  const std::string forged = sign_profile(write_profile(example_input(rogue)).value(), rogue.key).value();
  EXPECT_EQ(verify_profile(forged, scene.check).error().field, "certificate");
  EXPECT_NE(verify_profile(forged, scene.check).error().message.find("unknown issuer"), std::string::npos);
  // The genuine certificate over the rogue's WireGuard key cannot be signed without the registration key.
  EXPECT_EQ(sign_profile(write_profile(example_input(scene.gateway)).value(), rogue.key).error().field, "key");
}

TEST(Profile, DatesAndSequence) {
  Scene scene;
  scene.check.least_sequence = 3;
  EXPECT_TRUE(verify_profile(scene.text, scene.check));
  scene.check.least_sequence = 4;
  EXPECT_EQ(verify_profile(scene.text, scene.check).error().message, "an old profile: its number is 3, and 4 was issued already");
  scene.check.least_sequence.reset();
  scene.check.now = *parse_rfc3339("2027-06-02T00:00:00Z");
  EXPECT_EQ(verify_profile(scene.text, scene.check).error().message, "the profile expired on 2027-06-01; ask for a new one");
  scene.check.now = *parse_rfc3339("2027-12-01T00:00:00Z");
  EXPECT_EQ(verify_profile(scene.text, scene.check).error().message, "expired on 2027-11-30");
}

TEST(Profile, TheIssuersListsAreAskedWhenGiven) {
  const Scene scene;
  const Certificate certificate = parse_certificate(scene.gateway.pem).value();
  const auto list_of = [&](std::vector<RevokedCertificate> revoked, const char* next = "2026-11-30T00:00:00Z") {
    return make_revocation_list(scene.root.issuer(),
                                {1, *parse_rfc3339("2026-11-20T00:00:00Z"), *parse_rfc3339(next), std::move(revoked)})
        .value();
  };
  const auto field_with = [&](auto change) {
    ProfileCheck check = scene.check;
    change(check);
    const auto profile = verify_profile(scene.text, check);
    return profile ? std::string{} : profile.error().field;
  };
  EXPECT_EQ(field_with([&](ProfileCheck& c) { c.revocation_list = list_of({}); }), "");
  EXPECT_EQ(field_with([&](ProfileCheck& c) { c.revocation_list = list_of({{certificate.serial, kNow}}); }), "revoked");
  EXPECT_EQ(field_with([&](ProfileCheck& c) { c.revocation_list = list_of({}, "2026-11-21T00:00:00Z"); }), "crl");
  EXPECT_EQ(field_with([&](ProfileCheck& c) { c.revocation_list = "garbage"; }), "crl");

  GenuineList genuine{"P@SHA", 1, *parse_rfc3339("2026-11-20T00:00:00Z"), *parse_rfc3339("2026-11-30T00:00:00Z"), {}};
  const auto signed_list = [&] {
    const std::string text = write_genuine_list(genuine);
    return ProfileCheck::List{text, sign_genuine_list(text, scene.root.issuer()).value()};
  };
  EXPECT_EQ(field_with([&](ProfileCheck& c) { c.genuine_list = signed_list(); }), "list.missing");
  genuine.gateways.push_back({certificate.fingerprint, "X", "x", certificate.claims.wireguard_key, {}, kYear.not_after});
  EXPECT_EQ(field_with([&](ProfileCheck& c) { c.genuine_list = signed_list(); }), "");
  EXPECT_EQ(field_with([&](ProfileCheck& c) {
              c.genuine_list = signed_list();
              c.genuine_list->text += ' ';
            }),
            "list");
}

TEST(Profile, IsSignedOnceAndOnlyWithACertificate) {
  const Scene scene;
  EXPECT_EQ(sign_profile(scene.text, scene.gateway.key).error().message, "signature: the profile is signed already");
  ProfileInput input = example_input(scene.gateway);
  input.issuer.reset();
  EXPECT_EQ(sign_profile(write_profile(input).value(), scene.gateway.key).error().field, "certificate");
}

// The check that README.md documents, done with grep, sed, base64 and openssl, without any of our code.
TEST(Profile, OpensslAloneCanCheckIt) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::ed25519, KeyAlgorithm::ecdsa_p256}) {
    const TemporaryDirectory directory;
    const Scene scene{algorithm};
    directory.write("trust.pem", scene.root.pem);
    directory.write("p.conf", scene.text);
    const auto tool = [&directory](const std::vector<std::string>& arguments) { return run(arguments, directory.path()); };
    directory.write(
        "signed",
        tool({"grep", "-v", "-e", "^# sanad-signature: ", "-e", "^PrivateKey = ", "-e", "^PresharedKey = ", "p.conf"}).text);
    directory.write("sig.b64", tool({"sed", "-n", "s/^# sanad-signature: //p", "p.conf"}).text);
    directory.write("sig", tool({"base64", "-d", "sig.b64"}).text);
    directory.write("cert.b64", tool({"sed", "-n", "s/^# sanad-certificate: //p", "p.conf"}).text);
    directory.write("cert.der", tool({"base64", "-d", "cert.b64"}).text);
    EXPECT_EQ(tool({"openssl", "x509", "-inform", "DER", "-in", "cert.der", "-out", "cert.pem"}).status, 0);
    EXPECT_EQ(tool({"openssl", "verify", "-partial_chain", "-CAfile", "trust.pem", "cert.pem"}).text, "cert.pem: OK\n");
    directory.write("key.pem", tool({"openssl", "x509", "-in", "cert.pem", "-noout", "-pubkey"}).text);
    std::vector<std::string> command = {"openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"};
    if (algorithm == KeyAlgorithm::ecdsa_p256) command.insert(command.end(), {"-digest", "sha256"});
    command.insert(command.end(), {"-in", "signed", "-sigfile", "sig"});
    const Output genuine = tool(command);
    EXPECT_EQ(genuine.status, 0) << genuine.text;
    EXPECT_EQ(genuine.text, "Signature Verified Successfully\n");
    directory.write("signed", replaced(directory.read("signed"), "203.0.113.10", "203.0.113.11"));
    EXPECT_NE(tool(command).status, 0);
  }
}

}  // namespace
}  // namespace sanad::registration
