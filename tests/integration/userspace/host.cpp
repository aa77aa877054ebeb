#include "host.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "gateway/base/unique_fd.hpp"

namespace sanad::test {
namespace {

void check(bool good, const char* what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

void enter_own_host() {
  check(::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "this test needs root, for namespaces of its own");
  check(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "couldn't make mounts private");
  check(::mount("none", "/run", "tmpfs", 0, nullptr) == 0, "couldn't mount an empty /run");
  bring_up("lo");
}

Finished run(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  check(child >= 0, "fork");
  if (child == 0) {
    ::dup2(writer.get(), 1);
    std::vector<char*> arguments;
    for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  writer.reset();
  Finished finished;
  std::array<char, 65536> buffer{};
  for (ssize_t got = ::read(reader.get(), buffer.data(), buffer.size()); got > 0;
       got = ::read(reader.get(), buffer.data(), buffer.size()))
    finished.out.append(buffer.data(), static_cast<std::size_t>(got));
  int status = 0;
  check(::waitpid(child, &status, 0) == child, "waitpid");
  if (WIFEXITED(status)) finished.status = WEXITSTATUS(status);
  return finished;
}

void bring_up(const std::string& interface_name) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  interface_name.copy(request.ifr_name, IFNAMSIZ - 1);
  check(::ioctl(fd.get(), SIOCGIFFLAGS, &request) == 0, "SIOCGIFFLAGS");
  request.ifr_flags |= IFF_UP;
  check(::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0, "SIOCSIFFLAGS");
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

}  // namespace sanad::test
