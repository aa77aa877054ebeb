#include "gateway/wg/userspace/socket_owner.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace sanad::wg {
namespace {

namespace fs = std::filesystem;

// The inode of the listening socket bound to `path`. Flags has __SO_ACCEPTCON (0x10000, include/uapi/linux/net.h) on a
// listener; accepted connections carry the same path without it.
Result<std::string> listener_inode(const fs::path& path) {
  std::ifstream table("/proc/self/net/unix");
  std::string line;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string num, ref_count, protocol, flags, type, state, inode, bound;
    if (!(fields >> num >> ref_count >> protocol >> flags >> type >> state >> inode >> bound)) continue;
    std::error_code ignored;
    if (flags == "00010000" && (bound == path.native() || fs::equivalent(bound, path, ignored))) return inode;
  }
  return Error{Errc::not_found, "no socket listens at " + path.native()};
}

bool holds(pid_t pid, const std::string& target) {
  std::error_code ec;
  for (fs::directory_iterator it("/proc/" + std::to_string(pid) + "/fd", ec), end; !ec && it != end; it.increment(ec)) {
    std::error_code gone;
    if (fs::read_symlink(it->path(), gone).native() == target) return true;
  }
  return false;
}

}  // namespace

Result<pid_t> peer_pid(int connected_fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(connected_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return from_errno(errno, "couldn't ask whose socket it is");
  return credentials.pid;
}

Result<ProcessHandle> find_socket_owner(int connected_fd, const fs::path& path) {
  auto inode = listener_inode(path);
  if (!inode) return inode.error();
  const std::string target = "socket:[" + *inode + "]";
  auto listener = peer_pid(connected_fd);
  if (!listener) return listener.error();
  if (*listener > 0 && holds(*listener, target)) return read_process(*listener);

  std::error_code ec;
  for (fs::directory_iterator it("/proc", ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().native();
    pid_t pid = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc{} || stop != name.data() + name.size()) continue;
    if (holds(pid, target)) return read_process(pid);
  }
  return Error{Errc::not_found, "no process we may look into holds the socket " + path.native()};
}

}  // namespace sanad::wg
