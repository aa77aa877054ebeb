#include "gateway/wg/kernel/netlink/message.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <limits>

#include "tests/unit/wg_kernel/golden.hpp"

namespace sanad::netlink {
namespace {

using testing::HasSubstr;

Bytes with_length(std::uint32_t length, std::size_t size) {
  Bytes bytes(size);
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes;
}

TEST(Message, LyingLengthsAreCorrupt) {
  for (const std::uint32_t length : {0U, 1U, 15U, 21U, 0x7fffffffU, 0xffffffffU}) {
    const Bytes bytes = with_length(length, 20);
    View view = bytes;
    const auto message = take_message(view);
    ASSERT_FALSE(message) << length;
    EXPECT_EQ(message.error().code, Errc::corrupt);
  }
  const Bytes shorter_than_a_header(15);
  View view = shorter_than_a_header;
  EXPECT_FALSE(take_message(view));
}

TEST(Message, TheLastOneMayLackItsPadding) {
  Bytes bytes = with_length(18, 18);
  View view = bytes;
  const auto message = take_message(view).value();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payload.size(), 2U);
  EXPECT_TRUE(view.empty());
  EXPECT_FALSE(take_message(view).value());
}

TEST(Message, AttributesThatLieAreCorrupt) {
  for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 3, 9, 0xffff}) {
    Bytes bytes(8);
    std::memcpy(bytes.data(), &length, sizeof length);
    View view = bytes;
    const auto attribute = take_attribute(view);
    ASSERT_FALSE(attribute) << length;
    EXPECT_EQ(attribute.error().code, Errc::corrupt);
  }
}

TEST(Message, WhatIsBuiltIsReadBack) {
  MessageBuilder builder{0x21, NLM_F_REQUEST};
  builder.put_header(std::uint32_t{0x01020304});
  builder.put_string(1, "wg0");
  const std::size_t nest = builder.begin_nest(2);
  builder.put_number<std::uint16_t>(3, 0xbeef);
  builder.put(4, {});
  builder.end_nest(nest);
  const Bytes bytes = builder.finish();
  EXPECT_EQ(builder.size(), 0U) << "finish() hands the bytes over, it keeps none";

  const auto messages = messages_of(bytes);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].type, 0x21);
  EXPECT_EQ(messages[0].flags, NLM_F_REQUEST);
  View payload = messages[0].payload;
  EXPECT_EQ(take_header<std::uint32_t>(payload, "head").value(), 0x01020304U);
  const auto name = take_attribute(payload).value().value();
  EXPECT_EQ(name.type, 1);
  EXPECT_EQ(read_string(name.payload, "name").value(), "wg0");
  auto inner = take_attribute(payload).value().value();
  EXPECT_EQ(inner.type, 2) << "without NLA_F_NESTED";
  const auto number = take_attribute(inner.payload).value().value();
  EXPECT_EQ(read_number<std::uint16_t>(number.payload, "number").value(), 0xbeef);
  const auto wrong = read_number<std::uint32_t>(number.payload, "WGDEVICE_A_FWMARK");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "WGDEVICE_A_FWMARK has 2 bytes, expected 4");
  EXPECT_TRUE(take_attribute(inner.payload).value().value().payload.empty());
  EXPECT_FALSE(take_attribute(inner.payload).value());
  EXPECT_FALSE(take_attribute(payload).value());
}

TEST(Message, StringsEndWithTheirOnlyZero) {
  EXPECT_FALSE(read_string({}, "name"));
  EXPECT_FALSE(read_string(as_bytes("wg0"), "name"));
  EXPECT_FALSE(read_string(as_bytes(std::string_view("w\0g\0", 4)), "name"));
  EXPECT_EQ(read_string(as_bytes(std::string_view("\0", 1)), "name").value(), "");
}

// Negative is what kernels send. Others have been seen to take only one of the signs for an error.
TEST(Ending, BothSignsOfAnErrorAreErrors) {
  for (const std::int32_t code : {-ENODEV, ENODEV}) {
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{NLMSG_ERROR, NLMSG_DONE}) {
      const Bytes payload = code_payload(code);
      const auto ending = read_ending({type, 0, 1, 1, payload}).value();
      EXPECT_TRUE(ending.finished);
      EXPECT_EQ(ending.error, ENODEV);
    }
  }
}

TEST(Ending, KnowsSuccessNoiseAndDamage) {
  const Bytes zero = code_payload(0);
  EXPECT_EQ(read_ending({NLMSG_ERROR, 0, 1, 1, zero}).value().error, 0);
  EXPECT_TRUE(read_ending({NLMSG_ERROR, 0, 1, 1, zero}).value().finished);
  EXPECT_FALSE(read_ending({NLMSG_NOOP, 0, 1, 1, zero}).value().finished);
  EXPECT_FALSE(read_ending({0x21, 0, 1, 1, {}}).value().finished);
  EXPECT_EQ(read_ending({NLMSG_OVERRUN, 0, 1, 1, zero}).error().code, Errc::io);
  const Bytes absurd = code_payload(std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(read_ending({NLMSG_ERROR, 0, 1, 1, absurd}).error().code, Errc::corrupt);
  for (std::size_t size = 0; size < 4; ++size) {
    EXPECT_EQ(read_ending({NLMSG_ERROR, 0, 1, 1, View(zero).first(size)}).error().code, Errc::corrupt);
    EXPECT_EQ(read_ending({NLMSG_DONE, 0, 1, 1, View(zero).first(size)}).error().code, Errc::corrupt);
  }
}

TEST(Ending, CarriesTheKernelsReason) {
  const Bytes bytes = golden("error_bad_key.bin");
  const auto messages = messages_of(bytes);
  ASSERT_EQ(messages.size(), 1U);
  const auto ending = read_ending(messages[0]).value();
  EXPECT_EQ(ending.error, ERANGE);
  EXPECT_EQ(ending.reason, "binary attribute size out of range");
  // However the explanation is damaged, the errno stays.
  for (std::size_t size = 4; size < messages[0].payload.size(); ++size) {
    Message cut = messages[0];
    cut.payload = cut.payload.first(size);
    EXPECT_EQ(read_ending(cut).value().error, ERANGE);
  }
}

TEST(Ending, ReadsTheReasonOfACappedError) {
  MessageBuilder builder{NLMSG_ERROR, NLM_F_CAPPED | 0x200 /* NLM_F_ACK_TLVS */};
  builder.put_header(std::int32_t{-EINVAL});
  nlmsghdr request{};
  request.nlmsg_len = 5000;  // not quoted, because capped
  builder.put_header(request);
  builder.put_string(NLMSGERR_ATTR_MSG, "Invalid prefix");
  Bytes bytes = builder.finish();
  EXPECT_EQ(read_ending(messages_of(bytes)[0]).value().reason, "Invalid prefix");
}

}  // namespace
}  // namespace sanad::netlink
