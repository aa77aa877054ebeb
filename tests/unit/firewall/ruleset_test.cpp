#include "gateway/firewall/ruleset.hpp"

#include <gtest/gtest.h>

namespace sanad::firewall {
namespace {

IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

TEST(TableText, AnEmptyPlanIsAnEmptyTable) { EXPECT_EQ(table_text({}).value(), "table inet sanad {\n}\n"); }

TEST(TableText, MasqueradesWhatComesFromTheTunnel) {
  FirewallPlan plan;
  plan.nat = {{"wg0", prefix("10.66.0.0/16")},
              {"wg0", prefix("fd00:66::/64"), "eth0"},
              {"wg1", prefix("10.67.0.2")},
              {"wg1", prefix("0.0.0.0/0")}};
  EXPECT_EQ(table_text(plan).value(),
            "table inet sanad {\n"
            "\tchain postrouting {\n"
            "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
            "\t\tiifname \"wg0\" ip saddr 10.66.0.0/16 oifname != \"wg0\" masquerade\n"
            "\t\tiifname \"wg0\" ip6 saddr fd00:66::/64 oifname \"eth0\" masquerade\n"
            "\t\tiifname \"wg1\" ip saddr 10.67.0.2 oifname != \"wg1\" masquerade\n"
            "\t\tiifname \"wg1\" ip saddr 0.0.0.0/0 oifname != \"wg1\" masquerade\n"
            "\t}\n"
            "}\n");
}

TEST(TableText, KeepsPeersApartExceptAllowedPairs) {
  FirewallPlan plan;
  plan.tunnels = {{"wg0", false, {{prefix("10.66.0.0/24"), prefix("10.66.1.5")}, {prefix("fd00::/64"), prefix("fd00::/64")}}},
                  {"wg1", true},
                  {"wg2", false}};
  EXPECT_EQ(table_text(plan).value(),
            "table inet sanad {\n"
            "\tchain forward {\n"
            "\t\ttype filter hook forward priority filter; policy accept;\n"
            "\t\tiifname \"wg0\" oifname \"wg0\" ip saddr 10.66.0.0/24 ip daddr 10.66.1.5 accept\n"
            "\t\tiifname \"wg0\" oifname \"wg0\" ip saddr 10.66.1.5 ip daddr 10.66.0.0/24 accept\n"
            "\t\tiifname \"wg0\" oifname \"wg0\" ip6 saddr fd00::/64 ip6 daddr fd00::/64 accept\n"
            "\t\tiifname \"wg0\" oifname \"wg0\" drop\n"
            "\t\tiifname \"wg2\" oifname \"wg2\" drop\n"
            "\t}\n"
            "}\n");
}

TEST(TableText, TakesNoNameThatNftCouldReadOtherwise) {
  for (const std::string& name :
       {std::string(), std::string("wg*"), std::string("wg 0"), std::string("wg\"0"), std::string("wg0\n"), std::string("a/b"),
        std::string("."), std::string(".."), std::string("$x"), std::string("wg0;"), std::string("wg\0x", 4),
        std::string("sixteen_letters_"), std::string("wg\\0"), std::string("@set"), std::string("w\xc3\xa9")}) {
    FirewallPlan tunnel;
    tunnel.tunnels = {{"wg0"}, {name}};
    ASSERT_FALSE(table_text(tunnel)) << name;
    EXPECT_EQ(table_text(tunnel).error().code, Errc::invalid_argument);
    EXPECT_EQ(table_text(tunnel).error().field, "tunnels[1].interface");
    FirewallPlan nat;
    nat.nat = {{name, prefix("10.0.0.0/8")}};
    ASSERT_FALSE(table_text(nat)) << name;
    EXPECT_EQ(table_text(nat).error().field, "nat[0].interface");
    nat.nat = {{"wg0", prefix("10.0.0.0/8"), name}};
    ASSERT_FALSE(table_text(nat)) << name;
    EXPECT_EQ(table_text(nat).error().field, "nat[0].out_interface");
  }
}

TEST(TableText, RefusesAPairOfTwoFamilies) {
  FirewallPlan plan;
  plan.tunnels = {{"wg0", false, {{prefix("10.0.0.0/8"), prefix("fd00::/64")}}}};
  EXPECT_EQ(table_text(plan).error().field, "tunnels[0].allowed_pairs[0]");
}

TEST(Commands, TouchOnlyOurTable) {
  EXPECT_EQ(remove_commands(), "add table inet sanad\ndelete table inet sanad\n");
  EXPECT_EQ(replace_commands("table inet sanad {\n}\n"),
            "add table inet sanad\ndelete table inet sanad\ntable inet sanad {\n}\n");
}

}  // namespace
}  // namespace sanad::firewall
