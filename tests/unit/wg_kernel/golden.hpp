#pragma once
// Captured netlink bytes (tests/testdata/netlink) and netlink messages made up for a test.

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gateway/wg/kernel/netlink/message.hpp"

namespace sanad::netlink {

inline std::string golden_text(const std::string& name) {
  std::ifstream file(std::string(SANAD_TESTDATA) + "/netlink/" + name, std::ios::binary);
  EXPECT_TRUE(file) << "no test data " << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Bytes golden(const std::string& name) {
  const std::string text = golden_text(name);
  return {text.begin(), text.end()};
}

inline std::vector<Message> messages_of(View bytes) {
  std::vector<Message> out;
  while (true) {
    auto message = take_message(bytes).value();
    if (!message) return out;
    out.push_back(*message);
  }
}

// The payload of an NLMSG_ERROR or NLMSG_DONE with this code.
inline Bytes code_payload(std::int32_t code) {
  Bytes bytes(sizeof code);
  std::memcpy(bytes.data(), &code, sizeof code);
  return bytes;
}

}  // namespace sanad::netlink
