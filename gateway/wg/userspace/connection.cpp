#include "gateway/wg/userspace/connection.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace sanad::wg {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Error too_late() { return Error{Errc::timeout, "the backend didn't answer in time"}; }

// Waits for `events`; false when the deadline passed.
Result<short> wait_for(int fd, short events, BootTime deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - now().boot);
    if (left.count() <= 0) return too_late();
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready > 0) return entry.revents;
    if (ready < 0 && errno != EINTR) return from_errno(errno, "couldn't wait for the backend");
  }
}

}  // namespace

Result<std::filesystem::path> uapi_socket_path(const std::filesystem::path& directory, std::string_view interface_name) {
  const bool escapes = interface_name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos ||
                       interface_name == "." || interface_name == "..";
  if (interface_name.empty() || interface_name.size() >= IFNAMSIZ || escapes)
    return Error{Errc::invalid_argument, "not an interface name"};
  std::filesystem::path path = directory / (std::string(interface_name) + ".sock");
  if (path.native().size() >= sizeof(sockaddr_un::sun_path))
    return Error{Errc::invalid_argument, "the path of the UAPI socket is longer than a Unix socket address can hold"};
  return path;
}

Result<Connection> Connection::open(const std::filesystem::path& path, BootTime deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path)
    return Error{Errc::invalid_argument, "the path of the UAPI socket is too long"};
  std::copy(path.native().begin(), path.native().end(), address.sun_path);

  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return from_errno(errno, "couldn't make a socket");
  // A Unix connect waits while the listener's queue is full; poll() cannot wait for that, SO_SNDTIMEO can.
  const auto left = std::chrono::ceil<microseconds>(deadline - now().boot).count();
  if (left <= 0) return too_late();
  const timeval limit{left / 1'000'000, left % 1'000'000};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
    return from_errno(errno, "couldn't limit a connect");
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return too_late();
    return from_errno(errno, "couldn't connect to " + path.native());
  }
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return from_errno(errno, "couldn't make a socket non-blocking");
  return Connection{std::move(fd)};
}

Result<void> Connection::send(std::string_view bytes, BootTime deadline) {
  while (!bytes.empty()) {
    auto ready = wait_for(fd_.get(), POLLOUT | POLLIN, deadline);
    if (!ready) return ready.error();
    // wireguard-go answers a line it refuses at once and reads no further.
    if ((*ready & POLLIN) != 0) return {};
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};
    } else if (errno != EAGAIN && errno != EINTR) {
      return from_errno(errno, "couldn't write to the backend");
    }
  }
  return {};
}

Result<std::size_t> Connection::receive(std::span<char> buffer, BootTime deadline) {
  while (true) {
    if (now().boot >= deadline) return too_late();  // also when it never stops sending
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == ECONNRESET) return std::size_t{0};
    if (errno != EAGAIN && errno != EINTR) return from_errno(errno, "couldn't read from the backend");
    if (auto ready = wait_for(fd_.get(), POLLIN, deadline); !ready) return ready.error();
  }
}

}  // namespace sanad::wg
