// rtnetlink bytes of a real kernel (tests/testdata/netlink) and made-up damage.

#include "gateway/link/codec.hpp"

#include <gmock/gmock.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "gateway/link/watch.hpp"

namespace sanad::link {
namespace {

using netlink::Message;
using netlink::MessageBuilder;
using netlink::View;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

std::string golden_text(const std::string& name) {
  std::ifstream file(std::string(SANAD_TESTDATA) + "/netlink/" + name, std::ios::binary);
  EXPECT_TRUE(file) << "no test data " << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

Bytes golden(const std::string& name) {
  const std::string text = golden_text(name);
  return {text.begin(), text.end()};
}

std::vector<Message> messages_of(View bytes) {
  std::vector<Message> out;
  while (true) {
    auto message = netlink::take_message(bytes).value();
    if (!message) return out;
    out.push_back(*message);
  }
}

TEST(LinkEvents, TellTheLifeOfAWireguardInterface) {
  const auto events = decode_link_events(golden("links.bin"));
  ASSERT_TRUE(events) << events.error().message;
  std::vector<LinkEvent> own;
  for (const LinkEvent& event : *events) {
    EXPECT_EQ(event.name, "wg7");
    // Kernels repeat themselves: one change makes one to three notices.
    if (own.empty() || !(own.back() == event)) own.push_back(event);
  }
  ASSERT_FALSE(own.empty());
  const std::uint32_t ifindex = own.front().ifindex;
  EXPECT_GT(ifindex, 0U);
  EXPECT_THAT(own, ElementsAre(LinkEvent{"wg7", ifindex, false, false, false}, LinkEvent{"wg7", ifindex, true, false, false},
                               LinkEvent{"wg7", ifindex, false, false, false}, LinkEvent{"wg7", ifindex, false, true, false}));
}

TEST(Link, KindAndMtuAreRead) {
  const Bytes bytes = golden("links.bin");
  std::vector<std::uint32_t> mtus;
  for (const Message& message : messages_of(bytes)) {
    const auto link = decode_link(message).value();
    ASSERT_TRUE(link);
    EXPECT_EQ(link->kind, "wireguard");
    if (mtus.empty() || mtus.back() != link->mtu) mtus.push_back(link->mtu);
  }
  EXPECT_THAT(mtus, ElementsAre(1420, 1400));
}

TEST(Addresses, AreTheOnesIpShows) {
  const Bytes bytes = golden("addresses.bin");
  std::vector<std::string> read;
  for (const Message& message : messages_of(bytes)) {
    const auto record = decode_address(message).value();
    if (record)
      read.push_back(std::to_string(record->ifindex) + " " + record->address.to_string() +
                     (record->global ? " global" : " host"));
  }
  // "3: wg0    inet 10.66.0.1/16 scope global wg0\ ..."
  std::vector<std::string> shown;
  std::istringstream lines(golden_text("addresses.txt"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string index, name, family, address, scope_word, scope;
    words >> index >> name >> family >> address >> scope_word >> scope;
    index.pop_back();
    shown.push_back(index + " " + address + " " + scope);
  }
  EXPECT_EQ(shown.size(), 6U);
  EXPECT_THAT(read, testing::UnorderedElementsAreArray(shown));
}

TEST(Addresses, ThePointToPointPartnerIsNotOurs) {
  MessageBuilder builder{RTM_NEWADDR, 0};
  builder.put_header(ifaddrmsg{AF_INET, 32, 0, RT_SCOPE_UNIVERSE, 4});
  builder.put(IFA_ADDRESS, Bytes{10, 0, 0, 2});
  builder.put(IFA_LOCAL, Bytes{10, 0, 0, 1});
  const Bytes bytes = builder.finish();
  EXPECT_EQ(decode_address(messages_of(bytes)[0]).value()->address.to_string(), "10.0.0.1/32");
}

// Cut every message at every byte: an error, or a shorter message that is whole; never a wrong name or address.
TEST(Damage, CutMessagesAreCorruptOrTellLess) {
  const Bytes links = golden("links.bin");
  for (Message message : messages_of(links)) {
    const View whole = message.payload;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      message.payload = whole.first(size);
      const auto link = decode_link(message);
      if (!link) {
        EXPECT_EQ(link.error().code, Errc::corrupt);
      } else {
        EXPECT_EQ((*link)->name, "wg7");
      }
    }
  }
  const Bytes addresses = golden("addresses.bin");
  std::size_t refused = 0;
  for (Message message : messages_of(addresses)) {
    const View whole = message.payload;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      message.payload = whole.first(size);
      const auto address = decode_address(message);
      if (!address) ++refused;
    }
  }
  EXPECT_GT(refused, 100U);
  for (std::size_t size = 1; size < links.size(); ++size) {
    const auto events = decode_link_events(View(links).first(size));
    if (!events) {
      EXPECT_EQ(events.error().code, Errc::corrupt);
    }
  }
}

TEST(Damage, ImpossibleValuesAreCorrupt) {
  const auto address = [](std::uint8_t family, std::uint8_t length, const Bytes& bytes) {
    MessageBuilder builder{RTM_NEWADDR, 0};
    builder.put_header(ifaddrmsg{family, length, 0, 0, 1});
    builder.put(IFA_ADDRESS, bytes);
    return builder.finish();
  };
  for (const Bytes& bytes : {address(AF_INET, 33, Bytes(4)), address(AF_INET6, 129, Bytes(16)), address(AF_INET, 24, Bytes(16)),
                             address(AF_INET6, 64, Bytes(4))}) {
    const auto decoded = decode_address(messages_of(bytes)[0]);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, Errc::corrupt);
  }
  MessageBuilder nameless{RTM_NEWLINK, 0};
  ifinfomsg header{};
  header.ifi_index = 4;
  nameless.put_header(header);
  const Bytes bytes = nameless.finish();
  EXPECT_FALSE(decode_link(messages_of(bytes)[0]));
}

TEST(LinkEvents, LeavingABridgeIsNotBeingRemoved) {
  MessageBuilder builder{RTM_DELLINK, 0};
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = 4;
  builder.put_header(header);
  builder.put_string(IFLA_IFNAME, "wg0");
  const Bytes bytes = builder.finish();
  EXPECT_THAT(decode_link_events(bytes).value(), IsEmpty());
}

TEST(Routes, WhatIsEncodedIsReadBackAndMarkedAsOurs) {
  for (const char* text : {"172.16.0.0/12", "2001:db8::/32", "10.0.0.1/32"}) {
    const IpPrefix prefix = IpPrefix::parse(text).value();
    const Bytes bytes = encode_add_route(9, prefix);
    const auto route = decode_route(messages_of(bytes)[0]).value().value();
    EXPECT_EQ(route.destination, prefix);
    EXPECT_EQ(route.ifindex, 9U);
    EXPECT_EQ(route.protocol, 0x53);
    EXPECT_EQ(route.table, static_cast<std::uint32_t>(RT_TABLE_MAIN));
    EXPECT_EQ(messages_of(bytes)[0].flags & NLM_F_REPLACE, 0) << "somebody else's route is never replaced";
  }
}

}  // namespace
}  // namespace sanad::link
