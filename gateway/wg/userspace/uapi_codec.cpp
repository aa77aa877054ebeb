#include "gateway/wg/userspace/uapi_codec.hpp"

#include <cerrno>
#include <span>

namespace sanad::wg::uapi {
namespace {

// The longest that may follow once a block has reached kBlockBytes: the device lines, or one peer's fixed lines and one prefix.
constexpr std::size_t kSlack = 1024;

std::span<std::uint8_t> writable(std::string& text) { return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}; }

// Straight into the block: a temporary would be one more copy of a key to wipe.
void append_hex(std::string& out, std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const std::uint8_t b : bytes) {
    out.push_back(digits[b >> 4U]);
    out.push_back(digits[b & 15U]);
  }
}

void append_key(std::string& out, std::string_view name, std::span<const std::uint8_t> key) {
  out += name;
  out += '=';
  append_hex(out, key);
  out += '\n';
}

void append_number(std::string& out, std::string_view name, std::uint32_t value) {
  out += name;
  out += '=';
  out += std::to_string(value);
  out += '\n';
}

}  // namespace

SetEncoder::SetEncoder(const DeviceChange& change) : change_(change) { text_.reserve(kBlockBytes + kSlack); }

SetEncoder::~SetEncoder() { wipe(writable(text_)); }

std::string_view SetEncoder::next() {
  wipe(writable(text_));
  text_.clear();
  first_peer_ = end_peer_ = peer_;
  const bool device_pending = !device_written_ && (change_.private_key || change_.listen_port || change_.fwmark);
  if (!device_pending && peer_ == change_.peers.size()) return {};

  text_ = "set=1\n";
  if (device_pending) write_device();
  device_written_ = true;
  std::size_t peers = 0;
  std::size_t removals = 0;
  while (peer_ < change_.peers.size() && peers < kMaxPeersPerBlock && text_.size() < kBlockBytes) {
    const PeerChange& peer = change_.peers[peer_];
    if (peer.remove && ++removals > kMaxRemovalsPerBlock) break;
    ++peers;
    end_peer_ = peer_ + 1;
    if (!write_peer(peer)) break;
    ++peer_;
    allowed_ip_ = 0;
  }
  text_ += '\n';
  return text_;
}

void SetEncoder::write_device() {
  if (change_.private_key) append_key(text_, "private_key", change_.private_key->reveal());
  if (change_.listen_port) append_number(text_, "listen_port", *change_.listen_port);
  if (change_.fwmark) append_number(text_, "fwmark", *change_.fwmark);
}

// False when the block is full before the peer is complete.
bool SetEncoder::write_peer(const PeerChange& peer) {
  append_key(text_, "public_key", peer.public_key.bytes());
  if (peer.remove) {
    text_ += "remove=true\n";
    return true;
  }
  const bool continued = allowed_ip_ > 0;
  if (peer.update_only || continued) text_ += "update_only=true\n";
  if (!continued) {
    if (peer.preshared_key) append_key(text_, "preshared_key", peer.preshared_key->reveal());
    if (peer.keepalive_s) append_number(text_, "persistent_keepalive_interval", *peer.keepalive_s);
    if (peer.replace_allowed_ips) text_ += "replace_allowed_ips=true\n";
  }
  for (; allowed_ip_ < peer.add_allowed_ips.size(); ++allowed_ip_) {
    // At least one prefix a block, so that it always gets on.
    if (text_.size() >= kBlockBytes && allowed_ip_ > 0) return false;
    text_ += "allowed_ip=";
    text_ += peer.add_allowed_ips[allowed_ip_].to_string();
    text_ += '\n';
  }
  return true;
}

Error error_of_answer(std::int64_t code) {
  const std::int64_t number = code < 0 ? -code : code;
  const std::string what = "the backend answered errno=" + std::to_string(code);
  if (number == EINVAL)
    return Error{Errc::io,
                 what + " (it refused a value)",
                 {},
                 "wireguard-go holds at most 65,536 peers and logs the line it refused when LOG_LEVEL=error is set"};
  if (number > 4095) return Error{Errc::io, what};  // MAX_ERRNO, include/linux/err.h: beyond it there is no text
  return from_errno(static_cast<int>(number), what);
}

}  // namespace sanad::wg::uapi
