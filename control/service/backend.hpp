#pragma once
// One WireGuard interface as blocking calls: everything that touches netlink, the UAPI socket, wireguard-go.
// Lives on the device worker thread; the loop sees only the values it returns.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "gateway/base/unique_fd.hpp"
#include "gateway/link/link.hpp"
#include "gateway/wg/device_client.hpp"
#include "gateway/wg/userspace/process.hpp"

namespace sanad::service {

struct BackendStarted {
  bool kernel = false;
  bool adopted = false;                 // the interface (or its wireguard-go) was there before us
  std::optional<UniqueFd> death;        // pidfd of wireguard-go: readable when it has died; the receiver owns it
};

class Backend {
 public:
  explicit Backend(config::Interface settings) : settings_(std::move(settings)) {}

  // Adopts the interface or creates it, then sets addresses and MTU and brings it up. `auto` takes the kernel where
  // the host has it. Keys, port and peers are the reconciler's to set. May be called again after a failure or a death.
  Result<BackendStarted> start();

  Result<wg::Snapshot> snapshot();
  // NOT atomic, see wg::DeviceClient. Returns the boot time at which the last message was answered.
  Result<BootTime> apply(const wg::DeviceChange& change);
  // Addresses, MTU, up: put right what somebody changed; returns what that was, in words. Cheap when all is right.
  Result<std::vector<std::string>> repair_link();
  // Destinations that need a route of their own (allowed IPs outside the interface's networks); part of repair_link() after.
  void set_routes(std::vector<IpPrefix> destinations) { routes_ = std::move(destinations); }
  // Takes the interface down and away (and wireguard-go with it): stop.keep_interfaces = false.
  Result<void> destroy();

  void configure(config::Interface settings) { settings_ = std::move(settings); }

 private:
  Result<BackendStarted> start_kernel();
  Result<BackendStarted> start_userspace();

  config::Interface settings_;
  link::LinkControl link_;
  std::vector<IpPrefix> routes_;  // of allowed IPs outside the interface's own networks, as last asked for
  std::unique_ptr<wg::DeviceClient> client_;
  std::optional<wg::ProcessHandle> process_;  // unset on the kernel backend
};

}  // namespace sanad::service
