#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "config/reader.hpp"
#include "control/cli/doctor_checks.hpp"
#include "control/cli/init_plan.hpp"
#include "control/cli/json_view.hpp"
#include "control/registration/certificate.hpp"
#include "control/registration/verify.hpp"
#include "fake_daemon.hpp"

namespace sanad::cli::test {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
  struct ::stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

class Init : public ::testing::Test {
 protected:
  std::vector<std::string> arguments(std::vector<std::string> more = {}) {
    std::vector<std::string> all{
        "init",         "--yes",        "--config",         at("etc/sanad.yaml"), "--state-dir", at("state"),
        "--run-dir",    at("run"),      "--public-address", "203.0.113.10",       "--company",   "Example Software (Pvt) Ltd",
        "--gateway-id", "example-khi-1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] std::string at(const std::string& name) const { return directory_.at(name); }
  Ran sanad(std::vector<std::string> words, Terminal terminal = {}, std::string input = {}) {
    return run(at("admin.sock"), std::move(words), terminal, std::move(input));
  }
  TemporaryDirectory directory_;
};

TEST_F(Init, FromNothingToSomethingThatStarts) {
  const Ran ran = sanad(arguments());
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("staff will see \"declared by Example Software\""), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("Nobody else has confirmed it"), std::string::npos);
  EXPECT_NE(ran.out.find("Next: systemctl start sanadd && sanad status"), std::string::npos);
  EXPECT_EQ(mode_of(at("state/keys")), 0700U);
  EXPECT_EQ(mode_of(at("state/keys/wg0.key")), 0600U);
  EXPECT_EQ(mode_of(at("state/keys/registration.key")), 0600U);

  const auto read = config::read(at("etc/sanad.yaml"));
  ASSERT_TRUE(read.config) << (read.errors.empty() ? "" : read.errors.front());
  ASSERT_EQ(read.config->interfaces.size(), 1U);
  const auto& interface = read.config->interfaces.front();
  EXPECT_EQ(interface.addresses.size(), 2U);
  EXPECT_EQ(interface.addresses.front().to_string(), "10.66.0.1/16");
  EXPECT_EQ(interface.client.endpoint(), "203.0.113.10:51820");
  EXPECT_EQ(read.config->registration.public_addresses.size(), 1U);

  const std::string pem = contents(at("state/registration/certificate.pem"));
  const auto verified = registration::verify(pem, {{pem, registration::Level::self, ""}});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->certificate.claims.legal_name, "Example Software (Pvt) Ltd");
  EXPECT_EQ(to_rfc3339(verified->not_after), "2027-11-24T09:16:20.000Z");
  const auto key = config::read_private_key(interface.private_key);
  ASSERT_TRUE(key);
  EXPECT_EQ(*wg::derive_public_key(*key), verified->certificate.claims.wireguard_key);
}

TEST_F(Init, NeverOverwritesAndKeepsKeys) {
  ASSERT_EQ(sanad(arguments()).exit, 0);
  const std::string key = contents(at("state/keys/wg0.key"));
  const std::string config = contents(at("etc/sanad.yaml"));
  const Ran again = sanad(arguments({"--port", "443"}));
  EXPECT_EQ(again.exit, 1);
  EXPECT_NE(again.err.find("is there already"), std::string::npos) << again.err;
  EXPECT_EQ(contents(at("etc/sanad.yaml")), config);
  ASSERT_EQ(sanad(arguments({"--port", "443", "--force"})).exit, 0);
  EXPECT_NE(contents(at("etc/sanad.yaml")), config);
  EXPECT_EQ(contents(at("state/keys/wg0.key")), key);
  ASSERT_EQ(sanad(arguments({"--force", "--new-keys"})).exit, 0);
  EXPECT_NE(contents(at("state/keys/wg0.key")), key);
}

TEST_F(Init, RefusesBeforeTheFirstFile) {
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--network", "10.66.0.1/16"},
                                                {"--network", "10.66.0.0/31"},
                                                {"--country", "Pakistan"},
                                                {"--category", "hobby"},
                                                {"--routes", "everything"},
                                                {"--port", "0"}}) {
    EXPECT_EQ(sanad(arguments(wrong)).exit, 2) << wrong.back();
    EXPECT_FALSE(std::filesystem::exists(at("etc"))) << wrong.back();
    EXPECT_FALSE(std::filesystem::exists(at("state"))) << wrong.back();
  }
  EXPECT_EQ(
      sanad({"init", "--yes", "--config", at("etc/sanad.yaml"), "--state-dir", at("state"), "--public-address", "203.0.113.10"})
          .exit,
      2);
}

TEST_F(Init, AsksOnATerminal) {
  Terminal terminal;
  terminal.in = terminal.out = true;
  const Ran ran = sanad({"init", "--config", at("etc/sanad.yaml"), "--state-dir", at("state"), "--gateway-id", "g"}, terminal,
                        "203.0.113.77\n\nExample Ltd\n");
  ASSERT_EQ(ran.exit, 0) << ran.err << ran.out;
  const auto read = config::read(at("etc/sanad.yaml"));
  ASSERT_TRUE(read.config);
  EXPECT_EQ(read.config->interfaces.front().client.endpoint_host, "203.0.113.77");
}

