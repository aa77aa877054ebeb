#include "tests/bench/device/bare.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sanad::bench {
namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

BareNetlink::BareNetlink(int protocol) : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)), buffer_(32 * 1024) {
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (fd_ < 0 || ::bind(fd_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) die("netlink socket");
}

BareNetlink::~BareNetlink() { ::close(fd_); }

std::size_t BareNetlink::exchange(Bytes& request) {
  const std::uint32_t sequence = ++sequence_;
  std::memcpy(request.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
  if (::send(fd_, request.data(), request.size(), 0) < 0) die("send");
  std::size_t total = 0;
  while (true) {
    const ssize_t size = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (size < 0) die("recv");
    total += static_cast<std::size_t>(size);
    // The end is a message of its own or the last of a read: only headers are looked at.
    std::size_t left = static_cast<std::size_t>(size);
    for (const char* at = buffer_.data(); left >= sizeof(nlmsghdr);) {
      nlmsghdr header;
      std::memcpy(&header, at, sizeof header);
      if (header.nlmsg_type == NLMSG_ERROR) {
        int code = 0;
        std::memcpy(&code, at + sizeof header, sizeof code);
        if (code != 0) {
          errno = -code;
          die("the kernel answered");
        }
      }
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return total;
      const std::size_t step = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), left);
      at += step;
      left -= step;
    }
  }
}

std::size_t read_uapi(const std::string& ifname) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/var/run/wireguard/%s.sock", ifname.c_str());
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("uapi socket");
  constexpr char kRequest[] = "get=1\n\n";
  if (::send(fd, kRequest, sizeof kRequest - 1, 0) < 0) die("send");
  std::vector<char> buffer(256 * 1024);
  std::size_t total = 0;
  while (true) {
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) die("recv");
    total += static_cast<std::size_t>(size);
    if (size >= 2 && buffer[static_cast<std::size_t>(size) - 1] == '\n' && buffer[static_cast<std::size_t>(size) - 2] == '\n')
      break;
  }
  ::close(fd);
  return total;
}

double seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace sanad::bench
