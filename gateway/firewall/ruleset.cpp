#include "gateway/firewall/ruleset.hpp"

#include <net/if.h>

#include <algorithm>

namespace sanad::firewall {
namespace {

// Narrower than the kernel's rule (dev_valid_name, net/core/dev.c): '*' is a wildcard to nft, and quotes, spaces or line ends
// could end the string.
bool is_interface_name(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

Error bad_name(std::string field) {
  return Error{Errc::invalid_argument, "not an interface name (1 to 15 of letters, digits, '-', '_' and '.')", std::move(field)};
}

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

// As nft lists it: a host without its length.
std::string address_text(const IpPrefix& prefix) { return prefix.is_host() ? prefix.address().to_string() : prefix.to_string(); }

std::string match(const char* side, const IpPrefix& prefix) {
  return std::string(prefix.address().is_v4() ? "ip " : "ip6 ") + side + " " + address_text(prefix) + " ";
}

std::string pair_rule(const std::string& both, const IpPrefix& from, const IpPrefix& to) {
  return "\t\t" + both + match("saddr", from) + match("daddr", to) + "accept\n";
}

Result<std::string> nat_rules(const FirewallPlan& plan) {
  std::string rules;
  for (std::size_t i = 0; i < plan.nat.size(); ++i) {
    const NatRule& rule = plan.nat[i];
    const std::string field = "nat[" + std::to_string(i) + "]";
    if (!is_interface_name(rule.interface)) return bad_name(field + ".interface");
    if (rule.out_interface && !is_interface_name(*rule.out_interface)) return bad_name(field + ".out_interface");
    // The incoming interface is known at postrouting since Linux 5.7; without it the gateway's own traffic would match too.
    rules += "\t\tiifname " + quoted(rule.interface) + " " + match("saddr", rule.source) + "oifname " +
             (rule.out_interface ? quoted(*rule.out_interface) : "!= " + quoted(rule.interface)) + " masquerade\n";
  }
  return rules;
}

Result<std::string> forward_rules(const FirewallPlan& plan) {
  std::string rules;
  for (std::size_t i = 0; i < plan.tunnels.size(); ++i) {
    const TunnelRule& tunnel = plan.tunnels[i];
    const std::string field = "tunnels[" + std::to_string(i) + "]";
    if (!is_interface_name(tunnel.interface)) return bad_name(field + ".interface");
    const std::string both = "iifname " + quoted(tunnel.interface) + " oifname " + quoted(tunnel.interface) + " ";
    for (std::size_t k = 0; k < tunnel.allowed_pairs.size(); ++k) {
      const AllowedPair& pair = tunnel.allowed_pairs[k];
      if (pair.a.address().family() != pair.b.address().family())
        return Error{Errc::invalid_argument, "an IPv4 and an IPv6 prefix can't talk to each other",
                     field + ".allowed_pairs[" + std::to_string(k) + "]"};
      if (tunnel.peers_may_talk) continue;
      rules += pair_rule(both, pair.a, pair.b);
      if (pair.a != pair.b) rules += pair_rule(both, pair.b, pair.a);
    }
    if (!tunnel.peers_may_talk) rules += "\t\t" + both + "drop\n";
  }
  return rules;
}

std::string chain(const char* name, const char* hook, const std::string& rules) {
  return std::string("\tchain ") + name + " {\n\t\t" + hook + "\n" + rules + "\t}\n";
}

}  // namespace

Result<std::string> table_text(const FirewallPlan& plan) {
  auto nat = nat_rules(plan);
  if (!nat) return nat.error();
  auto forward = forward_rules(plan);
  if (!forward) return forward.error();
  // A chain without rules is left out: a nat chain alone already makes the kernel track every connection.
  std::string chains;
  if (!nat->empty()) chains += chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", *nat);
  if (!forward->empty()) {
    if (!chains.empty()) chains += "\n";
    chains += chain("forward", "type filter hook forward priority filter; policy accept;", *forward);
  }
  return "table " + std::string(kTable) + " {\n" + chains + "}\n";
}

std::string replace_commands(std::string_view table_text) { return remove_commands() + std::string(table_text); }

// "delete" fails when there is nothing to delete; "add" doesn't mind when there is something already.
std::string remove_commands() {
  const std::string table(kTable);
  return "add table " + table + "\ndelete table " + table + "\n";
}

}  // namespace sanad::firewall
