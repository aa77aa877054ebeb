#pragma once
// What is read from a device (Device, Peer) and what is written to it (DeviceChange, PeerChange) are different types:
// in a change, an unset optional means "leave as it is", so zero stays a real value.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/wg/allowed_ips.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::wg {

// A handshake time exactly as the backend gives it (CLOCK_REALTIME of the backend's host). {0,0} = never.
// Compared for equality only; it goes backward when the wall clock does.
struct HandshakeTime {
  std::int64_t sec = 0;
  std::int64_t nsec = 0;
  [[nodiscard]] bool never() const { return sec == 0 && nsec == 0; }
  [[nodiscard]] WallTime wall() const { return WallTime{sec * 1'000'000'000 + nsec}; }
  bool operator==(const HandshakeTime&) const = default;
};

struct Peer {
  PublicKey public_key;
  PresharedKey preshared_key;  // all zero = none; wiped with the Peer
  std::optional<Endpoint> endpoint;
  std::uint16_t keepalive_s = 0;  // 0 = off
  AllowedIps allowed_ips;
  // Counters: cumulative over the life of the peer object in the backend. Kernel: authenticated bytes incl. 32 B overhead
  // and padding, handshakes included, without outer IP/UDP headers, without packets that fail the allowed-IPs check
  // (wireguard-go counts those too).
  HandshakeTime last_handshake;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  // False when the backend's record lacked handshake or counters (a lie or a fragment): the tracker ignores its figures.
  bool has_counters = false;
};

struct Device {
  std::string name;
  std::uint32_t ifindex = 0;
  PublicKey public_key;  // zero = no private key set
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<Peer> peers;  // order is the backend's; keys are unique
};

// Which life of the interface the counters belong to. Different token = another device: counters started over.
// Kernel: "kernel:<ifindex>"; userspace: "userspace:<pid>:<start time of wireguard-go in clock ticks>:<ifindex>".
using DeviceIdentity = std::string;

// One reading of a device, or a part of one: a device of 2^20 peers is never held whole. Every part carries what there is to
// know of the device itself; the peers are one part's own. Parts come in the device's order, and no peer comes in two, but a
// backend that lists one twice is not found out across parts.
struct Snapshot {
  Device device;
  DeviceIdentity identity;
  Instant started;    // just before the first byte was asked for
  Instant finished;   // just after the last byte (of this part) arrived
  bool first = true;  // part of a new reading; what was read of one that did not come to its last part stays true
  bool last = true;
  // True when the dump ended with rc 0 and no message carried NLM_F_DUMP_INTR (kernel), or errno=0 was read (UAPI).
  // Absence of a peer proves something only in a complete snapshot, once its last part has come. In a part that is not the
  // last: no message so far was flagged.
  bool complete = false;
  std::uint32_t interruptions = 0;  // dumps that were repeated because something changed under them
};

struct PeerChange {
  PublicKey public_key;
  bool remove = false;                        // all other fields are ignored when set
  bool update_only = false;                   // do nothing when the peer does not exist
  std::optional<PresharedKey> preshared_key;  // all zero = remove it
  std::optional<std::uint16_t> keepalive_s;
  bool replace_allowed_ips = false;
  AllowedIps add_allowed_ips;
};

struct DeviceChange {
  std::optional<PrivateKey> private_key;  // set before any peer: every peer added earlier costs a curve25519 each
  std::optional<std::uint16_t> listen_port;
  std::optional<std::uint32_t> fwmark;
  std::vector<PeerChange> peers;  // applied in order
  [[nodiscard]] bool empty() const { return !private_key && !listen_port && !fwmark && peers.empty(); }
};

}  // namespace sanad::wg
