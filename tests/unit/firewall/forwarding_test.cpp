#include "gateway/firewall/forwarding.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace sanad::firewall {
namespace {

namespace fs = std::filesystem;

// A tree of files that looks like /proc/sys.
class Forwarding : public ::testing::Test {
 protected:
  Forwarding() {
    std::string pattern = (fs::temp_directory_path() / "sanad-sysctl-XXXXXX").native();
    root_ = ::mkdtemp(pattern.data());
    put("net/ipv4/ip_forward", "0");
    put("net/ipv4/conf/wg0/forwarding", "0");
    for (const char* name : {"all", "lo", "eth0", "eth1", "wg0"}) {
      put(std::string("net/ipv6/conf/") + name + "/forwarding", "0");
      put(std::string("net/ipv6/conf/") + name + "/accept_ra", "1");
    }
    put("net/ipv6/conf/eth1/accept_ra", "0");
  }
  ~Forwarding() override { fs::remove_all(root_); }

  void put(const std::string& key, const std::string& value) {
    fs::create_directories((root_ / key).parent_path());
    std::ofstream(root_ / key) << value << "\n";
  }
  std::string get(const std::string& key) {
    std::string value;
    std::ifstream(root_ / key) >> value;
    return value;
  }

  fs::path root_;
};

TEST_F(Forwarding, ReportsWhatItChangedAndKeepsRouterAdvertisements) {
  const auto changes = enable_forwarding({{"wg0"}}, root_).value();
  const std::vector<SysctlChange> expected{
      {"net.ipv4.ip_forward", "0", "1"},          {"net.ipv4.conf.wg0.forwarding", "0", "1"},
      {"net.ipv6.conf.eth0.accept_ra", "1", "2"}, {"net.ipv6.conf.wg0.accept_ra", "1", "2"},
      {"net.ipv6.conf.all.forwarding", "0", "1"}, {"net.ipv6.conf.wg0.forwarding", "0", "1"}};
  EXPECT_EQ(changes, expected);
  EXPECT_EQ(get("net/ipv6/conf/eth0/accept_ra"), "2");
  EXPECT_EQ(get("net/ipv6/conf/eth1/accept_ra"), "0");
}

TEST_F(Forwarding, WritesNothingWhenAllIsRight) {
  ASSERT_TRUE(enable_forwarding({{"wg0"}}, root_));
  EXPECT_TRUE(enable_forwarding({{"wg0"}}, root_).value().empty());
}

TEST_F(Forwarding, LeavesTheOtherFamilyAlone) {
  ASSERT_TRUE(enable_forwarding({{"wg0"}, true, false}, root_));
  EXPECT_EQ(get("net/ipv6/conf/all/forwarding"), "0");
  ASSERT_TRUE(enable_forwarding({{}, false, true}, root_));
  EXPECT_EQ(get("net/ipv6/conf/all/forwarding"), "1");
}

TEST_F(Forwarding, NamesAnInterfaceWithADotAsSysctlDoes) {
  put("net/ipv4/conf/eth0.100/forwarding", "0");
  put("net/ipv4/ip_forward", "1");
  EXPECT_EQ(enable_forwarding({{"eth0.100"}, true, false}, root_).value().at(0).name, "net.ipv4.conf.eth0/100.forwarding");
}

TEST_F(Forwarding, SaysWhatIsMissing) {
  EXPECT_EQ(enable_forwarding({{"wg9"}}, root_).error().code, Errc::not_found);
  EXPECT_EQ(enable_forwarding({{"../../kernel"}}, root_).error().code, Errc::invalid_argument);
  fs::remove_all(root_ / "net/ipv6");
  const auto error = enable_forwarding({{"wg0"}}, root_).error();
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_FALSE(error.hint.empty());
}

}  // namespace
}  // namespace sanad::firewall
