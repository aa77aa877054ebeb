#include "control/service/host_rules.hpp"

namespace sanad::service {

void HostRules::configure(const config::Config& config) {
  plan_ = {};
  forwarding_ = {.interfaces = {}, .v4 = false, .v6 = false};
  for (const auto& interface : config.interfaces) {
    plan_.tunnels.push_back({.interface = interface.name, .peers_may_talk = interface.peers_may_talk});
    if (interface.nat.masquerade)
      for (const auto& source : interface.nat.sources) plan_.nat.push_back({interface.name, source, interface.nat.out_interface});
    forwarding_.interfaces.push_back(interface.name);
    for (const auto& address : interface.addresses) (address.address.is_v4() ? forwarding_.v4 : forwarding_.v6) = true;
  }
}

Result<std::vector<std::string>> HostRules::enforce(bool first) {
  std::vector<std::string> out;
  auto changes = firewall::enable_forwarding(forwarding_);
  if (!changes) return std::move(changes).error().within("couldn't switch IP forwarding on");
  for (const auto& change : *changes) out.push_back(change.name + " " + change.before + " -> " + change.after);
  if (!firewall_) {
    auto opened = firewall::Firewall::open();
    if (!opened) return std::move(opened).error().within("couldn't reach nftables");
    firewall_.emplace(std::move(*opened));
  }
  auto right = firewall_->matches(plan_);
  if (!right) return std::move(right).error().within("couldn't read table inet sanad");
  if (*right) return out;
  if (auto applied = firewall_->apply(plan_); !applied)
    return std::move(applied).error().within("couldn't write table inet sanad");
  if (!first) out.emplace_back("nftables table inet sanad was not as configured; written again");
  return out;
}

}  // namespace sanad::service
