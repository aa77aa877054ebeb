#include <gmock/gmock.h>
#include <net/if.h>

#include "gateway/link/link.hpp"

namespace sanad::link {
namespace {

using testing::ElementsAre;

IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }

TEST(InterfaceName, AcceptsWhatIsSafeEverywhere) {
  for (const char* name : {"wg0", "a", "fifteen-letters", "WG_office.2", "..."}) EXPECT_TRUE(check_interface_name(name)) << name;
}

TEST(InterfaceName, RefusesWhatTheKernelOrAPathWouldMistake) {
  using namespace std::string_view_literals;
  for (const std::string_view name : {""sv, "."sv, ".."sv, "sixteen-letters0"sv, "a/b"sv, "a b"sv, "wg0\n"sv, "wg\0"sv, "wg:0"sv,
                                      "wgé"sv, "wg0;ls"sv, "%d"sv}) {
    const auto checked = check_interface_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, Errc::invalid_argument);
    EXPECT_EQ(checked.error().field, "interface");
  }
}

TEST(RoutesNeeded, OnlyOutsideTheInterfacesNetworks) {
  const std::vector<InterfaceAddress> own{InterfaceAddress::parse("10.66.0.1/16").value(),
                                          InterfaceAddress::parse("fd00:66::1/64").value()};
  EXPECT_THAT(routes_needed(own, std::vector{prefix("10.66.0.2/32"), prefix("192.168.7.0/24"), prefix("fd00:66::2/128"),
                                             prefix("fd00:67::/64"), prefix("192.168.7.0/24"), prefix("10.0.0.0/8")}),
              ElementsAre(prefix("192.168.7.0/24"), prefix("fd00:67::/64"), prefix("10.0.0.0/8")));
}

TEST(RoutesNeeded, NoPeerBecomesTheDefaultRoute) {
  EXPECT_THAT(routes_needed({}, std::vector{prefix("0.0.0.0/0"), prefix("::/0"), prefix("0.0.0.0/1")}),
              ElementsAre(prefix("0.0.0.0/1")));
}

// Reading needs no privileges, and every network namespace has lo.
TEST(LinkControl, ReadsLoopbackWithoutPrivileges) {
  LinkControl control;
  const auto state = control.read("lo");
  ASSERT_TRUE(state) << state.error().message;
  ASSERT_TRUE(*state);
  EXPECT_EQ((*state)->ifindex, ::if_nametoindex("lo"));
  EXPECT_EQ((*state)->kind, "");
  EXPECT_FALSE(control.read("no-such-link").value());
}

}  // namespace
}  // namespace sanad::link
