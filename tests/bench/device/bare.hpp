#pragma once
// The least that a program can do with a device: the same bytes over the same sockets, and nothing else. What ours is held
// against. Fails by ending the program with what went wrong.

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/base/encoding.hpp"

namespace sanad::bench {

// A netlink socket with a 32 KiB buffer that has seen a long message, as one that is kept open has.
class BareNetlink {
 public:
  explicit BareNetlink(int protocol);
  ~BareNetlink();
  BareNetlink(const BareNetlink&) = delete;
  BareNetlink& operator=(const BareNetlink&) = delete;

  // Sends a request and reads until the end of the answer; the bytes read.
  std::size_t exchange(Bytes& request);

 private:
  int fd_;
  std::uint32_t sequence_ = 0;
  std::vector<char> buffer_;
};

// The whole answer of a wireguard-go to get=1, discarded; its size in bytes.
std::size_t read_uapi(const std::string& ifname);

// Seconds between two calls: of the monotonic clock.
double seconds_now();

}  // namespace sanad::bench
