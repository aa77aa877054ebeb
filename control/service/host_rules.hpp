#pragma once
// What makes a gateway of the host besides WireGuard: our nftables table and IP forwarding. Device worker thread.

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "gateway/firewall/forwarding.hpp"
#include "gateway/firewall/nft.hpp"

namespace sanad::service {

class HostRules {
 public:
  explicit HostRules(const config::Config& config) { configure(config); }
  void configure(const config::Config& config);

  // Makes table and forwarding what the configuration asks; cheap when they are. Returns what had to be put right, in words,
  // empty when nothing had. `first`: that our table is not there yet is nobody's doing.
  Result<std::vector<std::string>> enforce(bool first);

 private:
  firewall::FirewallPlan plan_;
  firewall::ForwardingRequest forwarding_;
  std::optional<firewall::Firewall> firewall_;  // opened at the first use, on the worker's thread
};

}  // namespace sanad::service
