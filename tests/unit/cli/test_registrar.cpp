// From the application to the certificate, with both sides' commands and no daemon.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "control/registration/certificate.hpp"
#include "control/registration/request.hpp"
#include "control/registration/verify.hpp"
#include "fake_daemon.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli::test {
namespace {

class Applying : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(sanad({"init", "--yes", "--config", at("sanad.yaml"), "--state-dir", at("state"), "--run-dir", at("run"),
                     "--public-address", "203.0.113.10", "--company", "Example Software (Pvt) Ltd", "--gateway-id", "khi-1"})
                  .exit,
              0);
    for (const char* paper : {"front.jpg", "back.jpg", "letter.pdf"}) write(paper, std::string("scan of ") + paper);
    ASSERT_TRUE(write_file_durably(at("pass"), "a long passphrase\n", 0600));
  }
  [[nodiscard]] std::string at(const std::string& name) const { return directory_.at(name); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(at(name)) << text; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(at(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Ran sanad(std::vector<std::string> words, Terminal terminal = {}, std::string input = {}) {
    return run(at("admin.sock"), std::move(words), terminal, std::move(input));
  }
  Ran apply(const std::string& answers) {
    write("answers.yaml", answers);
    return sanad({"registration", "request", "--config", at("sanad.yaml"), "--answers", at("answers.yaml"), "--passphrase-file",
                  at("pass"), "--out", at("out")});
  }
  static std::string answers(const std::string& addresses = "203.0.113.10", const std::string& letter = "letter.pdf") {
    return "category: company\nlegal_name: Example Software (Pvt) Ltd\ncountry: PK\nauthority: PTA\nregime: r\npurpose: p\n"
           "service_provider: Example Internet\nsubscriber_id: \"1\"\naddresses: [" +
           addresses +
           "]\nrepresentative: {name: Ayesha Khan, identity_number: 42101-0000000-0}\n"
           "documents: {cnic_front: front.jpg, cnic_back: back.jpg, incorporation: " +
           letter + "}\n";
  }

  TemporaryDirectory directory_;
};

TEST_F(Applying, WritesWhatIsNeededAndKeepsThePersonalPartApart) {
  const Ran ran = apply(answers());
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.err.find("not recorded, because sanadd does not run"), std::string::npos) << ran.err;
  const auto request = registration::parse_request(read("out/request.csr"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->claims.gateway_id, "khi-1") << "from the configuration";
  EXPECT_EQ(request->claims.listen_ports, std::vector<std::uint16_t>{51820});
  EXPECT_NE(read("out/summary.html").find("42101-0000000-0"), std::string::npos);
  for (const char* secret : {"out/summary.html", "out/answers.yaml", "out/dossier.cms"}) {
    struct ::stat info {};
    ASSERT_EQ(::stat(at(secret).c_str(), &info), 0) << secret;
    EXPECT_EQ(info.st_mode & 07777, 0600U) << secret;
  }
}

TEST_F(Applying, WritesNothingBeforeEverythingIsRight) {
  const Ran ran = apply(answers("203.0.113.10, 198.51.100.1, 10.0.0.1", "missing.pdf"));
  EXPECT_EQ(ran.exit, 1);
  for (const char* part : {"198.51.100.1 is not on this host", "10.0.0.1 cannot be reached from the Internet", "missing.pdf"})
    EXPECT_NE(ran.err.find(part), std::string::npos) << part << " not in: " << ran.err;
  struct ::stat info {};
  EXPECT_NE(::stat(at("out").c_str(), &info), 0);
  // Not encrypted to anybody, or to a passphrase that is none: nothing is written either.
  ASSERT_TRUE(write_file_durably(at("pass"), "short\n", 0600));
  EXPECT_EQ(apply(answers()).exit, 1);
  EXPECT_NE(::stat(at("out").c_str(), &info), 0);
}

TEST_F(Applying, AsksWhereThereIsSomebodyToAsk) {
  Terminal terminal;
  terminal.in = true;
  const std::string typed =
      "Example Internet\nEI-1\nExample Software (Pvt) Ltd\n\nPK\nPTA\npta-self-registration\nAccess of staff\n" +
      std::string("203.0.113.10\n\n\n\nAyesha Khan\n\n42101-0000000-0\n\n\n") + at("front.jpg") + "\n" + at("back.jpg") + "\n" +
      at("letter.pdf") + "\n\n";
  const std::vector<std::string> words{"registration",      "request",  "--config", at("sanad.yaml"),
                                       "--passphrase-file", at("pass"), "--out",    at("out")};
  const Ran ran = sanad(words, terminal, typed);
  ASSERT_EQ(ran.exit, 0) << ran.err << ran.out;
  EXPECT_EQ(registration::parse_request(read("out/request.csr"))->claims.purpose, "Access of staff");
  const Ran cut = sanad(words, terminal, "Example Internet\nEI-1\n");
  EXPECT_EQ(cut.exit, 1);
  EXPECT_NE(cut.err.find("the answers end too early"), std::string::npos) << cut.err;
  EXPECT_EQ(sanad(words).exit, 2) << "nobody to ask";
}

TEST_F(Applying, AndTheRegistrarsSide) {
  ASSERT_EQ(apply(answers()).exit, 0);
  const std::string place = at("registrar");
  ASSERT_EQ(sanad({"registrar", "init", "--dir", place, "--name", "P@SHA", "--country", "PK"}).exit, 0);
  EXPECT_EQ(sanad({"registrar", "init", "--dir", place, "--name", "P@SHA", "--country", "PK"}).exit, 1);
  EXPECT_EQ(sanad({"registrar", "init", "--dir", at("x"), "--name", "P", "--country", "PK", "--level", "self"}).exit, 2);
  EXPECT_EQ(sanad({"registrar", "list", "--dir", at("nowhere")}).exit, 3);

  const Ran inspected = sanad({"registrar", "inspect", "--dir", place, at("out/request.csr")});
  EXPECT_EQ(inspected.exit, 0) << inspected.err;
  EXPECT_NE(inspected.out.find("nobody has confirmed"), std::string::npos);
  write("registrar/policy.yaml", "required:\n  company: [reference]\n");
  const Ran against = sanad({"registrar", "inspect", "--dir", place, at("out/request.csr")});
  EXPECT_EQ(against.exit, 1);
  EXPECT_NE(against.out.find("reference: needed of the category company"), std::string::npos) << against.out;
  const Ran refused = sanad({"registrar", "issue", "--dir", place, at("out/request.csr"), "--out", at("c.pem")});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("the policy stands against it"), std::string::npos) << refused.err;
  const Ran issued =
      sanad({"registrar", "issue", "--dir", place, at("out/request.csr"), "--reference", "24-7781", "--out", at("c.pem")});
  ASSERT_EQ(issued.exit, 0) << issued.err;
  const auto verified = registration::verify(read("c.pem"), {{read("registrar/ca.pem"), registration::Level::association, {}}});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->certificate.claims.reference, "24-7781");

  EXPECT_NE(sanad({"registrar", "list", "--dir", place, "--due", "370d"}).out.find("khi-1"), std::string::npos);
  EXPECT_NE(sanad({"registrar", "list", "--dir", place, "--due", "30d"}).out.find("None ends by"), std::string::npos);
  EXPECT_EQ(sanad({"registrar", "revoke", "--dir", place, "khi-1", "--reason", "because"}).exit, 2);
  EXPECT_EQ(sanad({"registrar", "revoke", "--dir", place, "nobody"}).exit, 3);
  EXPECT_EQ(sanad({"registrar", "revoke", "--dir", place, "khi-1", "--reason", "keyCompromise"}).exit, 0);
  EXPECT_EQ(sanad({"registrar", "publish", "--dir", place}).exit, 0);
  EXPECT_NE(sanad({"registrar", "list", "--dir", place, "khi-1"}).out.find("revoked 2026-11-24"), std::string::npos);
}

}  // namespace
}  // namespace sanad::cli::test
