#include "gateway/wg/userspace/client.hpp"

#include <net/if.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "gateway/wg/userspace/socket_owner.hpp"
#include "gateway/wg/userspace/uapi_codec.hpp"
#include "gateway/wg/userspace/uapi_parser.hpp"

namespace sanad::wg {
namespace {

constexpr std::chrono::milliseconds kTimePerPeer{1};
constexpr std::size_t kReceiveBuffer = std::size_t{64} * 1024;
// A part stays within a second-level cache, so that what is read of a peer is still there when it is looked at.
constexpr std::size_t kPartPeers = 512;
// A peer takes 253 bytes at least.
constexpr std::size_t kPeersPerRead = kReceiveBuffer / 250;

// What arrives carries the private key and every pre-shared key.
class WipedBuffer final {
 public:
  WipedBuffer() : bytes_(kReceiveBuffer) {}
  ~WipedBuffer() { wipe({reinterpret_cast<std::uint8_t*>(bytes_.data()), bytes_.size()}); }
  WipedBuffer(const WipedBuffer&) = delete;
  WipedBuffer& operator=(const WipedBuffer&) = delete;
  [[nodiscard]] std::span<char> span() { return bytes_; }

 private:
  std::vector<char> bytes_;
};

Error hung_up() { return Error{Errc::unavailable, "the backend hung up before its answer was complete"}; }

// Feeds what arrives to `parser` until it has the whole answer; `each` runs between two reads.
template <class Parser, class Each>
Result<void> receive_answer(Connection& connection, Parser& parser, WipedBuffer& buffer, BootTime deadline, const Each& each) {
  while (true) {
    auto got = connection.receive(buffer.span(), deadline);
    if (!got) return got.error();
    if (*got == 0) return hung_up();
    auto complete = parser.feed({buffer.span().data(), *got});
    if (!complete) return complete.error();
    if (*complete) return {};
    if (auto good = each(); !good) return good;
  }
}

std::string describe_block(const DeviceChange& change, const uapi::SetEncoder& encoder) {
  if (encoder.first_peer() == encoder.end_peer()) return "the device's own settings";
  const std::string first = change.peers[encoder.first_peer()].public_key.to_base64();
  if (encoder.end_peer() - encoder.first_peer() == 1) return "peer " + first;
  return "peers " + std::to_string(encoder.first_peer() + 1) + " to " + std::to_string(encoder.end_peer()) + " of " +
         std::to_string(change.peers.size()) + ", from " + first;
}

}  // namespace

UserspaceClient::UserspaceClient(std::string interface_name, std::filesystem::path socket_directory,
                                 std::chrono::milliseconds time_limit)
    : name_(std::move(interface_name)), directory_(std::move(socket_directory)), time_limit_(time_limit) {}

Result<void> UserspaceClient::read(const TakePart& take) {
  const std::string context = "couldn't read device " + name_;
  auto path = uapi_socket_path(directory_, name_);
  if (!path) return std::move(path).error().within(context);
  const BootTime deadline = now().boot + time_limit_;
  auto connection = Connection::open(*path, deadline);
  if (!connection) return std::move(connection).error().within(context);
  const ProcessHandle owner = owner_of(*connection, *path);

  Snapshot header;
  header.started = now();
  header.device.name = name_;
  header.device.ifindex = ::if_nametoindex(name_.c_str());
  if (header.device.ifindex == 0)
    return Error{Errc::not_found, "its backend answers, but there is no such interface"}.within(context);
  header.identity = "userspace:" + std::to_string(owner.pid) + ":" + std::to_string(owner.start_ticks) + ":" +
                    std::to_string(header.device.ifindex);
  header.complete = true;
  if (auto done = read_device(*connection, deadline, std::move(header), take); !done)
    return std::move(done).error().within(context);
  return {};
}

Result<void> UserspaceClient::read_device(Connection& connection, BootTime deadline, Snapshot header, const TakePart& take) {
  if (auto sent = connection.send(uapi::kGetRequest, deadline); !sent) return sent.error();
  WipedBuffer buffer;
  uapi::GetAnswerParser parser({}, kPartPeers + kPeersPerRead);
  const auto hand_over = [&header, &take](const Device& read, std::vector<Peer> peers, bool last) {
    Snapshot part = header;
    header.first = false;
    part.device.public_key = read.public_key;
    part.device.listen_port = read.listen_port;
    part.device.fwmark = read.fwmark;
    part.device.peers = std::move(peers);
    part.finished = now();
    part.last = last;
    return take(std::move(part));
  };
  auto answered = receive_answer(connection, parser, buffer, deadline, [&]() -> Result<void> {
    if (parser.device().peers.size() < kPartPeers) return {};
    auto settled = parser.take_settled(kPartPeers + kPeersPerRead);
    return hand_over(parser.device(), std::move(settled), false);
  });
  if (!answered) return answered;
  auto rest = std::move(parser).finish();
  if (!rest) return rest.error();
  std::vector<Peer> peers = std::exchange(rest->peers, {});
  return hand_over(*rest, std::move(peers), true);
}

ProcessHandle UserspaceClient::owner_of(const Connection& connection, const std::filesystem::path& path) {
  auto listener = peer_pid(connection.fd());
  if (!listener) return {};
  if (owner_ && owner_->listener == *listener) {
    auto current = read_process(owner_->process.pid);
    if (current && *current == owner_->process) return owner_->process;
  }
  auto found = find_socket_owner(connection.fd(), path);
  // In a sandbox that hides /proc/PID/fd the listener's number, unproven, still tells one life from the next.
  if (!found) found = read_process(*listener);
  if (!found) return {};
  owner_ = KnownOwner{*listener, *found};
  return *found;
}

Result<void> UserspaceClient::apply(const DeviceChange& change) {
  if (change.empty()) return {};
  const std::string context = "couldn't change device " + name_;
  auto path = uapi_socket_path(directory_, name_);
  if (!path) return std::move(path).error().within(context);
  const BootTime deadline = now().boot + time_limit_ + kTimePerPeer * static_cast<std::int64_t>(change.peers.size());
  auto connection = Connection::open(*path, deadline);
  if (!connection) return std::move(connection).error().within(context);

  WipedBuffer buffer;
  uapi::SetEncoder encoder(change);
  for (std::string_view block = encoder.next(); !block.empty(); block = encoder.next()) {
    uapi::SetAnswerParser parser;
    auto done = connection->send(block, deadline);
    if (done) done = receive_answer(*connection, parser, buffer, deadline, [] { return Result<void>{}; });
    if (!done) return std::move(done).error().within(context + " (" + describe_block(change, encoder) + ")");
  }
  return {};
}

}  // namespace sanad::wg
