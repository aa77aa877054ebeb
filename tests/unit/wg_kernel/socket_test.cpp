// The parts of the socket that any process may try on any Linux.

#include "gateway/wg/kernel/netlink/socket.hpp"

#include <gmock/gmock.h>
#include <linux/genetlink.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "gateway/wg/kernel/client.hpp"

namespace sanad::netlink {
namespace {

using testing::HasSubstr;

// The VmFlags line of the mapping that holds this address (proc(5), /proc/pid/smaps).
std::string mapping_flags(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool here = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    std::istringstream range(line);
    if (line.find(':') > line.find('-') && range >> std::hex >> from >> dash >> to && dash == '-')
      here = from <= wanted && wanted < to;
    if (here && line.starts_with("VmFlags:")) return line + " ";
  }
  return {};
}

TEST(Socket, ResolvesAFamilyEveryKernelHas) {
  auto socket = Socket::open(NETLINK_GENERIC).value();
  EXPECT_EQ(resolve_family(socket, "nlctrl").value(), GENL_ID_CTRL);
}

TEST(Socket, SaysThatAFamilyIsUnknownAndGoesOn) {
  auto socket = Socket::open(NETLINK_GENERIC).value();
  const auto unknown = resolve_family(socket, "nobody-has-this");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::not_found) << unknown.error().message;
  EXPECT_THAT(unknown.error().message, HasSubstr("nobody-has-this"));
  EXPECT_EQ(resolve_family(socket, "nlctrl").value(), GENL_ID_CTRL);
}

TEST(Socket, AnswersAreWipedAfterUse) {
  auto socket = Socket::open(NETLINK_GENERIC).value();
  MessageBuilder builder{GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK};
  builder.put_header(genlmsghdr{CTRL_CMD_GETFAMILY, 1, 0});
  builder.put_string(CTRL_ATTR_FAMILY_NAME, "nlctrl");
  Bytes request = builder.finish();
  View answer;
  bool held_something = false;
  ASSERT_TRUE(socket.exchange(request, [&](const Message& message) -> Result<bool> {
    if (read_ending(message).value().finished) return true;
    answer = message.payload;
    held_something = std::any_of(answer.begin(), answer.end(), [](std::uint8_t byte) { return byte != 0; });
    return false;
  }));
  EXPECT_TRUE(held_something);
  EXPECT_TRUE(std::all_of(answer.begin(), answer.end(), [](std::uint8_t byte) { return byte == 0; }));
}

TEST(Socket, AnswersAreReadIntoMemoryThatIsNeitherSwappedNorDumped) {
  auto buffer = ReceiveBuffer::make().value();
  EXPECT_EQ(buffer.bytes().size(), 32U * 1024);
  const std::string flags = mapping_flags(buffer.bytes().data());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // the sanitizers turn mlock(2) into nothing
  EXPECT_THAT(flags, HasSubstr(" lo ")) << "locked";
#endif
  EXPECT_THAT(flags, HasSubstr(" dd ")) << "not dumped";
}

TEST(Socket, ASinkThatFailsEndsTheExchange) {
  auto socket = Socket::open(NETLINK_GENERIC).value();
  MessageBuilder builder{GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_DUMP};
  builder.put_header(genlmsghdr{CTRL_CMD_GETFAMILY, 1, 0});
  Bytes request = builder.finish();
  const auto exchanged = socket.exchange(request, [](const Message&) -> Result<bool> { return Error{Errc::corrupt, "enough"}; });
  ASSERT_FALSE(exchanged);
  EXPECT_EQ(exchanged.error().message, "enough");
}

TEST(KernelClient, OpensWhereTheKernelHasWireguardAndSaysSoWhereNot) {
  const auto available = wg::kernel::kernel_wireguard_available();
  ASSERT_TRUE(available) << available.error().message;
  auto client = wg::kernel::KernelClient::open("nowhere");
  ASSERT_EQ(client.has_value(), *available);
  if (*available) {
    const auto snapshot = (*client)->snapshot();
    ASSERT_FALSE(snapshot);
    EXPECT_THAT(snapshot.error().code, testing::AnyOf(Errc::not_found, Errc::permission_denied)) << snapshot.error().message;
    EXPECT_THAT(snapshot.error().message, testing::StartsWith("couldn't read device nowhere: "));
  } else {
    EXPECT_EQ(client.error().code, Errc::unsupported);
    EXPECT_FALSE(client.error().hint.empty());
  }
}

TEST(KernelClient, RefusesNamesNoInterfaceCanHave) {
  for (const char* name : {"", "sixteen-letters0"}) {
    const auto client = wg::kernel::KernelClient::open(name);
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace sanad::netlink
