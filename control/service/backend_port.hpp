#pragma once
// What InterfaceLoop needs of an interface, as blocking calls on the device worker thread. Backend is the real one.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "gateway/base/unique_fd.hpp"
#include "gateway/wg/device_client.hpp"

namespace sanad::service {

struct BackendStarted {
  bool kernel = false;
  bool adopted = false;               // the interface (or its wireguard-go) was there before us
  std::size_t most_peers = SIZE_MAX;  // that the device takes
  std::optional<UniqueFd> death;      // pidfd of wireguard-go: readable when it has died; the receiver owns it
};

class DevicePort {
 public:
  virtual ~DevicePort() = default;

  // Adopts the interface or creates it, then sets addresses and MTU and brings it up. Keys, port and peers are the
  // reconciler's to set. May be called again after a failure or a death.
  virtual Result<BackendStarted> start() = 0;
  // As wg::DeviceClient::read(). not_found, unavailable and unsupported mean that the device is not there any more.
  virtual Result<void> read(const wg::DeviceClient::TakePart& take) = 0;
  // NOT atomic, see wg::DeviceClient. Returns the boot time at which the last message was answered.
  virtual Result<BootTime> apply(const wg::DeviceChange& change) = 0;
  // Takes the interface down and away (and wireguard-go with it): stop.keep_interfaces = false.
  virtual Result<void> destroy() = 0;
};

struct LinkNow {
  bool exists = false;
  bool up = false;
};

struct LinkRepair {
  std::vector<std::string> drift;  // what somebody had changed, in words; it is right now
  std::string problem;             // what could not be put right and costs no tunnel (a route in the way); empty: nothing
};

class LinkPort {
 public:
  virtual ~LinkPort() = default;

  // What start() and repair() make true from now on. `routes`: destinations outside the interface's own networks.
  virtual void want(config::Interface settings, std::vector<IpPrefix> routes) = 0;
  // Waits for the kernel to finish what it is doing to the link.
  virtual Result<LinkNow> look() = 0;
  // Addresses, MTU, up, routes. Cheap when all is right. not_found: the link is gone.
  virtual Result<LinkRepair> repair() = 0;
};

// Both faces of one interface. Shared with jobs queued on the device worker, which may outlive a stop.
struct BackendPorts {
  std::shared_ptr<DevicePort> device;
  std::shared_ptr<LinkPort> link;
};

}  // namespace sanad::service
