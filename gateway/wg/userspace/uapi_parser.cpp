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
  if (text == "0") {  // most counters of most peers
    out = 0;
    return true;
  }
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

// Without a branch for each digit: what was no digit shows in the sign of all.
bool read_key(std::string_view text, std::array<std::uint8_t, 32>& out) {
  if (text.size() != 64) return false;
  int all = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = kHexValue[static_cast<unsigned char>(text[2 * i])];
    const int low = kHexValue[static_cast<unsigned char>(text[2 * i + 1])];
    all |= high | low;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return all >= 0;
}

bool read_secret(std::string_view text, Secret32& out) {
  static constexpr std::string_view kNone = "0000000000000000000000000000000000000000000000000000000000000000";
  if (text == kNone) return true;  // as it was made; nearly every peer's
  std::array<std::uint8_t, 32> bytes{};
  const bool good = read_key(text, bytes);
  if (good) out.assign(bytes);
  wipe(bytes);
  return good;
}

// Four numbers of one to three digits, none with a zero in front, as inet_pton takes them.
bool read_v4(std::string_view text, IpAddress& out) {
  std::array<std::uint8_t, 4> bytes{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && (at == text.size() || text[at++] != '.')) return false;
    const std::size_t begin = at;
    unsigned value = 0;
    for (; at < text.size() && at - begin < 3 && text[at] >= '0' && text[at] <= '9'; ++at)
      value = value * 10 + static_cast<unsigned>(text[at] - '0');
    if (at == begin || value > 255 || (text[begin] == '0' && at - begin > 1)) return false;
    bytes[i] = static_cast<std::uint8_t>(value);
  }
  if (at != text.size()) return false;
  out = IpAddress::v4(bytes);
  return true;
}

// IpAddress::parse makes strings; here it would be two for every allowed IP of every poll.
bool read_address(std::string_view text, IpAddress& out) {
  std::array<char, INET6_ADDRSTRLEN> zero_terminated{};
  if (text.empty() || text.size() >= zero_terminated.size()) return false;
  if (std::memchr(text.data(), ':', text.size()) == nullptr) return read_v4(text, out);
  std::copy(text.begin(), text.end(), zero_terminated.begin());
  if (std::memchr(text.data(), '\0', text.size()) != nullptr) return false;
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, zero_terminated.data(), bytes.data()) != 1) return false;
  out = IpAddress::v6(bytes);
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

// False where there is no "=". The key may be any bytes.
bool split(std::string_view line, Line& out) {
  const void* equals = line.empty() ? nullptr : std::memchr(line.data(), '=', line.size());
  if (equals == nullptr) return false;
  const auto size = static_cast<std::size_t>(static_cast<const char*>(equals) - line.data());
  out = Line{line.substr(0, size), line.substr(size + 1)};
  return true;
}

Error not_a_pair() { return corrupt("the backend sent a line that is not key=value"); }

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
  kKeepalive,
  kAllowedIp,
  kUnknown
};

// By the length first, which tells nearly all of them apart.
Field field_of(std::string_view key) {
  switch (key.size()) {
    case 6:
      return key == "fwmark" ? kFwmark : kUnknown;
    case 8:
      return key == "rx_bytes" ? kRxBytes : key == "tx_bytes" ? kTxBytes : key == "endpoint" ? kEndpoint : kUnknown;
    case 10:
      return key == "allowed_ip" ? kAllowedIp : kUnknown;
    case 11:
      return key == "private_key" ? kPrivateKey : key == "listen_port" ? kListenPort : kUnknown;
    case 13:
      return key == "preshared_key" ? kPresharedKey : kUnknown;
    case 16:
      return key == "protocol_version" ? kProtocolVersion : kUnknown;
    case 23:
      return key == "last_handshake_time_sec" ? kHandshakeSec : kUnknown;
    case 24:
      return key == "last_handshake_time_nsec" ? kHandshakeNsec : kUnknown;
    case 29:
      return key == "persistent_keepalive_interval" ? kKeepalive : kUnknown;
    default:
      return kUnknown;
  }
}

constexpr std::uint32_t bit(unsigned field) { return std::uint32_t{1} << field; }
constexpr std::uint32_t kCounterFields = bit(kHandshakeSec) | bit(kHandshakeNsec) | bit(kTxBytes) | bit(kRxBytes);