TEST_F(Init, Routes) {
  ASSERT_EQ(sanad(arguments({"--routes", "full"})).exit, 0);
  auto read = config::read(at("etc/sanad.yaml"));
  ASSERT_TRUE(read.config) << read.errors.front();
  EXPECT_EQ(read.config->interfaces.front().client.routing, config::Routing::full);
  EXPECT_TRUE(read.config->interfaces.front().nat.masquerade);
  ASSERT_EQ(sanad(arguments({"--force", "--routes", "192.0.2.0/24,198.51.100.0/24"})).exit, 0);
  read = config::read(at("etc/sanad.yaml"));
  ASSERT_TRUE(read.config);
  EXPECT_EQ(read.config->interfaces.front().client.routes.size(), 4U);
}

HostFacts healthy() {
  HostFacts facts;
  facts.config_path = "/etc/sanad/sanad.yaml";
  facts.registered = facts.local = {*IpAddress::parse("203.0.113.10")};
  facts.kernel_wireguard = facts.tun_usable = facts.is_root = facts.net_admin = facts.nf_tables = true;
  facts.forwarding_v4 = facts.forwarding_v6 = true;
  facts.wg = "/usr/bin/wg";
  facts.clock.synchronised = true;
  facts.disk_free = 71'000'000'000;
  facts.now = *parse_rfc3339("2026-11-24T09:16:20Z");
  facts.certificate_ends = *parse_rfc3339("2027-11-24T09:16:20Z");
  return facts;
}

// The one check that is not ok, "" when all are.
std::string matter(const HostFacts& facts) {
  std::string text;
  for (const auto& check : judge(facts)) {
    if (check.verdict == Verdict::ok) continue;
    EXPECT_FALSE(check.mend.empty()) << check.name;
    text += check.name + (check.verdict == Verdict::fail ? " FAIL " : " warn ");
  }
  return text;
}

TEST(Doctor, JudgesEachFact) {
  EXPECT_EQ(matter(healthy()), "");
  const auto with = [](auto change) {
    HostFacts facts = healthy();
    change(facts);
    return matter(facts);
  };
  EXPECT_EQ(with([](HostFacts& f) { f.config_errors = {"f:1:1: a", "f:2:1: b"}; }), "configuration FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.kernel_wireguard = false; }), "wireguard FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.kernel_wireguard = false, f.wireguard_go = "/usr/bin/wireguard-go"; }), "");
  EXPECT_EQ(
      with([](HostFacts& f) { f.kernel_wireguard = false, f.wireguard_go = "/usr/bin/wireguard-go", f.tun_usable = false; }),
      "tun device FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.tun_usable = false; }), "tun device warn ");
  for (const char* fine : {"followed", "off", "userspace"})
    EXPECT_EQ(with([fine](HostFacts& f) { f.session_events = fine; }), "") << fine;
  EXPECT_EQ(with([](HostFacts& f) { f.session_events = "refused", f.session_events_detail = "no type information"; }),
            "session starts warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.net_admin = false; }), "permissions FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.net_admin = f.is_root = false; }), "permissions warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.nf_tables = false, f.wants_nat = true; }), "nftables FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.forwarding_v6 = false; }), "forwarding warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.clock.synchronised = false; }), "clock warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.certificate_problem = "none"; }), "registration FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.certificate_ends = f.now - std::chrono::hours(1); }), "registration FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.certificate_ends = f.now + std::chrono::hours(48); }), "registration warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.local.clear(); }), "addresses FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.disk_free = kDiskFail - 1; }), "disk FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.disk_free = kDiskWarn - 1; }), "disk warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.wg.reset(); }), "tools warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.daemon = DaemonAnswer::not_running; }), "sanadd warn ");
  EXPECT_EQ(with([](HostFacts& f) { f.daemon = DaemonAnswer::broken; }), "sanadd FAIL ");
  EXPECT_EQ(with([](HostFacts& f) { f.interface_problem = "wg0: another socket has this UDP port"; }), "sanadd warn ");
}

TEST_F(Init, DoctorReadsWhatInitWrote) {
  ASSERT_EQ(sanad(arguments()).exit, 0);
  const Ran ran = sanad({"doctor", "--config", at("etc/sanad.yaml"), "--json"});
  const auto checks = parse_json(ran.out);
  ASSERT_TRUE(checks && checks->is_array()) << ran.out;
  std::map<std::string, std::string> verdicts;
  for (const auto& check : checks->as_array()) verdicts[text_at(check, "check")] = text_at(check, "verdict");
  EXPECT_EQ(verdicts["configuration"], "ok");
  EXPECT_EQ(verdicts["registration"], "ok");
  EXPECT_EQ(verdicts["addresses"], "ok");
  EXPECT_EQ(verdicts["sanadd"], "warn");
}

TEST(InitPlan, ShortNames) {
  EXPECT_EQ(short_name("Example Software (Pvt) Ltd"), "Example Software");
  EXPECT_EQ(short_name("Example Software (Private) Limited"), "Example Software");
  EXPECT_EQ(short_name("Ltd"), "Ltd");
}

}  // namespace
}  // namespace sanad::cli::test
