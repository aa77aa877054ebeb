#include "control/registration/dossier.hpp"

#include <gtest/gtest.h>

#include "control/registration/archive.hpp"
#include "control/registration/envelope.hpp"
#include "tests/unit/registration/support.hpp"

namespace sanad::registration {
namespace {

using namespace testing;

constexpr const char* kAnswers = R"(category: company
legal_name: Example Software (Pvt) Ltd
country: PK
authority: PTA
regime: pta-self-registration
purpose: Secure access of staff
service_provider: Example Internet
subscriber_id: "EI-20417"
addresses: [203.0.113.10]
listen_ports: [51820]
gateway_id: khi-1
representative: {name: "Ayesha <Khan>", identity_number: 42101-0000000-0}
documents: {cnic_front: a.jpg, cnic_back: b.jpg, active_taxpayer: c.pdf}
)";

TEST(Answers, AreReadAndMakeClaims) {
  const auto answers = parse_answers(kAnswers, "answers.yaml");
  ASSERT_TRUE(answers) << answers.error().message;
  EXPECT_TRUE(shortcomings(*answers).empty());
  const auto claims = claims_from(*answers, example_claims().wireguard_key);
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->legal_name, "Example Software (Pvt) Ltd");
  EXPECT_EQ(claims->addresses.front().to_string(), "203.0.113.10");
}

TEST(Answers, EveryErrorIsToldAtOnceWithItsPlace) {
  const auto answers = parse_answers("category: comany\ncuntry: PK\naddresses: [1.2.3]\n", "a.yaml");
  ASSERT_FALSE(answers);
  for (const char* part : {"a.yaml:1:11: category", "a.yaml:2:1: cuntry: unknown key; did you mean country?", "addresses[0]",
                           "legal_name: missing", "documents: missing"}) {
    EXPECT_NE(answers.error().message.find(part), std::string::npos) << part << " not in:\n" << answers.error().message;
  }
}

TEST(Answers, TypedOnesAreTheSameFile) {
  const std::map<std::string, std::string> typed{{"category", "company"},
                                                 {"legal_name", "A \"B\" \\ C: #"},
                                                 {"country", "PK"},
                                                 {"authority", "PTA"},
                                                 {"regime", "r"},
                                                 {"purpose", "p"},
                                                 {"service_provider", "s"},
                                                 {"subscriber_id", "1"},
                                                 {"addresses", "203.0.113.10, 203.0.113.11"},
                                                 {"representative.name", "N"},
                                                 {"representative.identity_number", "1"},
                                                 {"cnic_front", "a.jpg"}};
  const auto answers = parse_answers(answers_text(typed), "typed");
  ASSERT_TRUE(answers) << answers.error().message;
  EXPECT_EQ(answers->legal_name, "A \"B\" \\ C: #");
  EXPECT_EQ(answers->addresses.size(), 2U);
  EXPECT_EQ(answers->documents.at("cnic_front"), "a.jpg");
}

TEST(Answers, EachCategoryNeedsItsPapers) {
  const auto missing = [](Category category, std::size_t addresses, std::initializer_list<const char*> given) {
    Answers answers = parse_answers(kAnswers, "a").value();
    answers.category = category;
    answers.addresses.clear();
    for (std::size_t i = 0; i < addresses; ++i) answers.addresses.push_back(IpAddress::parse("203.0.113.10")->plus(i));
    answers.documents.clear();
    for (const char* name : given) answers.documents.emplace(name, "x");
    return shortcomings(answers);
  };
  EXPECT_EQ(missing(Category::company, 1, {}).size(), 3U);
  EXPECT_TRUE(missing(Category::company, 9, {"cnic_front", "cnic_back", "incorporation"}).empty());
  EXPECT_TRUE(missing(Category::freelancer, 1, {"cnic_front", "cnic_back", "employer_letter"}).empty());
  EXPECT_FALSE(missing(Category::freelancer, 1, {"cnic_front", "cnic_back", "incorporation"}).empty());
  EXPECT_TRUE(missing(Category::call_centre, 4, {"cnic_front", "cnic_back", "active_taxpayer", "pseb_certificate"}).empty());
  const auto fee = missing(Category::call_centre, 5, {"cnic_front", "cnic_back", "active_taxpayer", "pseb_certificate"});
  ASSERT_EQ(fee.size(), 1U);
  EXPECT_NE(fee[0].find("fee_receipt"), std::string::npos);
  EXPECT_TRUE(missing(Category::video_conference, 4, {"cnic_front", "cnic_back", "organization_letter"}).empty());
  EXPECT_TRUE(missing(Category::licensed_provider, 1, {"cnic_front", "cnic_back", "incorporation", "licence"}).empty());
}

