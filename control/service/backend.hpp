#pragma once
// One WireGuard interface as blocking calls: everything that touches netlink, the UAPI socket, wireguard-go.
// Lives on the device worker thread; the loop sees only the values it returns.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/service/backend_port.hpp"
#include "gateway/link/link.hpp"
#include "gateway/wg/userspace/process.hpp"

namespace sanad::service {

class Backend final : public DevicePort, public LinkPort {
 public:
  explicit Backend(config::Interface settings) : settings_(std::move(settings)) {}

  // `auto` takes the kernel where the host has it.
  Result<BackendStarted> start() override;
  Result<void> read(const wg::DeviceClient::TakePart& take) override;
  Result<BootTime> apply(const wg::DeviceChange& change) override;
  Result<void> destroy() override;

  void want(config::Interface settings, std::vector<IpPrefix> routes) override;
  Result<LinkNow> look() override;
  Result<LinkRepair> repair() override;

 private:
  Result<BackendStarted> start_kernel();
  Result<BackendStarted> start_userspace();
  Result<void> apply_without_threads(const wg::DeviceChange& change);

  config::Interface settings_;
  link::LinkControl link_;
  std::vector<IpPrefix> routes_;  // of allowed IPs outside the interface's own networks, as last asked for
  std::unique_ptr<wg::DeviceClient> client_;
  std::optional<wg::ProcessHandle> process_;  // unset on the kernel backend
};

BackendPorts make_backend(config::Interface settings);

}  // namespace sanad::service