constexpr std::string_view kIdlePeer =
    "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
    "protocol_version=1\n"
    "last_handshake_time_sec=0\n"
    "last_handshake_time_nsec=0\n"
    "tx_bytes=0\n"
    "rx_bytes=0\n"
    "persistent_keepalive_interval=0\n";
constexpr std::uint32_t kIdleFields = kCounterFields | bit(kPresharedKey) | bit(kProtocolVersion) | bit(kKeepalive);

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

bool LineCutter::next(std::string_view& chunk, std::string_view& line) {
  if (taken_) kept_.clear();
  taken_ = false;
  const void* newline = chunk.empty() ? nullptr : std::memchr(chunk.data(), '\n', chunk.size());
  const std::size_t size =
      newline == nullptr ? chunk.size() : static_cast<std::size_t>(static_cast<const char*>(newline) - chunk.data());
  const std::string_view part = chunk.substr(0, size);
  if (kept_.size() + part.size() > kMaxLine) {
    too_long_ = true;
    return false;
  }
  if (newline == nullptr) {
    kept_.append(part);
    chunk = {};
    return false;
  }
  chunk.remove_prefix(size + 1);
  line = part;
  if (kept_.empty()) return true;
  kept_.append(part);
  taken_ = true;
  line = kept_;
  return true;
}

Error LineCutter::error() { return corrupt("the backend sent a line longer than 64 KiB"); }

Result<bool> SetAnswerParser::feed(std::string_view chunk) {
  for (std::string_view line; lines_.next(chunk, line);) {
    if (!code_) {
      Line pair;
      if (!split(line, pair) || !is_key_name(pair.key)) return not_a_pair();
      if (pair.key != "errno") return corrupt("the backend answered " + shown(pair.key) + " where errno was due");
      auto code = read_errno(pair.value);
      if (!code) return code.error();
      code_ = *code;
      continue;
    }
    if (!line.empty()) return corrupt("the backend wrote on after errno");
    if (*code_ != 0) return error_of_answer(*code_);
    if (!chunk.empty()) return corrupt("the backend answered more than was asked");
    return true;
  }
  if (lines_.too_long()) return LineCutter::error();
  return false;
}

Result<bool> GetAnswerParser::feed(std::string_view chunk) {
  bytes_ += chunk.size();
  if (bytes_ > limits_.bytes) return corrupt("the backend's answer is longer than " + std::to_string(limits_.bytes) + " bytes");
  std::string_view line;
  while (state_ != State::complete && lines_.next(chunk, line)) {
    if (!take_line(line)) return *error_;
    if (seen_ == 0 && state_ == State::peer) skip_idle(chunk);
  }
  if (lines_.too_long()) return LineCutter::error();
  if (state_ != State::complete) return false;
  if (code_ != 0) return error_of_answer(code_);
  if (!chunk.empty()) return corrupt("the backend answered more than was asked");
  return true;
}

std::vector<Peer> GetAnswerParser::take_settled(std::size_t room) {
  std::vector<Peer> rest;
  rest.reserve(room);
  if (state_ == State::peer) {
    rest.push_back(std::move(device_.peers.back()));
    device_.peers.pop_back();
  }
  taken_ += device_.peers.size();
  return std::exchange(device_.peers, std::move(rest));
}

Result<Device> GetAnswerParser::finish() && {
  if (state_ != State::complete) return Error{Errc::unavailable, "the backend's answer stopped halfway"};
  if (has_duplicate(device_.peers)) return corrupt("the backend listed one peer twice");
  return std::move(device_);
}

// What a wireguard-go says of a peer without a pre-shared key that has never come is always the same: nothing in it needs
// reading.
void GetAnswerParser::skip_idle(std::string_view& chunk) {
  if (!chunk.starts_with(kIdlePeer)) return;
  chunk.remove_prefix(kIdlePeer.size());
  seen_ = kIdleFields;
}

bool GetAnswerParser::fail(Error error) {
  error_ = std::move(error);
  return false;
}

