#include "gateway/link/peer_threads.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "gateway/base/unique_fd.hpp"

namespace sanad::link {
namespace {

std::string switch_of(const std::string& name) { return "/sys/class/net/" + name + "/threaded"; }

}  // namespace

bool has_peer_threads(const std::string& name) {
  std::ifstream file(switch_of(name));
  return file.get() == '1';
}

Result<void> stop_peer_threads(const std::string& name) {
  const UniqueFd file(::open(switch_of(name).c_str(), O_WRONLY | O_CLOEXEC));
  if (file && ::write(file.get(), "0", 1) == 1) return {};
  const int failed = errno;
  Error error = from_errno(failed, "couldn't keep " + name + " from running a thread for each peer");
  if (failed == EOPNOTSUPP) error.code = Errc::unavailable;
  error.hint = "echo 0 > " + switch_of(name);
  return error;
}

}  // namespace sanad::link
