#pragma once
// One connection to a UAPI socket, with a deadline on everything.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::wg {

// Where wireguard-go and `wg` agree to meet (wireguard-go ipc/uapi_unix.go, wireguard-tools src/ipc-uapi-unix.h).
inline constexpr std::string_view kUapiDirectory = "/var/run/wireguard";

// DIRECTORY/NAME.sock. Error: invalid_argument when the name could leave the directory or doesn't fit sockaddr_un.
Result<std::filesystem::path> uapi_socket_path(const std::filesystem::path& directory, std::string_view interface_name);

class Connection final {
 public:
  // Errors: not_found (no socket), unavailable (nobody listens any more), permission_denied, timeout.
  static Result<Connection> open(const std::filesystem::path& path, BootTime deadline);

  // Sends everything, or stops early, without error, once the other end has answered or hung up: receive() tells which.
  Result<void> send(std::string_view bytes, BootTime deadline);
  // How many bytes came; 0 = the other end hung up.
  Result<std::size_t> receive(std::span<char> buffer, BootTime deadline);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace sanad::wg
