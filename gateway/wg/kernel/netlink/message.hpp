#pragma once
// Netlink messages as bytes: taken apart and put together, without a socket. Pure, any thread.
// Formats: include/uapi/linux/netlink.h, Documentation/userspace-api/netlink/intro.rst. All numbers are in host order,
// everything is padded to four bytes. Bytes from the kernel are checked like anybody's: lengths first, then a copy.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "gateway/base/encoding.hpp"
#include "gateway/base/result.hpp"

namespace sanad::netlink {

using View = std::span<const std::uint8_t>;

// One message as it lies in a receive buffer; `payload` points into that buffer.
struct Message {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  std::uint32_t port = 0;
  View payload;
  [[nodiscard]] bool dump_interrupted() const;  // NLM_F_DUMP_INTR: the data changed while the kernel was dumping it
};

// Takes the first message off `buffer`; nothing when it is empty. corrupt: the length lies.
Result<std::optional<Message>> take_message(View& buffer);

// What a message says about the exchange it belongs to.
struct Ending {
  bool finished = false;  // no further message of this answer follows
  int error = 0;          // errno, always positive; 0 = success
  std::string reason;     // the kernel's own words (extended ACK), often empty
};
// NLMSG_DONE and NLMSG_ERROR (which is also the ACK) end an answer; everything else does not.
// Both signs of errno are accepted. corrupt: too short; io: NLMSG_OVERRUN.
Result<Ending> read_ending(const Message& message);

struct Attribute {
  std::uint16_t type = 0;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  View payload;
};

// Takes the first attribute off `attributes`; nothing when only padding is left. corrupt: the length lies.
Result<std::optional<Attribute>> take_attribute(View& attributes);

// Calls `visit(const Attribute&) -> Result<void>` for each attribute until one fails.
template <class Visitor>
Result<void> for_each_attribute(View attributes, Visitor&& visit) {
  while (true) {
    const auto attribute = take_attribute(attributes);
    if (!attribute) return attribute.error();
    if (!*attribute) return {};
    if (auto visited = visit(**attribute); !visited) return visited;
  }
}

// "<what> has <n> bytes, expected <m>"
Error wrong_length(std::string_view what, std::size_t got, std::size_t expected);

// The same as a loop, for what comes by the million: `for (Attribute a; walk.next(a);) ...; if (walk.broken()) return
// walk.error();`.
class AttributeWalk {
 public:
  explicit AttributeWalk(View attributes) : rest_(attributes) {}

  // False at the end, and where the length lies.
  bool next(Attribute& out) {
    if (rest_.size() < kHeader) return false;
    std::uint16_t length = 0;
    std::uint16_t type = 0;
    std::memcpy(&length, rest_.data(), sizeof length);
    std::memcpy(&type, rest_.data() + sizeof length, sizeof type);
    if (length < kHeader || length > rest_.size()) return false;
    out.type = type & kTypeMask;
    out.payload = rest_.subspan(kHeader, length - kHeader);
    rest_ = rest_.subspan(std::min<std::size_t>((length + std::size_t{3}) / 4 * 4, rest_.size()));
    return true;
  }
  // Whether it stopped where the length lies, and not at the end.
  [[nodiscard]] bool broken() const { return !rest_.empty(); }
  // What take_attribute() says of that place.
  [[nodiscard]] Error error() const;

 private:
  static constexpr std::size_t kHeader = 4;           // struct nlattr
  static constexpr std::uint16_t kTypeMask = 0x3FFF;  // NLA_TYPE_MASK
  View rest_;
};

// A number of exactly this width; `what` names the attribute in the error (corrupt).
template <class Number>
Result<Number> read_number(View bytes, std::string_view what) {
  static_assert(std::is_integral_v<Number>);
  if (bytes.size() != sizeof(Number)) return wrong_length(what, bytes.size(), sizeof(Number));
  Number value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Copies the fixed header a payload starts with and shortens the payload by it.
template <class Header>
Result<Header> take_header(View& payload, std::string_view what) {
  static_assert(std::is_trivially_copyable_v<Header>);
  if (payload.size() < sizeof(Header)) return wrong_length(what, payload.size(), sizeof(Header));
  Header header;
  std::memcpy(&header, payload.data(), sizeof header);
  payload = payload.subspan(sizeof(Header));
  return header;
}

// The text of a string attribute, without the zero that ends it.
Result<std::string> read_string(View bytes, std::string_view what);

// Builds one message. The memory is taken once, so that secrets are not left behind in outgrown copies; a builder that is
// destroyed unfinished wipes what it holds.
class MessageBuilder {
 public:
  // `capacity` in bytes bounds the message: whoever builds long ones asks size() before adding.
  MessageBuilder(std::uint16_t type, std::uint16_t flags, std::size_t capacity = 4096);
  MessageBuilder(const MessageBuilder&) = delete;
  MessageBuilder& operator=(const MessageBuilder&) = delete;
  ~MessageBuilder();

  template <class Header>
  void put_header(const Header& header) {
    static_assert(std::is_trivially_copyable_v<Header>);
    put_raw(&header, sizeof header);
  }
  void put(std::uint16_t type, View payload) {
    const auto length = static_cast<std::uint16_t>(kAttributeHeader + payload.size());
    std::uint8_t* at = room_for(kAttributeHeader + payload.size());
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + sizeof length, &type, sizeof type);
    if (!payload.empty()) std::memcpy(at + kAttributeHeader, payload.data(), payload.size());
  }
  template <class Number>
  void put_number(std::uint16_t type, Number value) {
    static_assert(std::is_integral_v<Number>);
    std::uint8_t bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    put(type, bytes);
  }
  void put_string(std::uint16_t type, std::string_view text);  // adds the ending zero
  [[nodiscard]] std::size_t begin_nest(std::uint16_t type);    // returns the handle end_nest() wants
  void end_nest(std::size_t start);

  [[nodiscard]] std::size_t size() const { return used_; }
  Bytes finish();  // the length is filled in; sequence and port are the socket's business

 private:
  static constexpr std::size_t kAttributeHeader = 4;  // struct nlattr

  // Where the next `size` bytes go; they and the padding behind them are zero.
  std::uint8_t* room_for(std::size_t size) {
    const std::size_t at = used_;
    used_ += (size + 3) / 4 * 4;
    if (used_ > bytes_.size()) bytes_.resize(used_);
    return bytes_.data() + at;
  }
  void put_raw(const void* data, std::size_t size) { std::memcpy(room_for(size), data, size); }

  Bytes bytes_;
  std::size_t used_ = 0;
};

// The size an attribute with this payload takes, header and padding included.
constexpr std::size_t attribute_size(std::size_t payload) { return (4 + payload + 3) / 4 * 4; }

}  // namespace sanad::netlink