TEST(Answers, AnAddressNobodyReachesIsAShortcoming) {
  Answers answers = parse_answers(kAnswers, "a").value();
  for (const char* address : {"10.1.2.3", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1"}) {
    answers.addresses = {IpAddress::parse(address).value()};
    EXPECT_EQ(shortcomings(answers).size(), 1U) << address;
  }
}

TEST(Summary, IsInThePortalsOrderAndEscaped) {
  const Answers answers = parse_answers(kAnswers, "a").value();
  const auto claims = claims_from(answers, example_claims().wireguard_key).value();
  const std::string html = summary_html(answers, claims, {{"cnic_front", "a&b.jpg", {}, 3}}, kNow);
  std::size_t at = 0;
  for (const char* name : {"Service provider", "Subscriber ID", "Applicant", "CNIC", "IP addresses", "Purpose",
                           "Designated representative", "Documents"}) {
    const std::size_t found = html.find(name, at);
    ASSERT_NE(found, std::string::npos) << name;
    at = found;
  }
  EXPECT_NE(html.find("Ayesha &lt;Khan&gt;"), std::string::npos);
  EXPECT_NE(html.find("a&amp;b.jpg"), std::string::npos);
}

TEST(Differences, AreNamedAndWhatTheIssuerAddsIsNone) {
  RegistrationClaims asked = example_claims();
  RegistrationClaims certified = asked;
  certified.reference = "new";
  certified.approved_on = kNow;
  EXPECT_TRUE(differences(asked, certified).empty());
  certified.addresses.push_back(IpAddress::parse("198.51.100.7").value());
  certified.gateway_id = "other";
  EXPECT_EQ(differences(asked, certified).size(), 2U);
}

TEST(Dossier, TarAndOpensslOpenIt) {
  const TemporaryDirectory directory;
  const std::string archive = make_archive({{"index.json", "{}"}, {"documents/a.jpg", std::string(70'000, 'x')}}, kNow).value();
  directory.write("plain.tar", archive);
  const Output listed = run({"tar", "tf", "plain.tar"}, directory.path());
  EXPECT_EQ(listed.status, 0) << listed.text;
  EXPECT_EQ(listed.text, "index.json\ndocuments/a.jpg\n");

  const auto to_text = [](const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); };
  directory.write("pass.cms", to_text(seal_with_passphrase(archive, "a long passphrase").value()));
  const Output opened = run({"openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", "pass.cms", "-out", "1.tar",
                             "-pwri_password", "a long passphrase"},
                            directory.path());
  EXPECT_EQ(opened.status, 0) << opened.text;
  EXPECT_EQ(directory.read("1.tar"), archive);
  EXPECT_NE(run({"openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", "pass.cms", "-out", "2.tar", "-pwri_password",
                 "a wrong passphrase"},
                directory.path())
                .status,
            0);

  ASSERT_EQ(run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "r.key",
                 "-subj", "/CN=Reader", "-out", "r.pem"},
                directory.path())
                .status,
            0);
  directory.write("cert.cms", to_text(seal_for_recipient(archive, directory.read("r.pem")).value()));
  const Output read =
      run({"openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", "cert.cms", "-out", "3.tar", "-inkey", "r.key"},
          directory.path());
  EXPECT_EQ(read.status, 0) << read.text;
  EXPECT_EQ(directory.read("3.tar"), archive);
}

TEST(Dossier, WeakPassphrasesAndKeysThatCannotDecryptAreRefused) {
  EXPECT_EQ(seal_with_passphrase("x", "too short").error().field, "passphrase");
  EXPECT_EQ(seal_for_recipient("x", make_authority().pem).error().field, "recipient");
}

}  // namespace
}  // namespace sanad::registration
