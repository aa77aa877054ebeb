// The gateway's witnesses on a real log in a directory, with witnesses made of a few lines: an honest one, one that is away, one
// that never answers, one that talks nonsense.

#include "control/service/witnesses.hpp"

#include <gtest/gtest.h>

#include <map>

#include "control/audit/add_checkpoint.hpp"
#include "control/audit/witness_rules.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/worker.hpp"
#include "tests/unit/audit/log_fixture.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using std::chrono::seconds;
using Done = std::function<void(Result<WitnessReply>)>;

// What a witness remembers and does, without HTTP and disk.
struct HonestWitness {
  audit::Signer signer;
  std::vector<audit::WitnessedLog> logs;
  std::optional<audit::Checkpoint> last{};
  int asked = 0;

  WitnessReply answer(const std::string& body) {
    ++asked;
    auto verdict = audit::judge_checkpoint(body, logs, [this](const std::string&) { return last ? &*last : nullptr; });
    if (verdict.status == 409) return {409, audit::tree_size_text(verdict.known)};
    if (verdict.status != 200) return {verdict.status, verdict.why};
    last = verdict.checkpoint;
    return {200, audit::cosign_note(audit::checkpoint_text(*last), signer, 1'795'510'800).value()};
  }
};

class WitnessesTest : public ::testing::Test {
 protected:
  WitnessesTest() {
    log_.outbox.add(300);
    EXPECT_TRUE(log_.publish());
    WitnessPorts ports;
    ports.on_publisher = [this](std::function<void()> job) { publisher_->post(std::move(job)); };
    ports.post = [this](const HttpUrl& url, std::string body, Done done) {
      boost::asio::post(loop_, [this, host = url.host, path = url.path, body = std::move(body), done = std::move(done)] {
        EXPECT_TRUE(path.ends_with("/add-checkpoint")) << path;
        const auto said = servers_.find(host);
        if (said == servers_.end()) return done(Error{Errc::unavailable, "couldn't connect"});
        said->second(body, done);
      });
    };
    ports.records = [this] { return log_.outbox.leaves.size(); };
    ports.record = [this](const std::string& name, boost::json::object details) {
      EXPECT_EQ(name, "witness");
      told_.emplace_back(std::string(details.at("witness").as_string()) + " " + std::string(details.at("state").as_string()));
    };
    witnesses_.emplace(loop_, log_.directory, std::move(ports));
  }
  ~WitnessesTest() override {
    publisher_.reset();
    witnesses_.reset();
  }

  config::Witness named(const std::string& name, std::uint8_t fill) {
    const auto signer = audit::test_signer(fill, name);
    honest_.emplace(name, HonestWitness{signer, {{log_.signer.name, {audit::verifier_of(log_.signer).value()}}}});
    return {name, audit::to_vkey(audit::verifier_of(signer, audit::KeyType::cosignature_v1).value()), "http://" + name};
  }
  void honest(const std::string& name) {
    servers_[name] = [this, name](const std::string& body, const Done& done) { done(honest_.at(name).answer(body)); };
  }
  void start(std::vector<config::Witness> witnesses, seconds alarm_after = seconds(300)) {
    evidence_.witnesses = std::move(witnesses);
    evidence_.push_interval = seconds(1);
    evidence_.alarm_after = alarm_after;
    witnesses_->configure(evidence_);
    witnesses_->start();
  }
  bool run(const std::function<bool()>& condition) { return testing::run_until(loop_, condition, seconds(30)); }
  const WitnessStatus& status(const std::string& name) {
    statuses_ = witnesses_->status();
    for (const auto& one : statuses_)
      if (one.name == name) return one;
    throw std::runtime_error("no witness " + name);
  }
  // On the publisher's thread, where the log is written.
  void grow(std::size_t count) {
    std::promise<void> done;
    publisher_->post([&] {
      log_.outbox.add(count);
      EXPECT_TRUE(log_.publish());
      done.set_value();
    });
    done.get_future().get();
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    const auto text = read_file(log_.directory / name, audit::kMaxNoteBytes);
    return text ? *text : std::string();
  }

  audit::TestLog log_;
  boost::asio::io_context loop_{1};
  std::optional<Worker> publisher_{std::in_place, "publisher"};
  std::map<std::string, HonestWitness> honest_;
  std::map<std::string, std::function<void(const std::string&, const Done&)>> servers_;
  std::vector<std::string> told_;
  config::Evidence evidence_;
  std::optional<Witnesses> witnesses_;
  std::vector<WitnessStatus> statuses_;
};

TEST_F(WitnessesTest, EachCosignsAtItsOwnPace) {
  const auto a = named("a", 11);
  const auto b = named("b", 12);
  honest("a");
  honest("b");
  start({a, b});
  ASSERT_TRUE(run([&] { return status("a").records == 300U && status("b").records == 300U; }));
  EXPECT_EQ(status("a").lag_records, 0U);
  EXPECT_EQ(status("a").cosigned_at->ms(), 1'795'510'800'000);
  EXPECT_EQ(audit::parse_note(read("checkpoint"))->signatures.size(), 3U);
  grow(7);
  ASSERT_TRUE(run([&] { return status("a").records == 307U && status("b").records == 307U; }));
  EXPECT_EQ(honest_.at("a").asked, 2) << "a consistency proof from the size it was known to have";
  log_.check(307);
  EXPECT_EQ(read("policy"),
            audit::policy_text(audit::simple_policy(
                {{audit::verifier_of(log_.signer).value(), {}}},
                {{"a", audit::parse_vkey(a.key).value(), a.url}, {"b", audit::parse_vkey(b.key).value(), b.url}}, 2)));
  EXPECT_TRUE(told_.empty());
}

TEST_F(WitnessesTest, OneThatIsSilentOrAwayHoldsUpNoOther) {
  std::vector<Done> forgotten;
  servers_["silent"] = [&forgotten](const std::string&, const Done& done) { forgotten.push_back(done); };
  honest("good");
  start({named("silent", 11), named("away", 12), named("good", 13)}, seconds(2));
  ASSERT_TRUE(run([&] { return status("good").records == 300U; }));
  grow(5);
  ASSERT_TRUE(run([&] { return status("good").records == 305U && told_.size() == 2; }));
  EXPECT_EQ(forgotten.size(), 1U) << "one request at a time";
  EXPECT_TRUE(status("silent").alarm);
  EXPECT_TRUE(status("away").alarm);
  EXPECT_EQ(status("away").problem, "couldn't connect");
  EXPECT_FALSE(status("good").alarm);
  std::sort(told_.begin(), told_.end());
  EXPECT_EQ(told_, (std::vector<std::string>{"away behind", "silent behind"}));
}

TEST_F(WitnessesTest, ForgetfulnessOnEitherSideIsMended) {
  honest("a");
  const auto a = named("a", 11);
  start({a});
  ASSERT_TRUE(run([&] { return status("a").records == 300U; }));
  // The witness lost its store: it says 0, and is taken at its word.
  honest_.at("a").last.reset();
  grow(3);
  ASSERT_TRUE(run([&] { return status("a").records == 303U; }));
  // The gateway lost what it knew.
  std::filesystem::remove_all(log_.directory / "cosigned");
  witnesses_->configure({});
  evidence_.witnesses = {a};
  grow(3);
  witnesses_->configure(evidence_);
  ASSERT_TRUE(run([&] { return status("a").records == 306U; }));
  EXPECT_TRUE(told_.empty());
}

TEST_F(WitnessesTest, WhatWasCosignedIsKnownAfterARestart) {
  const auto a = named("a", 11);
  honest("a");
  start({a});
  ASSERT_TRUE(run([&] { return status("a").records == 300U; }));
  servers_.clear();
  witnesses_->configure({});
  evidence_.witnesses = {a};
  witnesses_->configure(evidence_);
  ASSERT_TRUE(run([&] { return status("a").records == 300U; }));
}

TEST_F(WitnessesTest, AnotherHistoryIsToldAtOnceAndOnce) {
  const auto a = named("a", 11);
  honest("a");
  honest_.at("a").last = audit::Checkpoint{log_.signer.name, 200, audit::leaf_hash({}), {}};
  start({a});
  ASSERT_TRUE(run([&] { return told_.size() == 1 && status("a").failures >= 2; }));
  EXPECT_EQ(told_, std::vector<std::string>{"a refused"});
  EXPECT_NE(status("a").problem.find("the log was rewritten"), std::string::npos);
  EXPECT_FALSE(status("a").records);
  EXPECT_EQ(audit::parse_note(read("checkpoint"))->signatures.size(), 1U);
}

TEST_F(WitnessesTest, NonsenseNeverGetsIntoTheLogsDirectory) {
  int turn = 0;
  const std::vector<WitnessReply> lies{{200, "<html>\n"}, {200, read("checkpoint")}, {409, "300\n"}, {409, "12\n"}};
  servers_["liar"] = [&](const std::string&, const Done& done) { done(lies[static_cast<std::size_t>(turn++) % lies.size()]); };
  const std::string before = read("checkpoint");
  start({named("liar", 11)});
  ASSERT_TRUE(run([&] { return status("liar").failures >= 3; }));
  EXPECT_EQ(read("checkpoint"), before);
  EXPECT_FALSE(std::filesystem::exists(log_.directory / "cosigned"));
  EXPECT_FALSE(status("liar").records);
}

TEST_F(WitnessesTest, AnswersThatComeAfterTheEndAreHeardByNobody) {
  std::vector<Done> late;
  servers_["late"] = [&late](const std::string&, const Done& done) { late.push_back(done); };
  start({named("late", 11)});
  ASSERT_TRUE(run([&] { return !late.empty(); }));
  witnesses_->stop();
  witnesses_.reset();
  late[0](WitnessReply{200, "x"});
  loop_.restart();
  loop_.poll();
}

}  // namespace
}  // namespace sanad::service
