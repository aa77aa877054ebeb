#include "gateway/wg/userspace/client.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>

#include "fake_backend.hpp"

namespace sanad::wg {
namespace {

// The client asks for the interface's index; loopback is the one every host has.
constexpr const char* kName = "lo";

PeerChange peer_number(std::uint8_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[0] = n;
  bytes[31] = 1;
  PeerChange peer;
  peer.public_key = PublicKey{bytes};
  return peer;
}

TEST(UserspaceClient, ReadsBackWhatItSet) {
  FakeBackend backend(kName);
  UserspaceClient client(kName, backend.directory());
  DeviceChange change;
  change.private_key = generate_private_key().value();
  change.listen_port = std::uint16_t{51820};
  change.peers = {peer_number(1), peer_number(2)};
  change.peers[0].keepalive_s = std::uint16_t{25};
  change.peers[0].add_allowed_ips = {*IpPrefix::parse("10.66.0.2/32")};
  change.peers[1].preshared_key = generate_preshared_key().value();
  ASSERT_TRUE(client.apply(change));

  const auto snapshot = client.snapshot().value();
  EXPECT_TRUE(snapshot.complete);
  EXPECT_GE(snapshot.finished.boot, snapshot.started.boot);
  EXPECT_EQ(snapshot.device.name, kName);
  EXPECT_EQ(snapshot.device.ifindex, ::if_nametoindex(kName));
  EXPECT_EQ(snapshot.device.public_key, derive_public_key(*change.private_key).value());
  EXPECT_EQ(snapshot.device.listen_port, 51820);
  ASSERT_EQ(snapshot.device.peers.size(), 2U);
  EXPECT_EQ(snapshot.device.peers[0].keepalive_s, 25);
  EXPECT_EQ(snapshot.device.peers[0].allowed_ips, change.peers[0].add_allowed_ips);
  EXPECT_TRUE(snapshot.device.peers[1].preshared_key == *change.peers[1].preshared_key);

  DeviceChange removal;
  removal.peers = {peer_number(1)};
  removal.peers[0].remove = true;
  ASSERT_TRUE(client.apply(removal));
  EXPECT_EQ(client.snapshot().value().device.peers.size(), 1U);
}

TEST(UserspaceClient, IdentityNamesTheListeningProcess) {
  FakeBackend backend(kName);
  UserspaceClient client(kName, backend.directory());
  const auto self = read_process(::getpid()).value();
  const std::string expected = "userspace:" + std::to_string(self.pid) + ":" + std::to_string(self.start_ticks) + ":" +
                               std::to_string(::if_nametoindex(kName));
  EXPECT_EQ(client.snapshot().value().identity, expected);
  EXPECT_EQ(client.snapshot().value().identity, expected);
}

TEST(UserspaceClient, StopsAtTheFirstRefusedBlockAndNamesIt) {
  FakeBackend backend(kName);
  UserspaceClient client(kName, backend.directory());
  DeviceChange change;
  for (std::uint8_t i = 0; i < 100; ++i) {
    change.peers.push_back(peer_number(i));
    change.peers.back().remove = true;
  }
  backend.refuse_set(1, -22);
  auto done = client.apply(change);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::io);
  EXPECT_NE(done.error().message.find("peers 33 to 64 of 100"), std::string::npos) << done.error().message;
  EXPECT_EQ(backend.sets().size(), 2U);
}

TEST(UserspaceClient, AnEmptyChangeAsksNothing) {
  UserspaceClient client(kName, "/nonexistent");
  EXPECT_TRUE(client.apply({}));
}

TEST(UserspaceClient, TellsNoSocketFromADeadOne) {
  FakeBackend backend(kName);
  DeviceChange change;
  change.fwmark = 1U;
  UserspaceClient absent("absent", backend.directory());
  EXPECT_EQ(absent.snapshot().error().code, Errc::not_found);
  EXPECT_EQ(absent.apply(change).error().code, Errc::not_found);

  // What kill -9 leaves: a socket file with nobody behind it.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (backend.directory() / "dead.sock").native().copy(address.sun_path, sizeof address.sun_path - 1);
  {
    const UniqueFd bound(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(bound.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  UserspaceClient dead("dead", backend.directory());
  EXPECT_EQ(dead.snapshot().error().code, Errc::unavailable);
  EXPECT_EQ(dead.apply(change).error().code, Errc::unavailable);
}

TEST(UserspaceClient, SurvivesAHostileBackend) {
  const std::string peer = "public_key=" + std::string(63, '0') + "1\n";
  const struct {
    const char* what;
    std::string answer;
    Errc code;
  } cases[] = {{"nothing", "", Errc::unavailable},
               {"half an answer", peer + "rx_by", Errc::unavailable},
               {"no errno", peer + "\n", Errc::corrupt},
               {"garbage", std::string("\0\xff\x01garbage\n", 11), Errc::corrupt},
               {"an endless line", std::string(1 << 20, 'a'), Errc::corrupt},
               {"overflow", peer + "rx_bytes=18446744073709551616\nerrno=0\n\n", Errc::corrupt},
               {"one peer twice", peer + peer + "errno=0\n\n", Errc::corrupt},
               {"negative errno", "errno=-1\n\n", Errc::permission_denied},
               {"positive errno", "errno=1\n\n", Errc::permission_denied}};
  for (const auto& hostile : cases) {
    FakeBackend backend(kName);
    backend.answer_always(hostile.answer);
    UserspaceClient client(kName, backend.directory());
    auto snapshot = client.snapshot();
    ASSERT_FALSE(snapshot) << hostile.what;
    EXPECT_EQ(snapshot.error().code, hostile.code) << hostile.what << ": " << snapshot.error().message;
    DeviceChange change;
    change.fwmark = 1U;
    EXPECT_FALSE(client.apply(change)) << hostile.what;
  }
}

TEST(UserspaceClient, GivesUpOnASilentBackend) {
  FakeBackend backend(kName);
  backend.stay_silent();
  UserspaceClient client(kName, backend.directory(), std::chrono::milliseconds{100});
  EXPECT_EQ(client.snapshot().error().code, Errc::timeout);
}

TEST(UapiSocketPath, CannotLeaveItsDirectory) {
  for (const std::string& name : {std::string("../x"), std::string("a/b"), std::string(), std::string("."), std::string(".."),
                                  std::string("sixteen_letters_"), std::string("a\0b", 3)})
    EXPECT_FALSE(uapi_socket_path("/run/wireguard", name)) << name;
  EXPECT_EQ(uapi_socket_path("/run/wireguard", "wg0").value(), "/run/wireguard/wg0.sock");
  EXPECT_FALSE(uapi_socket_path("/" + std::string(100, 'd'), "wg0"));
}

}  // namespace
}  // namespace sanad::wg
