#include "control/cli/host.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "gateway/base/unique_fd.hpp"

namespace sanad::cli {
namespace {

std::optional<IpAddress> address_of(const ::sockaddr* from) {
  if (from == nullptr) return std::nullopt;
  if (from->sa_family == AF_INET) {
    ::sockaddr_in v4{};
    std::memcpy(&v4, from, sizeof v4);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (from->sa_family == AF_INET6) {
    ::sockaddr_in6 v6{};
    std::memcpy(&v6, from, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

bool in(const IpAddress& address, const char* prefix) {
  const auto block = IpPrefix::parse(prefix);
  return block && block->contains(address);
}

}  // namespace

std::vector<LocalAddress> local_addresses() {
  std::vector<LocalAddress> found;
  ::ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  const std::unique_ptr<::ifaddrs, decltype(&::freeifaddrs)> guard(list, &::freeifaddrs);
  for (const ::ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const auto address = address_of(entry->ifa_addr);
    if (!address || in(*address, "127.0.0.0/8") || in(*address, "::1/128") || in(*address, "fe80::/10") ||
        in(*address, "169.254.0.0/16"))
      continue;
    found.push_back({entry->ifa_name, *address});
  }
  return found;
}

std::optional<LocalAddress> outward_address() {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(53);
  ::inet_pton(AF_INET, "192.0.2.1", &there.sin_addr);  // TEST-NET-1, RFC 5737: connecting a UDP socket sends nothing
  ::sockaddr_storage here{};
  ::socklen_t length = sizeof here;
  if (!fd || ::connect(fd.get(), reinterpret_cast<const ::sockaddr*>(&there), sizeof there) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<::sockaddr*>(&here), &length) != 0) {
    return std::nullopt;
  }
  const auto address = address_of(reinterpret_cast<const ::sockaddr*>(&here));
  if (!address) return std::nullopt;
  for (const auto& local : local_addresses()) {
    if (local.address == *address) return local;
  }
  return std::nullopt;
}

bool is_private(const IpAddress& address) {
  return in(address, "10.0.0.0/8") || in(address, "172.16.0.0/12") || in(address, "192.168.0.0/16") ||
         in(address, "100.64.0.0/10") || in(address, "fc00::/7");
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "gateway";
  const std::string whole(name.data());
  return whole.substr(0, whole.find('.'));
}

std::optional<std::string> find_program(const std::string& program) {
  const char* path = ::getenv("PATH");
  std::string directories =
      std::string(path == nullptr ? "" : path) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!directories.empty()) {
    const std::string directory = directories.substr(0, directories.find(':'));
    directories.erase(0, directory.size() + 1);
    const std::string candidate = directory + "/" + program;
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

bool kernel_has(const std::string& module) {
  std::error_code ec;
  if (std::filesystem::exists("/sys/module/" + module, ec)) return true;
  ::utsname kernel{};
  if (::uname(&kernel) != 0) return false;
  for (const char* list : {"modules.dep", "modules.builtin"}) {
    std::ifstream file(std::string("/lib/modules/") + kernel.release + "/" + list);
    for (std::string line; std::getline(file, line);) {
      if (line.find("/" + module + ".ko") < line.find(':')) return true;
    }
  }
  return false;
}

bool nf_tables_answers() {
  struct Message {
    ::nlmsghdr header;
    ::nfgenmsg body;
  };
  const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd) return false;
  constexpr std::uint16_t kSubsystem = NFNL_SUBSYS_NFTABLES << 8U;
  Message ask{};
  ask.header.nlmsg_len = sizeof ask;
  ask.header.nlmsg_type = kSubsystem | NFT_MSG_GETGEN;
  ask.header.nlmsg_flags = NLM_F_REQUEST;
  const ::timeval patience{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::send(fd.get(), &ask, sizeof ask, 0) != sizeof ask) return false;
  std::array<std::uint8_t, 4096> answer{};
  const ::ssize_t n = ::recv(fd.get(), answer.data(), answer.size(), 0);
  ::nlmsghdr header{};
  if (n < static_cast<::ssize_t>(sizeof header)) return false;
  std::memcpy(&header, answer.data(), sizeof header);
  return header.nlmsg_type == (kSubsystem | NFT_MSG_NEWGEN);
}

}  // namespace sanad::cli
