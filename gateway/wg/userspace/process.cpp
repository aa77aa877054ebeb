#include "gateway/wg/userspace/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/wg/userspace/socket_owner.hpp"

namespace sanad::wg {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::string_view kInstallHint = "apt-get install wireguard-go";
constexpr const char* kTunDevice = "/dev/net/tun";

Result<fs::path> find_program(const BackendOptions& options) {
  if (!options.program.empty()) {
    if (::access(options.program.c_str(), X_OK) == 0) return options.program;
    return Error{Errc::unsupported, options.program.native() + " can't be run", {}, std::string(kInstallHint)};
  }
  // Not $PATH: what runs with our rights isn't chosen by whoever started us.
  for (const char* directory : {"/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin"}) {
    fs::path candidate = fs::path(directory) / "wireguard-go";
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Error{Errc::unsupported, "wireguard-go isn't installed", {}, std::string(kInstallHint)};
}

Result<void> check_tun() {
  if (::access(kTunDevice, R_OK | W_OK) == 0) return {};
  if (errno == EACCES || errno == EPERM) return from_errno(errno, std::string("couldn't use ") + kTunDevice);
  return Error{
      Errc::unsupported, std::string("there is no ") + kTunDevice, {}, "modprobe tun; in a container, pass /dev/net/tun through"};
}

Result<void> remove_leftover(const fs::path& socket, BootTime deadline) {
  struct stat info {};
  if (::lstat(socket.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return from_errno(errno, "couldn't look at " + socket.native());
  }
  if (!S_ISSOCK(info.st_mode)) return Error{Errc::conflict, socket.native() + " exists and isn't a socket"};
  auto connection = Connection::open(socket, deadline);
  if (connection) return Error{Errc::conflict, "another process serves " + socket.native() + " already"};
  if (connection.error().code != Errc::unavailable) return connection.error();
  if (::unlink(socket.c_str()) != 0 && errno != ENOENT)
    return from_errno(errno, "couldn't remove the leftover " + socket.native());
  return {};
}

// Between fork and exec, in a program with threads: async-signal-safe calls only.
[[noreturn]] void become_backend(const char* program, char* const* arguments, char* const* environment, int report) {
  const int null = ::open("/dev/null", O_RDWR);
  bool ready = null >= 0 && ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1 && ::dup2(null, 2) == 2;
  ready = ready && ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && ::chdir("/") == 0;
  if (ready) {
    sigset_t none;
    ::sigemptyset(&none);
    // Ignored signals and the mask survive exec; wireguard-go must hear SIGTERM whatever we blocked for signalfd.
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(program, arguments, environment);
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(report, &error, sizeof error);
  ::_exit(127);
}

// Reads as much as there is up to `size`; an end or error leaves the rest.
std::size_t read_all(int fd, void* out, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd, static_cast<char*>(out) + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// Forks twice: the one in between ends at once, so that init and not this program is the parent.
Result<pid_t> spawn_detached(const fs::path& program, const std::string& interface_name) {
  std::string name = interface_name;
  std::string argv0 = "wireguard-go";
  std::string foreground = "-f";
  std::array<char*, 4> arguments{argv0.data(), foreground.data(), name.data(), nullptr};
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::string level = "LOG_LEVEL=error";
  std::array<char*, 3> environment{path.data(), level.data(), nullptr};

  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return from_errno(errno, "couldn't make a pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t between = ::fork();
  if (between < 0) return from_errno(errno, "couldn't fork");
  if (between == 0) {
    ::setsid();
    const pid_t backend = ::fork();
    if (backend == 0) become_backend(program.c_str(), arguments.data(), environment.data(), writer.get());
    const bool told = backend > 0 && ::write(writer.get(), &backend, sizeof backend) == sizeof backend;
    ::_exit(told ? 0 : 1);
  }
  writer.reset();
  int status = 0;
  while (::waitpid(between, &status, 0) < 0 && errno == EINTR) {
  }
  // The pid and the errno of a failed exec come in either order; both are four bytes, and only the pid is always there.
  std::array<std::int32_t, 2> words{};
  static_assert(sizeof(pid_t) == sizeof words[0]);
  const std::size_t got = read_all(reader.get(), words.data(), sizeof words);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Error{Errc::unavailable, "couldn't fork wireguard-go"};
  if (got > sizeof words[0]) return Error{Errc::unavailable, "couldn't run " + program.native()};
  return words[0];
}

// Watches for the socket file and for the death of the process that should make it.
Result<ProcessHandle> await_socket(const fs::path& socket, const UniqueFd& watch, pid_t pid, BootTime deadline) {
  const Error died{Errc::unavailable,
                   "wireguard-go ended right after its start",
                   {},
                   "run it by hand to see why: LOG_LEVEL=verbose wireguard-go -f NAME"};
  auto handle = read_process(pid);
  if (!handle) return died;
  auto pidfd = open_pidfd(*handle);
  if (!pidfd) return died;
  while (true) {
    auto connection = Connection::open(socket, deadline);
    if (connection) {
      auto listener = peer_pid(connection->fd());
      if (!listener) return listener.error();
      if (*listener == pid) return *handle;
      return Error{Errc::conflict, "another process took over " + socket.native()};
    }
    if (connection.error().code != Errc::not_found && connection.error().code != Errc::unavailable) return connection.error();
    const auto left = std::chrono::ceil<milliseconds>(deadline - now().boot);
    if (left.count() <= 0) return Error{Errc::timeout, "wireguard-go didn't open its socket in time"};
    // The file appears at bind(), a moment before listen(), of which inotify says nothing: then a short wait.
    const auto wait = connection.error().code == Errc::unavailable ? milliseconds{5} : left;
    std::array<pollfd, 2> fds{pollfd{pidfd->get(), POLLIN, 0}, pollfd{watch.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(wait.count(), left.count())));
    if (fds[0].revents != 0) return died;
    std::array<char, 4096> events{};
    while (::read(watch.get(), events.data(), events.size()) > 0) {
    }
  }
}

}  // namespace

Result<ProcessHandle> start_backend(const std::string& interface_name, const BackendOptions& options) {
  const std::string context = "couldn't start wireguard-go for " + interface_name;
  const BootTime deadline = now().boot + options.start_limit;
  auto socket = uapi_socket_path(options.socket_directory, interface_name);
  if (!socket) return std::move(socket).error().within("couldn't start wireguard-go");
  auto program = find_program(options);
  if (!program) return std::move(program).error().within(context);
  if (auto tun = check_tun(); !tun) return std::move(tun).error().within(context);
  if (::mkdir(options.socket_directory.c_str(), 0755) != 0 && errno != EEXIST)
    return from_errno(errno, "couldn't make " + options.socket_directory.native()).within(context);
  if (auto removed = remove_leftover(*socket, deadline); !removed) return std::move(removed).error().within(context);
  if (::if_nametoindex(interface_name.c_str()) != 0)
    return Error{Errc::conflict,
                 "an interface of that name exists and isn't served by wireguard-go",
                 {},
                 "remove it (ip link delete " + interface_name + ") or choose another name"}
        .within(context);

  // Before the start, so that the file can't appear unseen.
  const UniqueFd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch || ::inotify_add_watch(watch.get(), options.socket_directory.c_str(), IN_CREATE | IN_MOVED_TO) < 0)
    return from_errno(errno, "couldn't watch " + options.socket_directory.native()).within(context);
  auto pid = spawn_detached(*program, interface_name);
  if (!pid) return std::move(pid).error().within(context);
  auto handle = await_socket(*socket, watch, *pid, deadline);
  if (handle) return handle;
  // A late bloomer would be one nobody knows of.
  if (auto leftover = read_process(*pid)) (void)stop_backend(*leftover, options);
  return std::move(handle).error().within(context);
}

Result<ProcessHandle> adopt_backend(const std::string& interface_name, const BackendOptions& options) {
  const std::string context = "couldn't adopt the backend of " + interface_name;
  auto socket = uapi_socket_path(options.socket_directory, interface_name);
  if (!socket) return std::move(socket).error().within("couldn't adopt a backend");
  auto connection = Connection::open(*socket, now().boot + options.start_limit);
  if (!connection) return std::move(connection).error().within(context);
  auto owner = find_socket_owner(connection->fd(), *socket);
  if (!owner) return std::move(owner).error().within(context);
  return owner;
}

Result<void> stop_backend(const ProcessHandle& handle, const BackendOptions& options) {
  const std::string context = "couldn't stop process " + std::to_string(handle.pid);
  auto pidfd = open_pidfd(handle);
  if (!pidfd && pidfd.error().code == Errc::not_found) return {};
  if (!pidfd) return std::move(pidfd).error().within(context);
  if (::syscall(SYS_pidfd_send_signal, pidfd->get(), SIGTERM, nullptr, 0) != 0) {
    if (errno == ESRCH) return {};
    return from_errno(errno, context);
  }
  const BootTime deadline = now().boot + options.stop_limit;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - now().boot);
    if (left.count() <= 0) return Error{Errc::timeout, "it didn't end in time"}.within(context);
    pollfd entry{pidfd->get(), POLLIN, 0};
    if (::poll(&entry, 1, static_cast<int>(left.count())) > 0) return {};
  }
}

}  // namespace sanad::wg
