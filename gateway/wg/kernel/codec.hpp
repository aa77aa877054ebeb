#pragma once
// WireGuard devices and changes as generic netlink bytes. Pure, any thread. The layout is explained in attributes.hpp.

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/wg/kernel/netlink/message.hpp"
#include "gateway/wg/types.hpp"

namespace sanad::wg::kernel {

// The request for a dump of one device. The answer carries the private key and all pre-shared keys.
Bytes encode_get(std::uint16_t family_id, std::string_view ifname);

// The messages that make a change, to be sent in this order, each once the one before is acknowledged. They carry
// secrets: wipe them. Empty for an empty change. A message is at most kMaxMessageBytes long, sets at most kMaxPeersPerMessage
// peers and removes at most kMaxRemovalsPerMessage peers. The device's own values go first. A peer whose allowed IPs do not fit
// goes on in the next message, which then only adds, and only if the peer still exists: it can never bring back a peer without
// its pre-shared key.
std::vector<Bytes> encode_set(std::uint16_t family_id, std::string_view ifname, const DeviceChange& change);

// What an errno of the kernel means when it was asked about a WireGuard device. `reason`: the kernel's words, may be empty.
Error device_error(int error, std::string_view reason);

// Puts one dump together again, message by message.
//
// A peer whose allowed IPs do not fit one message comes again in the next with nothing but its key and more of them: a
// continuation, merged here; its missing counters are not zeros. When a peer is removed while the dump stands in the middle
// of it, the kernel goes on with a record of the next peer that has nothing but its key (seen on 6.1): such fragments of
// an interrupted dump are dropped, because nothing in them is the peer's. For the same reason the allowed IPs of a peer in an
// interrupted dump may be a part only. Without an interruption a record that lacks counters stays, with has_counters = false.
class DumpParser {
 public:
  // `room`: for so many peers at once; more are taken as well.
  explicit DumpParser(std::uint16_t family_id, std::size_t room = 0) : family_id_(family_id) { device_.peers.reserve(room); }

  // True when the dump has ended. Errors: corrupt, or what the kernel answered (device_error). Not usable afterwards.
  Result<bool> feed(const netlink::Message& message);

  // Whether any message said that the device changed under the dump: then absence of a peer proves nothing.
  [[nodiscard]] bool interrupted() const { return interrupted_; }

  // What has been read of the device so far, and the peers since the last take_settled().
  [[nodiscard]] const Device& device() const { return device_; }
  // Takes out the peers that no later message can add to: all but the last. `room`: for those to come. corrupt: no message
  // has named the device yet.
  Result<std::vector<Peer>> take_settled(std::size_t room);

  // The device with the peers that have not been taken out, once feed() has returned true. A peer that was removed and added
  // again during the dump comes twice: the later record is kept. corrupt: the same without any sign of interruption, or no device
  // in the answer at all.
  Result<Device> finish() &&;

 private:
  void drop_fragments();
  Result<void> read_device(netlink::View attributes);
  Result<void> read_peer(netlink::View attributes);

  std::uint16_t family_id_;
  Device device_;
  bool interrupted_ = false;
};

}  // namespace sanad::wg::kernel
