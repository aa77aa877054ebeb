#include "control/api/listener.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace sanad::api {
namespace {

constexpr int kBacklog = 512;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos) {
    return Error{Errc::invalid_argument, "the admin socket needs an absolute path, not \"" + path + "\"", "admin.socket"};
  }
  if (path.size() >= sizeof(address.sun_path)) {
    return Error{Errc::invalid_argument, "the path of the admin socket is longer than 107 bytes: " + path, "admin.socket"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Whoever can write to a directory above can put a socket of his own in the place of ours.
Result<void> check_directory(const std::string& directory) {
  struct stat st {};
  if (::stat(directory.c_str(), &st) != 0) return from_errno(errno, "couldn't look at " + directory);
  if (!S_ISDIR(st.st_mode)) return Error{Errc::invalid_argument, directory + " is not a directory", "admin.socket"};
  const bool ours = st.st_uid == 0 || st.st_uid == ::geteuid();
  const bool sticky = (st.st_mode & S_ISVTX) != 0;
  if (!ours || ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky)) {
    return Error{Errc::permission_denied, "others can change the directory " + directory + ", where the admin socket would be",
                 "admin.socket", "Run: chown root " + directory + " && chmod go-w " + directory};
  }
  return {};
}

Result<void> check_ancestors(const std::string& directory) {
  for (std::size_t end = directory.find('/', 1); end != std::string::npos; end = directory.find('/', end + 1)) {
    if (auto checked = check_directory(directory.substr(0, end)); !checked) return checked.error();
  }
  return check_directory("/");
}

Result<void> prepare_directory(const ListenSettings& settings, const std::string& directory) {
  if (directory.empty()) return {};
  if (auto checked = check_ancestors(directory); !checked) return checked.error();
  const mode_t mode = settings.group ? 0755 : 0750;
  if (::mkdir(directory.c_str(), mode) == 0) {
    // The umask may have taken bits away.
    if (::chmod(directory.c_str(), mode) != 0) return from_errno(errno, "couldn't set the mode of " + directory);
  } else if (errno != EEXIST) {
    return from_errno(errno, "couldn't make the directory " + directory);
  }
  struct stat st {};
  if (::lstat(directory.c_str(), &st) != 0) return from_errno(errno, "couldn't look at " + directory);
  if (S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0 &&
      ::chmod(directory.c_str(), st.st_mode & 07755U & ~static_cast<mode_t>(S_IWGRP | S_IWOTH)) != 0) {
    return from_errno(errno, "couldn't take write permission for others from " + directory);
  }
  return check_directory(directory);
}

Error another_running(const std::string& path) {
  return Error{Errc::conflict, "another sanadd is running: it answers at " + path, "admin.socket",
               "Stop it first (systemctl stop sanadd), or give this one another admin.socket"};
}

Result<UniqueFd> take_lock(const std::string& path) {
  const std::string name = path + ".lock";
  UniqueFd lock{::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!lock) return from_errno(errno, "couldn't open " + name);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return another_running(path);
    return from_errno(errno, "couldn't lock " + name);
  }
  return lock;
}

Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return {};
    return from_errno(errno, "couldn't look at " + path);
  }
  if (!S_ISSOCK(st.st_mode)) {
    return Error{Errc::conflict, path + " exists and is not a socket", "admin.socket",
                 "Move it away, or choose another admin.socket"};
  }
  const UniqueFd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!probe) return from_errno(errno, "couldn't make a socket");
  // EAGAIN: somebody listens and its backlog is full. Only a refused connection proves that nobody does.
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 || errno == EAGAIN) {
    return another_running(path);
  }
  if (errno != ECONNREFUSED) return from_errno(errno, "couldn't find out who listens at " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return from_errno(errno, "couldn't remove the stale socket " + path);
  return {};
}

}  // namespace

Result<Listener> listen_unix(const ListenSettings& settings) {
  auto address = address_of(settings.path);
  if (!address) return address.error();
  const std::string directory = settings.path.substr(0, settings.path.rfind('/'));
  if (auto prepared = prepare_directory(settings, directory); !prepared) return prepared.error();
  auto lock = take_lock(settings.path);
  if (!lock) return lock.error();
  if (auto removed = remove_stale(settings.path, *address); !removed) return removed.error();

  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) return from_errno(errno, "couldn't make a socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return from_errno(errno, "couldn't bind " + settings.path);
  }
  // Nobody can connect before listen(), so there is no moment with the wrong owner or mode.
  if (settings.group && ::lchown(settings.path.c_str(), static_cast<uid_t>(-1), *settings.group) != 0) {
    auto error = from_errno(errno, "couldn't give " + settings.path + " to group " + std::to_string(*settings.group));
    ::unlink(settings.path.c_str());
    return error;
  }
  if (::chmod(settings.path.c_str(), settings.mode) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    auto error = from_errno(errno, "couldn't listen at " + settings.path);
    ::unlink(settings.path.c_str());
    return error;
  }
  return Listener{std::move(socket), std::move(*lock), settings.path};
}

void unlink_socket(const Listener& listener) { ::unlink(listener.path.c_str()); }

}  // namespace sanad::api
