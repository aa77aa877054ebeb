#include "gateway/wg/kernel/netlink/socket.hpp"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "gateway/base/secret.hpp"

namespace sanad::netlink {
namespace {

constexpr time_t kAnswerTimeoutS = 10;

}  // namespace

Result<ReceiveBuffer> ReceiveBuffer::make() {
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return from_errno(errno, "couldn't take memory for a netlink buffer");
  ReceiveBuffer buffer{{static_cast<std::uint8_t*>(memory), kSize}};
  if (::mlock(memory, kSize) != 0) {
    Error error = from_errno(errno, "couldn't lock 32 KiB of memory for answers that hold keys");
    error.hint = "raise the limit on locked memory (LimitMEMLOCK= in the unit, ulimit -l in a shell)";
    return error;
  }
  if (::madvise(memory, kSize, MADV_DONTDUMP) != 0) return from_errno(errno, "couldn't keep a netlink buffer out of core dumps");
  return buffer;
}

ReceiveBuffer::ReceiveBuffer(ReceiveBuffer&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

ReceiveBuffer& ReceiveBuffer::operator=(ReceiveBuffer&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

ReceiveBuffer::~ReceiveBuffer() {
  if (bytes_.empty()) return;
  wipe(bytes_);
  ::munmap(bytes_.data(), bytes_.size());
}

void Socket::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

Socket::Socket(std::unique_ptr<mnl_socket, Close> socket, ReceiveBuffer buffer)
    : socket_(std::move(socket)), buffer_(std::move(buffer)) {}

Result<Socket> Socket::open(int protocol, std::uint32_t groups) {
  auto buffer = ReceiveBuffer::make();
  if (!buffer) return buffer.error();
  std::unique_ptr<mnl_socket, Close> socket{mnl_socket_open2(protocol, SOCK_CLOEXEC)};
  if (!socket) return from_errno(errno, "couldn't open a netlink socket");
  const int on = 1;
  // Both only make errors readable; kernels that lack them still answer.
  mnl_socket_setsockopt(socket.get(), NETLINK_EXT_ACK, const_cast<int*>(&on), sizeof on);
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, const_cast<int*>(&on), sizeof on);
  const timeval timeout{kAnswerTimeoutS, 0};
  if (::setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0)
    return from_errno(errno, "couldn't set the timeout of a netlink socket");
  if (mnl_socket_bind(socket.get(), groups, MNL_SOCKET_AUTOPID) != 0) return from_errno(errno, "couldn't bind a netlink socket");
  return Socket{std::move(socket), *std::move(buffer)};
}

int Socket::fd() const { return mnl_socket_get_fd(socket_.get()); }

Result<View> Socket::receive(int flags, bool* overrun) {
  while (true) {
    sockaddr_nl sender{};
    iovec part{buffer_.bytes().data(), buffer_.bytes().size()};
    msghdr header{};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t size = ::recvmsg(fd(), &header, flags);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return View{};
    if (size < 0 && errno == ENOBUFS && overrun != nullptr) {
      *overrun = true;
      return View{};
    }
    if (size < 0) return from_errno(errno, "couldn't read from a netlink socket");
    if (header.msg_namelen != sizeof sender || sender.nl_pid != 0) continue;  // only the kernel is port 0
    if ((header.msg_flags & MSG_TRUNC) != 0) return Error{Errc::corrupt, "a netlink answer is longer than 32 KiB"};
    return View{buffer_.bytes().first(static_cast<std::size_t>(size))};
  }
}

Result<View> Socket::receive_now(bool& overrun) {
  overrun = false;
  return receive(MSG_DONTWAIT, &overrun);
}

Result<void> Socket::exchange(std::span<std::uint8_t> request, const Sink& sink) {
  if (request.size() < sizeof(nlmsghdr)) return wrong_length("a netlink request", request.size(), sizeof(nlmsghdr));
  const std::uint32_t sequence = ++sequence_;
  std::memcpy(request.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
  if (mnl_socket_sendto(socket_.get(), request.data(), request.size()) < 0)
    return from_errno(errno, "couldn't send to a netlink socket");

  struct WipeAtExit {
    std::span<std::uint8_t> bytes;
    ~WipeAtExit() { wipe(bytes); }
  } const wipe_at_exit{buffer_.bytes()};

  while (true) {
    auto bytes = receive(0, nullptr);
    if (!bytes) return bytes.error();
    if (bytes->empty()) return Error{Errc::timeout, "the kernel did not answer within " + std::to_string(kAnswerTimeoutS) + " s"};
    View rest = *bytes;
    while (true) {
      const auto message = take_message(rest);
      if (!message) return message.error();
      if (!*message) break;
      if ((*message)->sequence != sequence) continue;
      const auto finished = sink(**message);
      if (!finished) return finished.error();
      if (*finished) return {};
    }
  }
}

Result<std::uint16_t> resolve_family(Socket& socket, std::string_view family) {
  MessageBuilder builder{GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK};
  genlmsghdr header{};
  header.cmd = CTRL_CMD_GETFAMILY;
  header.version = 1;
  builder.put_header(header);
  builder.put_string(CTRL_ATTR_FAMILY_NAME, family);
  Bytes request = builder.finish();

  std::optional<std::uint16_t> id;
  const std::string what = "couldn't find the netlink family \"" + std::string(family) + "\"";
  const auto asked = socket.exchange(request, [&id, &what](const Message& message) -> Result<bool> {
    const auto ending = read_ending(message);
    if (!ending) return ending.error();
    if (ending->error != 0) return from_errno(ending->error, what);
    if (ending->finished) return true;
    if (message.type != GENL_ID_CTRL) return false;
    View payload = message.payload;
    if (const auto genl = take_header<genlmsghdr>(payload, "a generic netlink header"); !genl) return genl.error();
    const auto read = for_each_attribute(payload, [&id](const Attribute& attribute) -> Result<void> {
      if (attribute.type != CTRL_ATTR_FAMILY_ID) return {};
      const auto number = read_number<std::uint16_t>(attribute.payload, "CTRL_ATTR_FAMILY_ID");
      if (!number) return number.error();
      id = *number;
      return {};
    });
    if (!read) return read.error();
    return false;
  });
  if (!asked) return asked.error();
  if (!id) return Error{Errc::corrupt, what + ": the answer has no id"};
  return *id;
}

}  // namespace sanad::netlink
