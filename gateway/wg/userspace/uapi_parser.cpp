#include "gateway/wg/userspace/uapi_parser.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstring>
#include <limits>
#include <span>

#include "gateway/wg/userspace/uapi_codec.hpp"

namespace sanad::wg::uapi {
namespace {

Error corrupt(std::string what) { return Error{Errc::corrupt, std::move(what)}; }

// The value isn't shown: a garbled line may hold a key.
Error bad_value(std::string_view key) { return corrupt("the backend's value of " + std::string(key) + " cannot be read"); }

// A key name is shown only when it is one: anything else might be bytes of a secret out of place.
std::string shown(std::string_view key) { return "\"" + std::string(key.substr(0, 40)) + "\""; }

bool is_key_name(std::string_view key) {
  if (key.empty() || key.size() > 64) return false;
  return std::all_of(key.begin(), key.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

template <std::integral Int>
bool read_number(std::string_view text, Int& out) {
  if (text.size() > 1 && text.front() == '0') return false;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc{} && end == text.data() + text.size();
}

constexpr std::array<std::int8_t, 256> kHexValue = [] {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (std::int8_t i = 0; i < 10; ++i) table[static_cast<std::size_t>('0' + i)] = i;
  for (std::int8_t i = 0; i < 6; ++i) table[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
  return table;
}();

bool read_key(std::string_view text, std::array<std::uint8_t, 32>& out) {
  if (text.size() != 64) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = kHexValue[static_cast<unsigned char>(text[2 * i])];
    const int low = kHexValue[static_cast<unsigned char>(text[2 * i + 1])];
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

bool read_secret(std::string_view text, Secret32& out) {
  std::array<std::uint8_t, 32> bytes{};
  const bool good = read_key(text, bytes);
  if (good) out = Secret32{bytes};
  wipe(bytes);
  return good;
}

// IpAddress::parse makes strings; here it would be two for every allowed IP of every poll.
bool read_address(std::string_view text, IpAddress& out) {
  std::array<char, INET6_ADDRSTRLEN> zero_terminated{};
  if (text.empty() || text.size() >= zero_terminated.size()) return false;
  std::copy(text.begin(), text.end(), zero_terminated.begin());
  if (std::memchr(text.data(), '\0', text.size()) != nullptr) return false;
  std::array<std::uint8_t, 16> bytes{};
  if (text.find(':') != std::string_view::npos) {
    if (inet_pton(AF_INET6, zero_terminated.data(), bytes.data()) != 1) return false;
    out = IpAddress::v6(bytes);
    return true;
  }
  if (inet_pton(AF_INET, zero_terminated.data(), bytes.data()) != 1) return false;
  out = IpAddress::v4(std::span<const std::uint8_t, 4>(bytes.data(), 4));
  return true;
}

bool read_prefix(std::string_view text, IpPrefix& out) {
  const auto slash = text.find('/');
  IpAddress address;
  std::uint8_t length = 0;
  if (slash == std::string_view::npos || !read_address(text.substr(0, slash), address)) return false;
  if (!read_number(text.substr(slash + 1), length) || length > address.max_prefix()) return false;
  out = IpPrefix{address, length};
  return out.address() == address;
}

// "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:51820". The zone names the link, which sessions don't record.
// Port 0 can be sent by a remote peer, so it is no error.
bool read_endpoint(std::string_view text, Endpoint& out) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || !read_number(text.substr(colon + 1), out.port)) return false;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
    host = host.substr(0, host.find('%'));
  }
  return read_address(host, out.address) && out.address.is_v4() != bracketed;
}

bool read_seconds(std::string_view text, std::int64_t& out) { return read_number(text, out) && out >= 0; }

bool read_nanoseconds(std::string_view text, std::int64_t& out) { return read_seconds(text, out) && out < 1'000'000'000; }

struct Line {
  std::string_view key;
  std::string_view value;
};

Result<Line> split(std::string_view line) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos || !is_key_name(line.substr(0, equals)))
    return corrupt("the backend sent a line that is not key=value");
  return Line{line.substr(0, equals), line.substr(equals + 1)};
}

Result<std::int64_t> read_errno(std::string_view value) {
  std::int64_t code = 0;
  if (!read_number(value, code) || code > std::numeric_limits<std::int32_t>::max() ||
      code < std::numeric_limits<std::int32_t>::min())
    return bad_value("errno");
  return code;
}

enum Field : unsigned {
  kPrivateKey,
  kListenPort,
  kFwmark,
  kPresharedKey,
  kProtocolVersion,
  kEndpoint,
  kHandshakeSec,
  kHandshakeNsec,
  kTxBytes,
  kRxBytes,
  kKeepalive
};

constexpr std::uint32_t bit(unsigned field) { return std::uint32_t{1} << field; }
constexpr std::uint32_t kCounterFields = bit(kHandshakeSec) | bit(kHandshakeNsec) | bit(kTxBytes) | bit(kRxBytes);

// Sorted rather than hashed: keys come from the backend, and a hostile one could choose them to collide.
bool has_duplicate(const std::vector<Peer>& peers) {
  struct Entry {
    std::uint64_t head;
    std::uint32_t index;
  };
  std::vector<Entry> entries;
  entries.reserve(peers.size());
  for (std::uint32_t i = 0; i < peers.size(); ++i) {
    Entry entry{0, i};
    std::memcpy(&entry.head, peers[i].public_key.bytes().data(), sizeof entry.head);
    entries.push_back(entry);
  }
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    return a.head != b.head ? a.head < b.head : peers[a.index].public_key < peers[b.index].public_key;
  });
  return std::adjacent_find(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
           return peers[a.index].public_key == peers[b.index].public_key;
         }) != entries.end();
}

}  // namespace

