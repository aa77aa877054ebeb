// The auditor's tools on logs of the test's own; the daemon is never asked.

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "control/audit/proof.hpp"
#include "control/cli/json_view.hpp"
#include "fake_daemon.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::cli::test {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

class LogOffline : public ::testing::Test {
 protected:
  void SetUp() override {
    const audit::EventDraft draft{{{"class_uid", 4014}},
                                  {{"user.name", "Ayesha\x1b[2J Khan", "o-1"}, {"user.email", "a@example.com", "o-1"}}};
    const auto leaf = audit::make_leaf({0, WallTime::from_ms(1'795'510'800'000), 1}, draft, audit::system_random()).value();
    log_.outbox.leaves.push_back(leaf.bytes);
    for (const auto& disclosure : leaf.disclosures) disclosures_.push_back(audit::disclosure_text(disclosure).value());
    log_.outbox.add(299);
    ASSERT_TRUE(log_.publish());
    early_ = (log_.root.path() / "early").string();
    overwrite(early_, contents(log_.directory / "checkpoint"));
    log_.outbox.add(700);
    ASSERT_TRUE(log_.publish());
    directory_ = log_.directory.string();
    key_ = audit::to_vkey(audit::verifier_of(log_.signer).value());
  }
  Ran sanad(std::vector<std::string> arguments) { return run("/nonexistent/admin.sock", std::move(arguments), {}, {}); }

  audit::TestLog log_;
  std::vector<std::string> disclosures_;
  std::string directory_, key_, early_;
};

