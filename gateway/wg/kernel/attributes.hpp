#pragma once
// The numbers of the kernel's WireGuard netlink interface: include/uapi/linux/wireguard.h,
// Documentation/netlink/specs/wireguard.yaml. Repeated here so that the host's kernel headers do not decide what we can say.

#include <cstddef>
#include <cstdint>

namespace sanad::wg::kernel {

inline constexpr char kFamilyName[] = "wireguard";
inline constexpr std::uint8_t kFamilyVersion = 1;

enum Command : std::uint8_t { kGetDevice = 0, kSetDevice = 1 };

enum DeviceAttribute : std::uint16_t {
  kDeviceIfindex = 1,     // u32
  kDeviceIfname = 2,      // text, at most 15 characters
  kDevicePrivateKey = 3,  // 32 bytes, all zero = none
  kDevicePublicKey = 4,   // 32 bytes
  kDeviceFlags = 5,       // u32; REPLACE_PEERS (1) is never used: it holds RTNL while every peer is torn down
  kDeviceListenPort = 6,  // u16, 0 = let the kernel choose
  kDeviceFwmark = 7,      // u32, 0 = none
  kDevicePeers = 8        // nest of nests
};

enum PeerAttribute : std::uint16_t {
  kPeerPublicKey = 1,      // 32 bytes
  kPeerPresharedKey = 2,   // 32 bytes, all zero = none
  kPeerFlags = 3,          // u32, PeerFlag
  kPeerEndpoint = 4,       // sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes)
  kPeerKeepalive = 5,      // u16, seconds, 0 = off
  kPeerLastHandshake = 6,  // two s64: seconds, nanoseconds
  kPeerRxBytes = 7,        // u64
  kPeerTxBytes = 8,        // u64
  kPeerAllowedIps = 9      // nest of nests
};

enum PeerFlag : std::uint32_t { kPeerRemove = 1, kPeerReplaceAllowedIps = 2, kPeerUpdateOnly = 4 };

enum AllowedIpAttribute : std::uint16_t {
  kAllowedIpFamily = 1,   // u16, AF_INET or AF_INET6
  kAllowedIpAddress = 2,  // 4 or 16 bytes
  kAllowedIpCidr = 3      // u8
};

// A message is one nlattr of peers at most (u16 length, 65,535) plus the rest; 60,000 leaves room and is known to work.
inline constexpr std::size_t kMaxMessageBytes = 60'000;
// Each removal costs two RCU waits and three queue flushes under RTNL (drivers/net/wireguard/peer.c,
// peer_remove_after_dead): few in one message, so that nobody else waits long.
inline constexpr std::size_t kMaxRemovalsPerMessage = 32;
// A peer added costs up to half a millisecond (measured, emulated, at 2^20: the kernel's table by key has 2^11 chains), and RTNL
// is held for the message: 534 fit one and would keep everybody else waiting a quarter of a second.
inline constexpr std::size_t kMaxPeersPerMessage = 64;

}  // namespace sanad::wg::kernel