LineCutter::LineCutter() { kept_.reserve(kMaxLine); }

LineCutter::~LineCutter() {
  kept_.resize(kMaxLine);  // what was kept is still behind the end after clear()
  wipe({reinterpret_cast<std::uint8_t*>(kept_.data()), kept_.size()});
}

Result<std::optional<std::string_view>> LineCutter::next(std::string_view& chunk) {
  if (taken_) kept_.clear();
  taken_ = false;
  const auto newline = chunk.find('\n');
  const std::string_view part = chunk.substr(0, newline);
  if (kept_.size() + part.size() > kMaxLine) return corrupt("the backend sent a line longer than 64 KiB");
  if (newline == std::string_view::npos) {
    kept_.append(part);
    chunk = {};
    return std::optional<std::string_view>{};
  }
  chunk.remove_prefix(newline + 1);
  if (kept_.empty()) return std::optional{part};
  kept_.append(part);
  taken_ = true;
  return std::optional{std::string_view{kept_}};
}

Result<bool> SetAnswerParser::feed(std::string_view chunk) {
  while (true) {
    auto line = lines_.next(chunk);
    if (!line) return line.error();
    if (!*line) return false;
    if (!code_) {
      auto pair = split(**line);
      if (!pair) return pair.error();
      if (pair->key != "errno") return corrupt("the backend answered " + shown(pair->key) + " where errno was due");
      auto code = read_errno(pair->value);
      if (!code) return code.error();
      code_ = *code;
      continue;
    }
    if (!(*line)->empty()) return corrupt("the backend wrote on after errno");
    if (*code_ != 0) return error_of_answer(*code_);
    if (!chunk.empty()) return corrupt("the backend answered more than was asked");
    return true;
  }
}

Result<bool> GetAnswerParser::feed(std::string_view chunk) {
  bytes_ += chunk.size();
  if (bytes_ > limits_.bytes) return corrupt("the backend's answer is longer than " + std::to_string(limits_.bytes) + " bytes");
  while (state_ != State::complete) {
    auto line = lines_.next(chunk);
    if (!line) return line.error();
    if (!*line) return false;
    auto taken = take_line(**line);
    if (!taken) return taken.error();
  }
  if (code_ != 0) return error_of_answer(code_);
  if (!chunk.empty()) return corrupt("the backend answered more than was asked");
  return true;
}

Result<Device> GetAnswerParser::finish() && {
  if (state_ != State::complete) return Error{Errc::unavailable, "the backend's answer stopped halfway"};
  if (has_duplicate(device_.peers)) return corrupt("the backend listed one peer twice");
  return std::move(device_);
}

