// Needs root: makes a network namespace of its own and loads real nftables rules there.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/firewall/forwarding.hpp"
#include "gateway/firewall/nft.hpp"
#include "gateway/firewall/ruleset.hpp"
#include "own_host.hpp"

namespace sanad::firewall {
namespace {

[[maybe_unused]] const auto* const kOwnHost = ::testing::AddGlobalTestEnvironment(new test::OwnHost);

std::string nft(std::vector<std::string> arguments, int expected_status = 0) {
  arguments.insert(arguments.begin(), "nft");
  const auto finished = test::run(arguments);
  EXPECT_EQ(finished.status, expected_status);
  return finished.out;
}

FirewallPlan sample() {
  FirewallPlan plan;
  plan.tunnels = {{"wg0",
                   false,
                   {{*IpPrefix::parse("10.66.0.0/24"), *IpPrefix::parse("10.66.1.5")},
                    {*IpPrefix::parse("fd00::/64"), *IpPrefix::parse("::/0")}}},
                  {"wg1", true},
                  {"wg-2.x_y", false}};
  plan.nat = {{"wg0", *IpPrefix::parse("10.66.0.0/16")},
              {"wg0", *IpPrefix::parse("fd00:66::/64"), "eth0"},
              {"wg1", *IpPrefix::parse("0.0.0.0/0")}};
  return plan;
}

class Nft : public ::testing::Test {
 protected:
  void SetUp() override {
    nft({"add", "table", "inet", "foreign"});
    nft({"add", "chain", "inet", "foreign", "sanad"});
    nft({"add", "rule", "inet", "foreign", "sanad", "tcp", "dport", "22", "counter", "accept"});
    nft({"add", "table", "ip", "sanad"});
    foreign_ = nft({"list", "ruleset"});
  }
  void TearDown() override { nft({"flush", "ruleset"}); }

  // The whole ruleset without our own table, if it is there, must be what it was.
  void expect_foreign_untouched() {
    ASSERT_TRUE(firewall_.remove());
    EXPECT_EQ(nft({"list", "ruleset"}), foreign_);
  }

  Firewall firewall_ = Firewall::open().value();
  std::string foreign_;
};

TEST_F(Nft, ListsWhatTheGeneratorWrote) {
  ASSERT_TRUE(firewall_.apply(sample()));
  EXPECT_EQ(nft({"list", "table", "inet", "sanad"}), table_text(sample()).value());
  EXPECT_TRUE(firewall_.matches(sample()).value());
  expect_foreign_untouched();
}

TEST_F(Nft, AFreshDaemonRecognisesItsRules) {
  ASSERT_TRUE(firewall_.apply(sample()));
  auto other = Firewall::open().value();
  EXPECT_TRUE(other.matches(sample()).value());
  EXPECT_FALSE(other.matches({}).value());
  nft({"delete", "chain", "inet", "sanad", "forward"});
  EXPECT_FALSE(other.matches(sample()).value());
}

TEST_F(Nft, ApplyReplacesAndIsRepeatable) {
  ASSERT_TRUE(firewall_.apply(sample()));
  ASSERT_TRUE(firewall_.apply(sample()));
  EXPECT_EQ(nft({"list", "table", "inet", "sanad"}), table_text(sample()).value());
  FirewallPlan smaller;
  smaller.tunnels = {{"wg7"}};
  ASSERT_TRUE(firewall_.apply(smaller));
  EXPECT_EQ(nft({"list", "table", "inet", "sanad"}), table_text(smaller).value());
  EXPECT_FALSE(firewall_.matches(sample()).value());
  ASSERT_TRUE(firewall_.apply({}));
  EXPECT_TRUE(firewall_.matches({}).value());
  expect_foreign_untouched();
}

TEST_F(Nft, EveryKindOfDriftIsSeenAndPutRight) {
  const std::vector<std::vector<std::string>> damages{{"delete", "chain", "inet", "sanad", "forward"},
                                                      {"flush", "chain", "inet", "sanad", "postrouting"},
                                                      {"add", "rule", "inet", "sanad", "forward", "accept"},
                                                      {"insert", "rule", "inet", "sanad", "forward", "iifname", "wg0", "accept"},
                                                      {"add", "chain", "inet", "sanad", "extra"},
                                                      {"add", "set", "inet", "sanad", "extra", "{ type ipv4_addr; }"},
                                                      {"chain", "inet", "sanad", "forward", "{ policy drop; }"},
                                                      {"add", "table", "inet", "sanad", "{ flags dormant; }"},
                                                      {"delete", "table", "inet", "sanad"},
                                                      {"flush", "ruleset"}};
  for (const auto& damage : damages) {
    ASSERT_TRUE(firewall_.apply(sample()));
    ASSERT_TRUE(firewall_.matches(sample()).value());
    nft(damage);
    EXPECT_FALSE(firewall_.matches(sample()).value()) << damage[0] << " " << damage[1];
    ASSERT_TRUE(firewall_.apply(sample()));
    EXPECT_TRUE(firewall_.matches(sample()).value()) << damage[0] << " " << damage[1];
  }
}

TEST_F(Nft, ChangesOfOthersAreNotOurs) {
  ASSERT_TRUE(firewall_.apply(sample()));
  nft({"add", "chain", "inet", "foreign", "more"});
  nft({"delete", "table", "ip", "sanad"});
  EXPECT_TRUE(firewall_.matches(sample()).value());
}

TEST_F(Nft, AnInvalidPlanChangesNothing) {
  ASSERT_TRUE(firewall_.apply(sample()));
  const std::string before = nft({"list", "ruleset"});
  FirewallPlan bad = sample();
  bad.nat.push_back({"wg0\" accept; }; flush ruleset; #", *IpPrefix::parse("10.0.0.0/8")});
  EXPECT_EQ(firewall_.apply(bad).error().code, Errc::invalid_argument);
  EXPECT_EQ(nft({"list", "ruleset"}), before);
  EXPECT_TRUE(firewall_.matches(sample()).value());
}

TEST_F(Nft, RemoveIsRepeatable) {
  ASSERT_TRUE(firewall_.apply(sample()));
  ASSERT_TRUE(firewall_.remove());
  EXPECT_FALSE(firewall_.matches(sample()).value());
  ASSERT_TRUE(firewall_.remove());
  EXPECT_EQ(nft({"list", "ruleset"}), foreign_);
}

// Runs `probe` in a child that can't do what root can, so that the test itself stays what it is.
int in_child(int (*probe)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(probe());
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Nft, WithoutTheCapabilityItSaysSo) {
  ASSERT_TRUE(firewall_.apply(sample()));
  EXPECT_EQ(in_child([] {
              if (::setresuid(65534, 65534, 65534) != 0) return 10;
              auto firewall = Firewall::open();
              if (!firewall) return 11;
              auto done = firewall->apply(sample());
              if (done) return 12;
              return done.error().code == Errc::permission_denied && !done.error().hint.empty() ? 0 : 13;
            }),
            0);
  EXPECT_TRUE(firewall_.matches(sample()).value());
}

TEST(Forwarding, AReadOnlyProcSysIsExplained) {
  EXPECT_EQ(in_child([] {
              if (::unshare(CLONE_NEWNS) != 0) return 10;
              if (::mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) != 0) return 11;
              if (::mount(nullptr, "/proc/sys", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) return 12;
              auto changes = enable_forwarding({});
              if (changes) return 13;
              return changes.error().code == Errc::permission_denied &&
                             changes.error().hint.find("read-only") != std::string::npos
                         ? 0
                         : 14;
            }),
            0);
}

}  // namespace
}  // namespace sanad::firewall