bool GetAnswerParser::take_line(std::string_view line) {
  if (line.empty()) {
    if (state_ != State::errno_read) return fail(corrupt("the backend ended its answer without errno"));
    state_ = State::complete;
    return true;
  }
  if (state_ == State::errno_read) return fail(corrupt("the backend wrote on after errno"));
  Line pair;
  if (!split(line, pair)) return fail(not_a_pair());
  if (pair.key == "public_key") return begin_peer(pair.value);
  if (pair.key == "errno") {
    auto code = read_errno(pair.value);
    if (!code) return fail(code.error());
    code_ = *code;
    close_peer();
    state_ = State::errno_read;
    return true;
  }
  return state_ == State::device ? take_device_line(pair.key, pair.value) : take_peer_line(pair.key, pair.value);
}

bool GetAnswerParser::take_device_line(std::string_view key, std::string_view value) {
  if (key == "private_key") {
    if (!once(kPrivateKey, key)) return false;
    PrivateKey secret;
    if (!read_secret(value, secret)) return fail(bad_value(key));
    if (secret.is_zero()) return true;
    auto derived = derive_public_key(secret);
    if (!derived) return fail(derived.error());
    device_.public_key = *derived;
    return true;
  }
  if (key == "listen_port") return once(kListenPort, key) && (read_number(value, device_.listen_port) || fail(bad_value(key)));
  if (key == "fwmark") return once(kFwmark, key) && (read_number(value, device_.fwmark) || fail(bad_value(key)));
  return take_unknown(key);
}

bool GetAnswerParser::take_peer_line(std::string_view key, std::string_view value) {
  Peer& peer = device_.peers.back();
  const Field field = field_of(key);
  bool good = false;
  switch (field) {
    case kAllowedIp: {
      if (++allowed_ips_ > limits_.allowed_ips)
        return fail(corrupt("the backend listed more than " + std::to_string(limits_.allowed_ips) + " allowed IPs"));
      IpPrefix prefix;
      if (!read_prefix(value, prefix)) return fail(bad_value(key));
      peer.allowed_ips.push_back(prefix);
      return true;
    }
    case kRxBytes:
      good = read_number(value, peer.rx_bytes);
      break;
    case kTxBytes:
      good = read_number(value, peer.tx_bytes);
      break;
    case kHandshakeSec:
      good = read_seconds(value, peer.last_handshake.sec);
      break;
    case kHandshakeNsec:
      good = read_nanoseconds(value, peer.last_handshake.nsec);
      break;
    case kKeepalive:
      good = read_number(value, peer.keepalive_s);
      break;
    case kPresharedKey:
      good = read_secret(value, peer.preshared_key);
      break;
    case kEndpoint:
      good = read_endpoint(value, peer.endpoint.emplace());
      break;
    case kProtocolVersion:
      good = value == "1";
      break;
    case kPrivateKey:
    case kListenPort:
    case kFwmark:
      return fail(corrupt("the backend sent " + shown(key) + " behind a peer"));
    case kUnknown:
      return take_unknown(key);
  }
  return once(field, key) && (good || fail(bad_value(key)));
}

bool GetAnswerParser::take_unknown(std::string_view key) {
  if (!is_key_name(key)) return fail(not_a_pair());
  if (++unknown_ > kMaxUnknownKeys)
    return fail(corrupt("the backend sends too many keys we don't know, " + shown(key) + " among them"));
  return true;
}

bool GetAnswerParser::begin_peer(std::string_view value) {
  std::array<std::uint8_t, PublicKey::kSize> key{};
  if (!read_key(value, key)) return fail(bad_value("public_key"));
  close_peer();
  if (taken_ + device_.peers.size() >= limits_.peers)
    return fail(corrupt("the backend listed more than " + std::to_string(limits_.peers) + " peers"));
  device_.peers.emplace_back().public_key = PublicKey{key};
  state_ = State::peer;
  seen_ = 0;
  unknown_ = 0;
  return true;
}

bool GetAnswerParser::once(unsigned field, std::string_view key) {
  if ((seen_ & bit(field)) != 0) return fail(corrupt("the backend sent " + shown(key) + " twice"));
  seen_ |= bit(field);
  return true;
}

void GetAnswerParser::close_peer() {
  if (state_ == State::peer) device_.peers.back().has_counters = (seen_ & kCounterFields) == kCounterFields;
}

}  // namespace sanad::wg::uapi