Result<void> GetAnswerParser::take_line(std::string_view line) {
  if (line.empty()) {
    if (state_ != State::errno_read) return corrupt("the backend ended its answer without errno");
    state_ = State::complete;
    return {};
  }
  if (state_ == State::errno_read) return corrupt("the backend wrote on after errno");
  auto pair = split(line);
  if (!pair) return pair.error();
  if (pair->key == "public_key") return begin_peer(pair->value);
  if (pair->key == "errno") {
    auto code = read_errno(pair->value);
    if (!code) return code.error();
    code_ = *code;
    close_peer();
    state_ = State::errno_read;
    return {};
  }
  return state_ == State::device ? take_device_line(pair->key, pair->value) : take_peer_line(pair->key, pair->value);
}

Result<void> GetAnswerParser::take_device_line(std::string_view key, std::string_view value) {
  if (key == "private_key") {
    if (auto first = once(kPrivateKey, key); !first) return first;
    PrivateKey secret;
    if (!read_secret(value, secret)) return bad_value(key);
    if (secret.is_zero()) return {};
    auto derived = derive_public_key(secret);
    if (!derived) return derived.error();
    device_.public_key = *derived;
    return {};
  }
  if (key == "listen_port") {
    if (auto first = once(kListenPort, key); !first) return first;
    if (!read_number(value, device_.listen_port)) return bad_value(key);
    return {};
  }
  if (key == "fwmark") {
    if (auto first = once(kFwmark, key); !first) return first;
    if (!read_number(value, device_.fwmark)) return bad_value(key);
    return {};
  }
  return take_unknown(key);
}

Result<void> GetAnswerParser::take_peer_line(std::string_view key, std::string_view value) {
  Peer& peer = device_.peers.back();
  if (key == "allowed_ip") {
    if (++allowed_ips_ > limits_.allowed_ips)
      return corrupt("the backend listed more than " + std::to_string(limits_.allowed_ips) + " allowed IPs");
    IpPrefix prefix;
    if (!read_prefix(value, prefix)) return bad_value(key);
    peer.allowed_ips.push_back(prefix);
    return {};
  }
  unsigned field = 0;
  bool good = false;
  if (key == "rx_bytes") {
    field = kRxBytes;
    good = read_number(value, peer.rx_bytes);
  } else if (key == "tx_bytes") {
    field = kTxBytes;
    good = read_number(value, peer.tx_bytes);
  } else if (key == "last_handshake_time_sec") {
    field = kHandshakeSec;
    good = read_seconds(value, peer.last_handshake.sec);
  } else if (key == "last_handshake_time_nsec") {
    field = kHandshakeNsec;
    good = read_nanoseconds(value, peer.last_handshake.nsec);
  } else if (key == "persistent_keepalive_interval") {
    field = kKeepalive;
    good = read_number(value, peer.keepalive_s);
  } else if (key == "preshared_key") {
    field = kPresharedKey;
    good = read_secret(value, peer.preshared_key);
  } else if (key == "endpoint") {
    field = kEndpoint;
    Endpoint endpoint;
    good = read_endpoint(value, endpoint);
    peer.endpoint = endpoint;
  } else if (key == "protocol_version") {
    field = kProtocolVersion;
    good = value == "1";
  } else if (key == "private_key" || key == "listen_port" || key == "fwmark") {
    return corrupt("the backend sent " + shown(key) + " behind a peer");
  } else {
    return take_unknown(key);
  }
  if (auto first = once(field, key); !first) return first;
  if (!good) return bad_value(key);
  return {};
}

Result<void> GetAnswerParser::take_unknown(std::string_view key) {
  if (++unknown_ > kMaxUnknownKeys)
    return corrupt("the backend sends too many keys we don't know, " + shown(key) + " among them");
  return {};
}

Result<void> GetAnswerParser::begin_peer(std::string_view value) {
  std::array<std::uint8_t, PublicKey::kSize> key{};
  if (!read_key(value, key)) return bad_value("public_key");
  close_peer();
  if (device_.peers.size() >= limits_.peers)
    return corrupt("the backend listed more than " + std::to_string(limits_.peers) + " peers");
  device_.peers.emplace_back().public_key = PublicKey{key};
  state_ = State::peer;
  seen_ = 0;
  unknown_ = 0;
  return {};
}

Result<void> GetAnswerParser::once(unsigned field, std::string_view key) {
  if ((seen_ & bit(field)) != 0) return corrupt("the backend sent " + shown(key) + " twice");
  seen_ |= bit(field);
  return {};
}

void GetAnswerParser::close_peer() {
  if (state_ == State::peer) device_.peers.back().has_counters = (seen_ & kCounterFields) == kCounterFields;
}

}  // namespace sanad::wg::uapi
