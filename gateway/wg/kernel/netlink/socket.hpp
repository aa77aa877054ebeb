#pragma once
// A netlink socket that asks one question at a time. One thread at a time; blocking.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "gateway/base/result.hpp"
#include "gateway/wg/kernel/netlink/message.hpp"

struct mnl_socket;

namespace sanad::netlink {

// Memory for answers that may hold keys: locked (never swapped), left out of core dumps, wiped on destruction.
class ReceiveBuffer {
 public:
  // What the kernel fills at most in one go of a dump (af_netlink.c: SKB_WITH_OVERHEAD(32768)); more gains nothing.
  static constexpr std::size_t kSize = 32 * 1024;
  static Result<ReceiveBuffer> make();
  ReceiveBuffer(ReceiveBuffer&& other) noexcept;
  ReceiveBuffer& operator=(ReceiveBuffer&& other) noexcept;
  ~ReceiveBuffer();
  [[nodiscard]] std::span<std::uint8_t> bytes() const { return bytes_; }

 private:
  explicit ReceiveBuffer(std::span<std::uint8_t> bytes) : bytes_(bytes) {}
  std::span<std::uint8_t> bytes_;
};

class Socket {
 public:
  // `protocol`: NETLINK_GENERIC or NETLINK_ROUTE. `groups`: RTMGRP_* mask to listen to, 0 for none.
  // Errors: io; permission_denied; unsupported (no netlink in this sandbox).
  static Result<Socket> open(int protocol, std::uint32_t groups = 0);

  // Sends one request (its sequence number is filled in) and gives `sink` each message of the answer, the last one
  // included, until `sink` returns true ("that was the last") or fails. The buffer is wiped afterwards.
  // After an error the rest of the answer may still be coming: destroy the socket and open another.
  // Errors: timeout (nothing for 10 s), io, corrupt, and whatever `sink` returns.
  using Sink = std::function<Result<bool>(const Message&)>;
  Result<void> exchange(std::span<std::uint8_t> request, const Sink& sink);

  // Reads what is there without waiting; an empty view when nothing is. `overrun` is set when the kernel dropped messages.
  // The view lives until the next call.
  Result<View> receive_now(bool& overrun);

  [[nodiscard]] int fd() const;

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  Socket(std::unique_ptr<mnl_socket, Close> socket, ReceiveBuffer buffer);
  Result<View> receive(int flags, bool* overrun);

  std::unique_ptr<mnl_socket, Close> socket_;
  ReceiveBuffer buffer_;
  std::uint32_t sequence_ = 0;
};

// The id generic netlink gave a family at this boot (CTRL_CMD_GETFAMILY). The kernel may load the module that has it.
// not_found: this kernel does not know the family.
Result<std::uint16_t> resolve_family(Socket& socket, std::string_view family);

}  // namespace sanad::netlink
