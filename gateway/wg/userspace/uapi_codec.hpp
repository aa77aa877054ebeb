#pragma once
// The text protocol of userspace WireGuard (https://www.wireguard.com/xplatform/), writing side. Pure: no sockets.

#include <cstddef>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"
#include "gateway/wg/types.hpp"

namespace sanad::wg::uapi {

inline constexpr std::string_view kGetRequest = "get=1\n\n";

// Every block gets its own errno, so small blocks tell exactly how far a change came. Peers in one block at most.
inline constexpr std::size_t kMaxPeersPerBlock = 512;
// A removal waits for the peer's goroutines; the rest of the device waits for the block.
inline constexpr std::size_t kMaxRemovalsPerBlock = 32;
// No peer, and no allowed IP, is begun in a block that has reached this size.
inline constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;

// Cuts a change into `set=1` blocks, in order. A peer whose allowed IPs don't fit in one block is continued in the next,
// with update_only, so that a peer somebody removed in between isn't half restored.
// The text holds keys: it lives in one buffer that never moves and is wiped before each reuse and at the end.
class SetEncoder final {
 public:
  explicit SetEncoder(const DeviceChange& change);  // `change` must outlive the encoder
  ~SetEncoder();
  SetEncoder(const SetEncoder&) = delete;
  SetEncoder& operator=(const SetEncoder&) = delete;

  // The next block, valid until the next call; empty when everything has been written.
  std::string_view next();
  // Where the last block lies in change.peers: [first_peer(), end_peer()), for error messages.
  [[nodiscard]] std::size_t first_peer() const { return first_peer_; }
  [[nodiscard]] std::size_t end_peer() const { return end_peer_; }

 private:
  void write_device();
  bool write_peer(const PeerChange& peer);

  const DeviceChange& change_;
  std::string text_;
  bool device_written_ = false;
  std::size_t peer_ = 0;        // the next one to write
  std::size_t allowed_ip_ = 0;  // how many of its allowed IPs are written already
  std::size_t first_peer_ = 0;
  std::size_t end_peer_ = 0;
};

// What the backend's non-zero errno means, either sign: wireguard-go answers -22 where the specification says 22.
Error error_of_answer(std::int64_t code);

}  // namespace sanad::wg::uapi
