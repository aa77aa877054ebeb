#pragma once
// A device run by wireguard-go (or any other program that speaks UAPI on a Unix socket).

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "gateway/wg/device_client.hpp"
#include "gateway/wg/userspace/connection.hpp"
#include "gateway/wg/userspace/process_handle.hpp"

namespace sanad::wg {

// One connection for each call, so that a stuck one never outlives its call. A reading must be over within 10 s, an apply
// within 10 s and 1 ms more for each peer (wireguard-go needs 0.3 ms to add one when 65,536 are there).
// Its identity is "userspace:<pid>:<start ticks>:<ifindex>"; pid and ticks are 0 when the process can't be seen from here.
class UserspaceClient final : public DeviceClient {
 public:
  static constexpr std::chrono::milliseconds kTimeLimit{10'000};
  // MaxPeers in wireguard-go's device/constants.go: one more is errno=-22.
  static constexpr std::size_t kMostPeers = 1U << 16;
  explicit UserspaceClient(std::string interface_name, std::filesystem::path socket_directory = kUapiDirectory,
                           std::chrono::milliseconds time_limit = kTimeLimit);

  Result<void> read(const TakePart& take) override;
  // Error messages name the peers of the block that was refused; what is before them has been applied.
  Result<void> apply(const DeviceChange& change) override;

 private:
  Result<void> read_device(Connection& connection, BootTime deadline, Snapshot header, const TakePart& take);
  ProcessHandle owner_of(const Connection& connection, const std::filesystem::path& path);

  struct KnownOwner {
    pid_t listener = 0;
    ProcessHandle process;
  };

  std::string name_;
  std::filesystem::path directory_;
  std::chrono::milliseconds time_limit_;
  std::optional<KnownOwner> owner_;  // looking for it takes a walk through /proc, once for each life of the backend
};

}  // namespace sanad::wg
