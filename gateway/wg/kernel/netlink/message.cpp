#include "gateway/wg/kernel/netlink/message.hpp"

#include <linux/netlink.h>

#include <cstdlib>
#include <limits>

#include "gateway/base/secret.hpp"

// Newer than the headers of Debian 12 promise; include/uapi/linux/netlink.h.
#ifndef NLM_F_ACK_TLVS
#define NLM_F_ACK_TLVS 0x200
#endif

namespace sanad::netlink {
namespace {

constexpr std::size_t aligned(std::size_t size) { return (size + 3) / 4 * 4; }

// The attributes behind an error carry the kernel's reason. They only explain: damage here never hides the errno.
std::string read_reason(const Message& message, View rest) {
  if ((message.flags & NLM_F_ACK_TLVS) == 0 || rest.size() < sizeof(nlmsghdr)) return {};
  nlmsghdr request;
  std::memcpy(&request, rest.data(), sizeof request);
  // Unless capped, the whole request is quoted before the attributes.
  const std::size_t quoted = (message.flags & NLM_F_CAPPED) != 0 ? sizeof request : aligned(request.nlmsg_len);
  if (quoted < sizeof request || quoted > rest.size()) return {};
  std::string reason;
  const auto walked = for_each_attribute(rest.subspan(quoted), [&reason](const Attribute& attribute) -> Result<void> {
    if (attribute.type != NLMSGERR_ATTR_MSG) return {};
    auto text = read_string(attribute.payload, "the kernel's reason");
    if (text && is_plain_text(*text)) reason = *std::move(text);
    return {};
  });
  return walked ? reason : std::string{};
}

}  // namespace

bool Message::dump_interrupted() const { return (flags & NLM_F_DUMP_INTR) != 0; }

Error wrong_length(std::string_view what, std::size_t got, std::size_t expected) {
  return Error{Errc::corrupt, std::string(what) + " has " + std::to_string(got) + " bytes, expected " + std::to_string(expected)};
}

Result<std::optional<Message>> take_message(View& buffer) {
  if (buffer.empty()) return std::optional<Message>{};
  if (buffer.size() < sizeof(nlmsghdr)) return wrong_length("a netlink message header", buffer.size(), sizeof(nlmsghdr));
  nlmsghdr header;
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > buffer.size())
    return wrong_length("a netlink message", buffer.size(), header.nlmsg_len);
  Message message{header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq, header.nlmsg_pid,
                  buffer.subspan(sizeof header, header.nlmsg_len - sizeof header)};
  buffer = buffer.subspan(std::min<std::size_t>(aligned(header.nlmsg_len), buffer.size()));
  return std::optional<Message>{message};
}

Result<Ending> read_ending(const Message& message) {
  if (message.type == NLMSG_OVERRUN) return Error{Errc::io, "the kernel reports lost netlink data (NLMSG_OVERRUN)"};
  if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) return Ending{};
  if (message.payload.size() < sizeof(std::int32_t))
    return wrong_length(message.type == NLMSG_DONE ? "the end of a netlink dump" : "a netlink error", message.payload.size(),
                        sizeof(std::int32_t));
  const auto code = read_number<std::int32_t>(message.payload.first(sizeof(std::int32_t)), "a netlink error code");
  if (*code == std::numeric_limits<std::int32_t>::min()) return Error{Errc::corrupt, "a netlink error code is out of range"};
  Ending ending{true, std::abs(*code), {}};
  if (ending.error != 0 && message.type == NLMSG_ERROR)
    ending.reason = read_reason(message, message.payload.subspan(sizeof(std::int32_t)));
  return ending;
}

Result<std::optional<Attribute>> take_attribute(View& attributes) {
  if (attributes.empty()) return std::optional<Attribute>{};
  if (attributes.size() < sizeof(nlattr)) return wrong_length("a netlink attribute header", attributes.size(), sizeof(nlattr));
  nlattr header;
  std::memcpy(&header, attributes.data(), sizeof header);
  if (header.nla_len < sizeof header || header.nla_len > attributes.size())
    return wrong_length("netlink attribute " + std::to_string(header.nla_type & NLA_TYPE_MASK), attributes.size(),
                        header.nla_len);
  Attribute attribute{static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                      attributes.subspan(sizeof header, header.nla_len - sizeof header)};
  attributes = attributes.subspan(std::min(aligned(header.nla_len), attributes.size()));
  return std::optional<Attribute>{attribute};
}

Error AttributeWalk::error() const {
  View rest = rest_;
  return take_attribute(rest).error();
}

Result<std::string> read_string(View bytes, std::string_view what) {
  if (bytes.empty() || bytes.back() != 0) return Error{Errc::corrupt, std::string(what) + " is not ended by a zero byte"};
  std::string text(bytes.begin(), bytes.end() - 1);
  if (text.find('\0') != std::string::npos) return Error{Errc::corrupt, std::string(what) + " has a zero byte inside"};
  return text;
}

MessageBuilder::MessageBuilder(std::uint16_t type, std::uint16_t flags, std::size_t capacity) {
  bytes_.resize(capacity);
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  put_header(header);
}

MessageBuilder::~MessageBuilder() {
  if (!bytes_.empty()) wipe(bytes_);
}

void MessageBuilder::put_string(std::uint16_t type, std::string_view text) {
  const std::string ended(text);
  put(type, {reinterpret_cast<const std::uint8_t*>(ended.c_str()), ended.size() + 1});
}

std::size_t MessageBuilder::begin_nest(std::uint16_t type) {
  const std::size_t start = used_;
  put(static_cast<std::uint16_t>(type | NLA_F_NESTED), {});
  return start;
}

void MessageBuilder::end_nest(std::size_t start) {
  const auto length = static_cast<std::uint16_t>(used_ - start);
  std::memcpy(bytes_.data() + start, &length, sizeof length);
}

Bytes MessageBuilder::finish() {
  const auto length = static_cast<std::uint32_t>(used_);
  std::memcpy(bytes_.data(), &length, sizeof length);
  bytes_.resize(used_);
  used_ = 0;
  return std::exchange(bytes_, {});
}

}  // namespace sanad::netlink
