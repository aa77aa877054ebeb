#include "gateway/wg/userspace/process_handle.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

namespace sanad::wg {
namespace {

Error ended(pid_t pid) { return Error{Errc::not_found, "process " + std::to_string(pid) + " has ended"}; }

}  // namespace

Result<ProcessHandle> read_process(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return ended(pid);
  if (!fd) return from_errno(errno, "couldn't open " + path);
  std::array<char, 2048> buffer{};
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got < 0 && errno == ESRCH) return ended(pid);
  if (got < 0) return from_errno(errno, "couldn't read " + path);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(got));

  // The second field is the program's name in brackets and may itself hold spaces and brackets: count from the last one.
  const auto bracket = text.rfind(')');
  if (bracket == std::string_view::npos) return Error{Errc::corrupt, path + " isn't what proc(5) says"};
  std::string_view rest = text.substr(bracket + 1);
  constexpr int kFirstField = 3;
  constexpr int kState = 3;
  constexpr int kStartTime = 22;
  for (int field = kFirstField; field <= kStartTime; ++field) {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    rest.remove_prefix(begin);
    const std::string_view value = rest.substr(0, rest.find(' '));
    rest.remove_prefix(value.size());
    if (field == kState && (value == "Z" || value == "X")) return ended(pid);
    if (field != kStartTime) continue;
    ProcessHandle handle{pid, 0};
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), handle.start_ticks);
    if (ec == std::errc{} && end == value.data() + value.size()) return handle;
  }
  return Error{Errc::corrupt, path + " isn't what proc(5) says"};
}

Result<UniqueFd> open_pidfd(const ProcessHandle& handle) {
  // glibc 2.36 declares pidfd_open() without extern "C", so that C++ can't link it.
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, handle.pid, 0)));
  if (!fd && errno == ESRCH) return ended(handle.pid);
  if (!fd) return from_errno(errno, "couldn't watch process " + std::to_string(handle.pid));
  // Only now is it certain that the number still means the same process.
  auto current = read_process(handle.pid);
  if (!current) return current.error();
  if (*current != handle) return ended(handle.pid);
  return fd;
}

}  // namespace sanad::wg
