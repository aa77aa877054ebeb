#include "gateway/firewall/forwarding.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "gateway/base/unique_fd.hpp"

namespace sanad::firewall {
namespace {

namespace fs = std::filesystem;

std::string dotted(const fs::path& key) {
  std::string name;
  for (const auto& part : key) {
    // sysctl(8) swaps the two marks, for interfaces such as eth0.100.
    std::string word = part.native();
    std::replace(word.begin(), word.end(), '.', '/');
    name += (name.empty() ? "" : ".") + word;
  }
  return name;
}

class Sysctls final {
 public:
  explicit Sysctls(fs::path root) : root_(std::move(root)) {}

  Result<std::string> read(const fs::path& key) const {
    const UniqueFd fd(::open((root_ / key).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return from_errno(errno, "couldn't read " + dotted(key));
    std::array<char, 64> buffer{};
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0) return from_errno(errno, "couldn't read " + dotted(key));
    std::string value(buffer.data(), static_cast<std::size_t>(got));
    while (!value.empty() && value.back() == '\n') value.pop_back();
    return value;
  }

  Result<void> set(const fs::path& key, const std::string& value) {
    auto before = read(key);
    if (!before) return before.error();
    if (*before == value) return {};
    const UniqueFd fd(::open((root_ / key).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
      return refused(key, value, errno);
    changes_.push_back({dotted(key), *before, value});
    return {};
  }

  // Names of the interfaces that have settings in this family.
  Result<std::vector<std::string>> interfaces(const fs::path& conf) const {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(root_ / conf, ec), end; !ec && it != end; it.increment(ec))
      names.push_back(it->path().filename().native());
    if (ec) return from_errno(ec.value(), "couldn't list " + dotted(conf));
    std::sort(names.begin(), names.end());
    return names;
  }

  [[nodiscard]] std::vector<SysctlChange> take_changes() { return std::move(changes_); }

 private:
  static Error refused(const fs::path& key, const std::string& value, int err) {
    Error error = from_errno(err, "couldn't set " + dotted(key) + " to " + value);
    if (err == EROFS || err == EACCES || err == EPERM) {
      error.code = Errc::permission_denied;
      error.hint = err == EROFS ? "/proc/sys is read-only here; on the host run: sysctl -w " + dotted(key) + "=" + value
                                : "run as root, or set it beforehand: sysctl -w " + dotted(key) + "=" + value;
    }
    return error;
  }

  fs::path root_;
  std::vector<SysctlChange> changes_;
};

Result<void> enable_v4(Sysctls& sysctls, const std::vector<std::string>& tunnels) {
  if (auto done = sysctls.set("net/ipv4/ip_forward", "1"); !done) return done;
  // Only differs when somebody switched one interface off by hand.
  for (const auto& name : tunnels) {
    if (auto done = sysctls.set(fs::path("net/ipv4/conf") / name / "forwarding", "1"); !done) return done;
  }
  return {};
}

Result<void> keep_router_advertisements(Sysctls& sysctls) {
  const fs::path conf = "net/ipv6/conf";
  auto names = sysctls.interfaces(conf);
  if (!names) return names.error();
  for (const auto& name : *names) {
    if (name == "all" || name == "lo") continue;
    auto accepts = sysctls.read(conf / name / "accept_ra");
    auto forwards = sysctls.read(conf / name / "forwarding");
    if (!accepts || !forwards || *accepts != "1" || *forwards != "0") continue;  // also: gone while we looked
    if (auto done = sysctls.set(conf / name / "accept_ra", "2"); !done) return done;
  }
  return {};
}

Result<void> enable_v6(Sysctls& sysctls, const std::vector<std::string>& tunnels) {
  const fs::path all = "net/ipv6/conf/all/forwarding";
  auto before = sysctls.read(all);
  if (!before && before.error().code == Errc::not_found)
    return Error{Errc::unsupported,
                 "this kernel has no IPv6",
                 {},
                 "boot without ipv6.disable=1, or take the IPv6 addresses out of the config"};
  if (!before) return before.error();
  if (*before != "1") {
    if (auto done = keep_router_advertisements(sysctls); !done) return done;
  }
  if (auto done = sysctls.set(all, "1"); !done) return done;
  for (const auto& name : tunnels) {
    if (auto done = sysctls.set(fs::path("net/ipv6/conf") / name / "forwarding", "1"); !done) return done;
  }
  return {};
}

}  // namespace

Result<std::vector<SysctlChange>> enable_forwarding(const ForwardingRequest& request, const fs::path& proc_sys) {
  for (const auto& name : request.interfaces) {
    if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." || name.find('/') != std::string::npos)
      return Error{Errc::invalid_argument, "not an interface name", "interfaces"};
  }
  const std::string context = "couldn't enable forwarding";
  Sysctls sysctls(proc_sys);
  if (request.v4) {
    if (auto done = enable_v4(sysctls, request.interfaces); !done) return std::move(done).error().within(context);
  }
  if (request.v6) {
    if (auto done = enable_v6(sysctls, request.interfaces); !done) return std::move(done).error().within(context);
  }
  return sysctls.take_changes();
}

}  // namespace sanad::firewall
