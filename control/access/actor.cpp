#include "control/access/actor.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "gateway/base/unique_fd.hpp"

namespace sanad::access {
namespace {

// getpwuid_r and getgrgid_r ask for a larger buffer with ERANGE; a group of thousands of members is real, one of more than this
// is not.
constexpr std::size_t kMaxDatabaseEntry = std::size_t{16} * 1024 * 1024;

// NSS failures leave the name empty: an unreachable directory must not lock root out, and a name that is not known grants
// nothing.
template <class Entry, class Lookup>
std::string look_up(Lookup lookup, char* Entry::*name) {
  std::vector<char> buffer(4096);
  for (;;) {
    Entry entry{};
    Entry* found = nullptr;
    const int err = lookup(&entry, buffer.data(), buffer.size(), &found);
    if (err == EINTR) continue;
    if (err == ERANGE && buffer.size() < kMaxDatabaseEntry) {
      buffer.resize(buffer.size() * 4);
      continue;
    }
    return err == 0 && found != nullptr ? std::string{found->*name} : std::string{};
  }
}

std::string user_name_of(uid_t uid) {
  return look_up<passwd>([uid](passwd* entry, char* buffer, std::size_t size,
                               passwd** found) { return ::getpwuid_r(uid, entry, buffer, size, found); },
                         &passwd::pw_name);
}

std::string group_name_of(gid_t gid) {
  return look_up<group>([gid](group* entry, char* buffer, std::size_t size,
                              group** found) { return ::getgrgid_r(gid, entry, buffer, size, found); },
                        &group::gr_name);
}

Result<std::vector<gid_t>> supplementary_groups(int socket_fd) {
  std::vector<gid_t> gids(64);
  for (;;) {
    auto size = static_cast<socklen_t>(gids.size() * sizeof(gid_t));
    if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, gids.data(), &size) == 0) {
      gids.resize(size / sizeof(gid_t));
      return gids;
    }
    // The kernel sets `size` to what it needs; NGROUPS_MAX bounds it.
    if (errno != ERANGE || size / sizeof(gid_t) <= gids.size() || size / sizeof(gid_t) > NGROUPS_MAX) {
      return from_errno(errno, "couldn't read the groups of the caller");
    }
    gids.resize(size / sizeof(gid_t));
  }
}

// Opening the /proc directory first pins one process: if it ends, the reads below fail instead of telling of its successor.
std::string program_of(pid_t pid, uid_t uid) {
  if (pid <= 0) return {};
  const std::string directory = "/proc/" + std::to_string(pid);
  const UniqueFd process{::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!process) return {};
  struct stat owner {};
  if (::fstat(process.get(), &owner) != 0 || owner.st_uid != uid) return {};
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlinkat(process.get(), "exe", path.data(), path.size());
  return length > 0 ? std::string{path.data(), static_cast<std::size_t>(length)} : std::string{};
}

}  // namespace

Result<Actor> read_actor(int socket_fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return from_errno(errno, "couldn't read who the caller is");
  }
  // A socket of another family, or one never connected, answers with "nobody" instead of an error.
  if (size != sizeof credentials || credentials.uid == static_cast<uid_t>(-1) || credentials.gid == static_cast<gid_t>(-1)) {
    return Error{Errc::io, "couldn't read who the caller is: not a connected Unix socket"};
  }
  auto gids = supplementary_groups(socket_fd);
  if (!gids) return gids.error();

  Actor actor;
  actor.uid = credentials.uid;
  actor.gid = credentials.gid;
  actor.pid = credentials.pid;
  actor.user_name = user_name_of(actor.uid);
  actor.program = program_of(actor.pid, actor.uid);
  gids->insert(gids->begin(), actor.gid);
  for (const gid_t gid : *gids) {
    const bool known = std::any_of(actor.groups.begin(), actor.groups.end(), [gid](const Group& g) { return g.gid == gid; });
    if (!known) actor.groups.push_back({gid, group_name_of(gid)});
  }
  return actor;
}

}  // namespace sanad::access
