#pragma once
// Tells when an interface appears, changes or goes: RTNLGRP_LINK. For the loop thread; never blocks.

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/base/result.hpp"
#include "gateway/wg/kernel/netlink/socket.hpp"

namespace sanad::link {

struct LinkEvent {
  std::string name;
  std::uint32_t ifindex = 0;
  bool up = false;       // administratively
  bool removed = false;  // the interface is gone
  bool overrun = false;  // the kernel dropped notices: everything else here is unset, read the links again
  bool operator==(const LinkEvent&) const = default;
};

// What one received block of notices says, in order. corrupt: it breaks the format. Pure.
Result<std::vector<LinkEvent>> decode_link_events(netlink::View bytes);

class LinkWatch final {
 public:
  // Errors: io, permission_denied, unsupported.
  static Result<LinkWatch> open();

  // Readable when drain() has something to say. Owned by this object.
  [[nodiscard]] int fd() const { return socket_.fd(); }

  // Everything that has happened since the last call, of all interfaces, in order; empty when nothing has.
  // Errors: io, corrupt; the watch goes on working.
  Result<std::vector<LinkEvent>> drain();

 private:
  explicit LinkWatch(netlink::Socket socket) : socket_(std::move(socket)) {}
  netlink::Socket socket_;
};

}  // namespace sanad::link
