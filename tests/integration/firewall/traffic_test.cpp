// Needs root. Real packets through the rules: two "peers" behind one interface of the gateway, a server behind another.
//   anna (10.66.0.2), badr (10.66.0.3) -- hub -- [tun0 gateway up0] -- server (192.0.2.2, which has no route back)
// The hub sends what the two write to each other through the gateway, as a tunnel does.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "gateway/firewall/forwarding.hpp"
#include "gateway/firewall/nft.hpp"
#include "own_host.hpp"

namespace sanad::firewall {
namespace {

void ip(const std::string& line) {
  std::vector<std::string> command{"ip"};
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    command.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  ASSERT_EQ(test::run(command).status, 0) << "ip " << line;
}

bool reaches(const std::string& from, const std::string& address) {
  return test::run({"ip", "netns", "exec", from, "ping", "-n", "-c", "1", "-W", "1", address}).status == 0;
}

class Traffic : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"anna", "badr", "hub", "server"}) ip(std::string("netns add ") + name);
    ip("link add tun0 type veth peer name gw netns hub");
    ip("link add up0 type veth peer name eth0 netns server");
    ip("addr add 10.66.0.1/32 dev tun0");
    ip("addr add 192.0.2.1/24 dev up0");
    ip("link set tun0 up");
    ip("link set up0 up");
    ip("route add 10.66.0.0/16 via 10.66.255.1 dev tun0 onlink");
    ip("-n server addr add 192.0.2.2/24 dev eth0");
    ip("-n server link set eth0 up");
    ip("-n hub addr add 10.66.255.1/32 dev gw");
    ip("-n hub link set gw up");
    ip("-n hub route add default via 10.66.0.1 dev gw onlink table 100");
    for (const auto& [name, address] : {std::pair<std::string, std::string>{"anna", "10.66.0.2"}, {"badr", "10.66.0.3"}}) {
      ip("-n hub link add " + name + " type veth peer name eth0 netns " + name);
      ip("-n hub link set " + name + " up");
      ip("-n hub route add " + address + "/32 dev " + name);
      ip("-n hub rule add iif " + name + " lookup 100");
      ip("-n " + name + " addr add " + address + "/32 dev eth0");
      ip("-n " + name + " link set eth0 up");
      ip("-n " + name + " route add default via 10.66.255.1 dev eth0 onlink");
    }
    ASSERT_EQ(test::run({"ip", "netns", "exec", "hub", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"}).status, 0);
  }

  void TearDown() override {
    EXPECT_TRUE(firewall_.remove());
    ip("link delete tun0");
    ip("link delete up0");
    for (const char* name : {"anna", "badr", "hub", "server"}) ip(std::string("netns delete ") + name);
  }

  Firewall firewall_ = Firewall::open().value();
};

TEST_F(Traffic, IsForwardedTranslatedAndKeptApart) {
  ASSERT_TRUE(reaches("anna", "10.66.0.1"));
  EXPECT_FALSE(reaches("anna", "10.66.0.3"));  // not forwarded yet
  const auto changes = enable_forwarding({{"tun0"}}).value();
  ASSERT_FALSE(changes.empty());
  EXPECT_EQ(changes[0], (SysctlChange{"net.ipv4.ip_forward", "0", "1"}));
  EXPECT_TRUE(enable_forwarding({{"tun0"}}).value().empty());
  EXPECT_TRUE(reaches("anna", "10.66.0.3"));
  EXPECT_FALSE(reaches("anna", "192.0.2.2"));  // the answer finds no way back

  FirewallPlan plan;
  plan.tunnels = {{"tun0"}};
  plan.nat = {{"tun0", *IpPrefix::parse("10.66.0.0/16")}};
  ASSERT_TRUE(firewall_.apply(plan));
  EXPECT_TRUE(reaches("anna", "192.0.2.2"));
  EXPECT_FALSE(reaches("anna", "10.66.0.3"));
  EXPECT_FALSE(reaches("badr", "10.66.0.2"));
  EXPECT_TRUE(reaches("badr", "10.66.0.1"));

  plan.tunnels[0].allowed_pairs = {{*IpPrefix::parse("10.66.0.2"), *IpPrefix::parse("10.66.0.3")}};
  ASSERT_TRUE(firewall_.apply(plan));
  EXPECT_TRUE(reaches("anna", "10.66.0.3"));
  EXPECT_TRUE(reaches("badr", "10.66.0.2"));

  plan.tunnels[0] = {"tun0", true};
  plan.nat[0].out_interface = "elsewhere";
  ASSERT_TRUE(firewall_.apply(plan));
  EXPECT_TRUE(reaches("badr", "10.66.0.2"));
  EXPECT_FALSE(reaches("anna", "192.0.2.2"));
  plan.nat[0].out_interface = "up0";
  ASSERT_TRUE(firewall_.apply(plan));
  EXPECT_TRUE(reaches("anna", "192.0.2.2"));
}

}  // namespace
}  // namespace sanad::firewall
