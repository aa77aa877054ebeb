// log verify before witnesses, and the witness command as far as it goes without serving.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "control/audit/cosigned.hpp"
#include "control/cli/json_view.hpp"
#include "fake_daemon.hpp"
#include "gateway/base/encoding.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::cli::test {
namespace {

using audit::test_signer;

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class WitnessedLog : public ::testing::Test {
 protected:
  void SetUp() override {
    log_.outbox.add(300, 1'795'510'800'000);
    ASSERT_TRUE(log_.publish());
    cosign(w1_);
    kept_ = write("kept", contents(log_.directory / "checkpoint"));
    log_.outbox.add(700, 1'795'510'809'000);
    ASSERT_TRUE(log_.publish());
    directory_ = log_.directory.string();
  }
  void cosign(const audit::Signer& witness) {
    const auto key = audit::verifier_of(witness, audit::KeyType::cosignature_v1).value();
    const std::string note = contents(log_.directory / "checkpoint");
    const auto line = audit::cosign_note(audit::parse_note(note)->text, witness, 1'795'510'801).value();
    ASSERT_TRUE(audit::CosignedFiles(log_.directory).add(note, key, {line, 1'795'510'801}, WallTime::from_ms(1'795'510'801'000)));
  }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = log_.root.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  std::string policy(std::size_t needed, const std::string& log_key = {}) {
    std::vector<audit::PolicyWitness> witnesses{
        {"one", audit::verifier_of(w1_, audit::KeyType::cosignature_v1).value(), "https://w1.example"},
        {"two", audit::verifier_of(w2_, audit::KeyType::cosignature_v1).value(), {}}};
    const auto key = log_key.empty() ? audit::verifier_of(log_.signer).value() : audit::parse_vkey(log_key).value();
    return write("policy", audit::policy_text(audit::simple_policy({{key, {}}}, witnesses, needed)));
  }
  Ran sanad(std::vector<std::string> arguments) { return run("/nonexistent/admin.sock", std::move(arguments), {}, {}); }

  audit::TestLog log_;
  audit::Signer w1_ = test_signer(11, "w1.example");
  audit::Signer w2_ = test_signer(12, "w2.example");
  std::string directory_, kept_;
};

TEST_F(WitnessedLog, SaysWhoCosignedAndUpToWhichRecord) {
  const Ran ran = sanad({"log", "verify", directory_, "--policy", policy(1)});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("cosigned  by w1.example up to record 299 (9 s before the last)\n"
                         "cosigned  not by w2.example\n"
                         "quorum    vouches for the first 300 records\n"),
            std::string::npos)
      << ran.out;
  EXPECT_EQ(ran.out.find("the directory itself names"), std::string::npos) << "the policy names the log's key";
  EXPECT_NE(ran.out.find("curl -o kept https://w1.example/" + hex_encode(sha256(as_bytes("sanad/gw-1"))) + "/checkpoint"),
            std::string::npos)
      << ran.out;
  cosign(w1_);
  const Ran all = sanad({"log", "verify", directory_, "--policy", policy(1)});
  EXPECT_NE(all.out.find("up to record 999, the last\n"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("quorum    vouches for all 1,000 records\n"), std::string::npos) << all.out;
  const auto json = parse_json(sanad({"log", "verify", directory_, "--policy", policy(1), "--json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(int_at(*json, "quorum_records"), 1000);
  EXPECT_EQ(array_at(*json, "witnesses").size(), 2U);
}

TEST_F(WitnessedLog, FailsWithoutTheQuorumAndSaysSo) {
  const Ran ran = sanad({"log", "verify", directory_, "--policy", policy(2)});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("the quorum that the policy asks for is missing: 1 of its 2 witnesses have cosigned anything"),
            std::string::npos)
      << ran.err;
  EXPECT_EQ(sanad({"log", "verify", directory_, "--policy", policy(2), "--json"}).exit, 1);
  cosign(w2_);
  EXPECT_EQ(sanad({"log", "verify", directory_, "--policy", policy(2)}).exit, 0);
  EXPECT_EQ(sanad({"log", "verify", directory_, "--policy", write("none", "quorum none\n")}).exit, 0);
}

TEST_F(WitnessedLog, ACheckpointKeptElsewhereCountsAndFindsALogThatWasCutBack) {
  const Ran good = sanad({"log", "verify", directory_, "--checkpoint", kept_});
  EXPECT_EQ(good.exit, 0) << good.err;
  EXPECT_NE(good.out.find("kept      1 checkpoint from elsewhere, of up to 300 records: the log grew out of them\n"),
            std::string::npos)
      << good.out;
  EXPECT_EQ(good.out.find("cut back"), std::string::npos);
  const std::string latest = write("latest", contents(log_.directory / "checkpoint"));
  audit::TestLog shorter;
  shorter.outbox.leaves.assign(log_.outbox.leaves.begin(), log_.outbox.leaves.begin() + 500);
  ASSERT_TRUE(shorter.publish());
  const Ran cut = sanad({"log", "verify", shorter.directory.string(), "--checkpoint", latest});
  EXPECT_EQ(cut.exit, 1);
  EXPECT_NE(cut.err.find("once had 1000 records and now has 500: it was cut short"), std::string::npos) << cut.err;
  // The witness's cosignature counts wherever the checkpoint comes from.
  EXPECT_EQ(sanad({"log", "verify", shorter.directory.string(), "--policy", policy(1)}).exit, 1);
  EXPECT_EQ(sanad({"log", "verify", shorter.directory.string(), "--policy", policy(1), "--checkpoint", kept_}).exit, 0);
}

TEST_F(WitnessedLog, APolicyThatIsNoneOrOfAnotherLogIsRefused) {
  const Ran nonsense = sanad({"log", "verify", directory_, "--policy", write("bad", "quorum none\nlog x\n")});
  EXPECT_EQ(nonsense.exit, 2);
  EXPECT_NE(nonsense.err.find("line 2: not a verifier key"), std::string::npos) << nonsense.err;
  EXPECT_EQ(sanad({"log", "verify", directory_, "--policy", "/nonexistent"}).exit, 3);
  const auto stranger = audit::to_vkey(audit::verifier_of(test_signer(7)).value());
  EXPECT_EQ(sanad({"log", "verify", directory_, "--policy", policy(1, stranger)}).exit, 4);
}

class WitnessCommand : public WitnessedLog {
 protected:
  std::string store_ = (log_.root.path() / "store").string();
};

TEST_F(WitnessCommand, MakesAKeyOnceAndPrintsIt) {
  const Ran made = sanad({"witness", "key", "--store", store_, "--name", "audit.example"});
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_TRUE(made.out.starts_with("audit.example+")) << made.out;
  EXPECT_NE(made.err.find("made a new key"), std::string::npos);
  const auto key = audit::parse_vkey(made.out.substr(0, made.out.size() - 1));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->type, audit::KeyType::cosignature_v1);
  struct stat file {};
  ASSERT_EQ(::stat((store_ + "/witness.key").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0600U);
  const Ran again = sanad({"witness", "key", "--store", store_, "--name", "audit.example"});
  EXPECT_EQ(again.out, made.out);
  EXPECT_TRUE(again.err.empty());
  ASSERT_EQ(::chmod((store_ + "/witness.key").c_str(), 0644), 0);
  EXPECT_EQ(sanad({"witness", "key", "--store", store_}).exit, 4);
}

TEST_F(WitnessCommand, WrongUseIsRefusedBeforeAnythingIsServed) {
  const std::string log = audit::to_vkey(audit::verifier_of(log_.signer).value());
  const std::string witness = audit::to_vkey(audit::verifier_of(w1_, audit::KeyType::cosignature_v1).value());
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{}, "no log to witness"},
      {{"--log", "nonsense"}, "not a verifier key"},
      {{"--log", witness}, "not the key of a log"},
      {{"--log", "=" + log}, "not the key of a log"},
      {{"--log", log, "--listen", "localhost"}, "not HOST:PORT"},
      {{"--log", log, "--listen", "[::1]"}, "not HOST:PORT"},
      {{"--log", log, "--listen", "localhost:0x"}, "not HOST:PORT"},
      {{"--log", log, "--name", "two words"}, "a name has no spaces"},
      {{"--log", log, "--tls-cert", "/c.pem"}, "a certificate needs its key"}};
  for (const auto& [more, why] : wrong) {
    std::vector<std::string> arguments{"witness", "--store", store_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = sanad(arguments);
    EXPECT_EQ(ran.exit, 2) << why << ran.err;
    EXPECT_NE(ran.err.find(why), std::string::npos) << ran.err;
  }
}

}  // namespace
}  // namespace sanad::cli::test