TEST_F(LogOffline, VerifySaysWhatItBelievedAndWhatItCannotKnow) {
  const Ran own = sanad({"log", "verify", directory_});
  EXPECT_EQ(own.exit, 0) << own.err;
  EXPECT_TRUE(own.out.starts_with("good  1,000 records of sanad/gw-1, 1 signing epoch, 0 certificates, checked in ")) << own.out;
  EXPECT_NE(own.out.find("the key is the one the directory itself names"), std::string::npos);
  EXPECT_NE(own.out.find("cut back to an earlier checkpoint"), std::string::npos);
  const Ran given = sanad({"log", "verify", "--key", key_, directory_});
  EXPECT_EQ(given.exit, 0) << given.err;
  EXPECT_EQ(given.out.find("the directory itself names"), std::string::npos);
  const auto json = parse_json(sanad({"log", "verify", directory_, "--json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(int_at(*json, "size"), 1000);
}

TEST_F(LogOffline, VerifyNamesTheRecordAndTheFile) {
  const auto file = log_.directory / "tile/entries/001";
  std::string bytes = contents(file);
  bytes[3] = 'X';
  overwrite(file, bytes);
  const Ran ran = sanad({"log", "verify", directory_});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_TRUE(ran.err.starts_with("error: tile/entries/001: record 256: ")) << ran.err;
  EXPECT_TRUE(ran.out.empty());
}

TEST_F(LogOffline, VerifyTellsAStrangersKeyANonsenseKeyAndNoLogApart) {
  const std::string stranger = audit::to_vkey(audit::verifier_of(audit::test_signer(7)).value());
  EXPECT_EQ(sanad({"log", "verify", directory_, "--key", stranger}).exit, 4);
  EXPECT_EQ(sanad({"log", "verify", directory_, "--key", "nonsense"}).exit, 2);
  EXPECT_EQ(sanad({"log", "verify", log_.root.path().string()}).exit, 3);
  EXPECT_EQ(sanad({"log", "verify", directory_, "--threads", "0"}).exit, 2);
}

TEST_F(LogOffline, AProofShowsWhatItsHolderChoseAndNoMore) {
  const std::string file = (log_.root.path() / "p.tlog-proof").string();
  const Ran made = sanad({"log", "prove", "0", "--dir", directory_, "--disclosure", disclosures_[0], "--out", file});
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_LE(contents(file).size(), 2048U);
  const Ran checked = sanad({"log", "check-proof", file, "--key", key_});
  ASSERT_EQ(checked.exit, 0) << checked.err;
  EXPECT_TRUE(
      checked.out.starts_with("good  record 0 is in the log of sanad/gw-1 (1,000 records then), 2026-11-24T09:00:00.000Z\n"))
      << checked.out;
  EXPECT_NE(checked.out.find("disclosed user.name = \"Ayesha\\u001b[2J Khan\""), std::string::npos) << checked.out;
  EXPECT_EQ(checked.out.find("example.com"), std::string::npos);
  const auto json = parse_json(sanad({"log", "check-proof", file, "--key", key_, "--json"}).out);
  ASSERT_TRUE(json);
  EXPECT_EQ(array_at(*json, "disclosed").size(), 1U);
}

TEST_F(LogOffline, EveryRecordHasAProofOfItsOwn) {
  const std::string file = (log_.root.path() / "p").string();
  for (const char* index : {"1", "255", "256", "767", "999"}) {
    const Ran made = sanad({"log", "prove", index, "--dir", directory_});
    ASSERT_EQ(made.exit, 0) << made.err;
    overwrite(file, made.out);
    EXPECT_EQ(sanad({"log", "check-proof", file, "--key", key_}).exit, 0);
  }
  EXPECT_EQ(sanad({"log", "prove", "1000", "--dir", directory_}).exit, 3);
  EXPECT_EQ(sanad({"log", "prove", "-1", "--dir", directory_}).exit, 2);
  EXPECT_EQ(sanad({"log", "prove", "1", "--dir", directory_, "--disclosure", disclosures_[0]}).exit, 1);
}

TEST_F(LogOffline, AChangedProofIsRefused) {
  const std::string file = (log_.root.path() / "p").string();
  const std::string good = sanad({"log", "prove", "0", "--dir", directory_, "--disclosure", disclosures_[0]}).out;
  const auto parsed = audit::parse_proof(good).value();
  const auto refused = [&](const audit::LogProof& changed) {
    overwrite(file, audit::proof_text(changed));
    const Ran ran = sanad({"log", "check-proof", file, "--key", key_});
    return ran.exit != 0 && ran.err.starts_with("error: ") && ran.out.empty();
  };
  auto changed = parsed;
  changed.index = 1;
  EXPECT_TRUE(refused(changed));
  changed = parsed;
  changed.hashes.pop_back();
  EXPECT_TRUE(refused(changed));
  changed = parsed;
  changed.extra = std::nullopt;
  EXPECT_TRUE(refused(changed));
  changed = parsed;
  auto record = audit::parse_proof_extra(*parsed.extra).value();
  record.disclosures = {"WyJhIiwidXNlci5uYW1lIiwiYiJd"};  // one that opens no digest of the record
  changed.extra = audit::proof_extra(record);
  EXPECT_TRUE(refused(changed));
  overwrite(file, "nonsense");
  EXPECT_EQ(sanad({"log", "check-proof", file, "--key", key_}).exit, 1);
  EXPECT_EQ(sanad({"log", "check-proof", file + ".none", "--key", key_}).exit, 3);
}

TEST_F(LogOffline, ConsistencyTellsGrowthFromRewriting) {
  EXPECT_EQ(sanad({"log", "consistency", early_, "--dir", directory_}).out,
            "good  the log of 300 records grew into that of 1,000 records; nothing before was changed\n");
  EXPECT_EQ(sanad({"log", "consistency", "256", "700", "--dir", directory_}).exit, 0);
  EXPECT_EQ(sanad({"log", "consistency", "256", "1001", "--dir", directory_}).exit, 3);
  EXPECT_EQ(sanad({"log", "consistency", "700", "256", "--dir", directory_}).exit, 1);

  // Rewritten under the very same key.
  audit::TestLog other;
  other.outbox.add(1000);
  ASSERT_TRUE(other.publish());
  const Ran rewritten = sanad({"log", "consistency", early_, "--dir", other.directory.string()});
  EXPECT_EQ(rewritten.exit, 1);
  EXPECT_TRUE(rewritten.err.starts_with("error: the log was rewritten")) << rewritten.err;

  // Cut back: the later checkpoint was kept elsewhere.
  const std::string late = (log_.root.path() / "late").string();
  overwrite(late, contents(log_.directory / "checkpoint"));
  overwrite(log_.directory / "checkpoint", contents(early_));
  const Ran cut = sanad({"log", "consistency", late, "--dir", directory_});
  EXPECT_EQ(cut.exit, 1);
  EXPECT_NE(cut.err.find("it was cut short"), std::string::npos) << cut.err;
}

TEST_F(LogOffline, KeyPrintsWhatAnAuditorNeeds) { EXPECT_EQ(sanad({"log", "key", "--dir", directory_}).out, key_ + "\n"); }

TEST_F(LogOffline, ExportMakesACopyThatVerifiesByItself) {
  const auto copy = (log_.root.path() / "copy").string();
  const Ran made = sanad({"log", "export", "--dir", directory_, "--out", copy});
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_NE(made.out.find(key_), std::string::npos) << made.out;
  // Not the partial tiles of earlier sizes.
  EXPECT_FALSE(std::filesystem::exists(copy + "/tile/0/001.p/44"));
  EXPECT_TRUE(std::filesystem::exists(copy + "/tile/0/003.p/232"));
  EXPECT_EQ(sanad({"log", "verify", copy, "--key", key_}).exit, 0);
  EXPECT_EQ(contents(copy + "/checkpoint"), contents(log_.directory / "checkpoint"));
  EXPECT_EQ(sanad({"log", "export", "--dir", directory_, "--out", copy}).exit, 1) << "over a copy that is there";
  overwrite(log_.directory / "tile/entries/001", contents(log_.directory / "tile/entries/001").replace(40, 1, "#"));
  EXPECT_EQ(sanad({"log", "export", "--dir", directory_, "--out", copy + "2"}).exit, 1) << "a copy that does not verify";
}

TEST_F(LogOffline, ExportWritesTheRecordsThatAreWantedAndNoOthers) {
  const Ran some = sanad({"log", "export", "--dir", directory_, "--from", "254", "--to", "258"});
  ASSERT_EQ(some.exit, 0) << some.err;
  std::string want;
  for (std::size_t i = 254; i < 258; ++i) want += log_.outbox.leaves[i] + "\n";
  EXPECT_EQ(some.out, want);
  const auto file = (log_.root.path() / "all.ndjson").string();
  EXPECT_EQ(sanad({"log", "export", "--dir", directory_, "--from", "0", "--out", file}).exit, 0);
  want.clear();
  for (const auto& leaf : log_.outbox.leaves) want += leaf + "\n";
  EXPECT_EQ(contents(file), want);
  EXPECT_EQ(sanad({"log", "export", "--dir", directory_, "--from", "1000"}).exit, 3);
  EXPECT_EQ(sanad({"log", "export", "--dir", directory_}).exit, 2);
}

}  // namespace
}  // namespace sanad::cli::test
