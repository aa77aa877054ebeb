#pragma once
// What the firewall of a gateway should do, as a value.

#include <optional>
#include <string>
#include <vector>

#include "gateway/base/ip.hpp"

namespace sanad::firewall {

// Peers in `a` and peers in `b` may talk, whoever begins. Both of one family.
struct AllowedPair {
  IpPrefix a;
  IpPrefix b;
  bool operator==(const AllowedPair&) const = default;
};

struct TunnelRule {
  std::string interface;
  bool peers_may_talk = false;               // false: what enters and leaves by this interface is dropped ...
  std::vector<AllowedPair> allowed_pairs{};  // ... except between these
  bool operator==(const TunnelRule&) const = default;
};

// Traffic from `source` that came in by the tunnel `interface` leaves under the gateway's own address.
struct NatRule {
  std::string interface;
  IpPrefix source;
  std::optional<std::string> out_interface{};  // unset: any interface but the tunnel itself
  bool operator==(const NatRule&) const = default;
};

struct FirewallPlan {
  std::vector<TunnelRule> tunnels;
  std::vector<NatRule> nat;
  bool operator==(const FirewallPlan&) const = default;
};

}  // namespace sanad::firewall
