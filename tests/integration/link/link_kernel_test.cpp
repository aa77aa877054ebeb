// Links, addresses, routes and the watch against this host's own kernel, inside a network namespace of the test's own.
// Needs root (CAP_SYS_ADMIN for the namespace); says so and fails otherwise.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "gateway/base/unique_fd.hpp"
#include "gateway/link/codec.hpp"
#include "gateway/link/link.hpp"
#include "gateway/link/watch.hpp"

namespace sanad::link {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

InterfaceAddress address(const char* text) { return InterfaceAddress::parse(text).value(); }
IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }

// An interface of kind "tun" that lives as long as the descriptor, exactly as wireguard-go's does.
UniqueFd make_tun(const char* name) {
  UniqueFd fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
  EXPECT_TRUE(fd) << "couldn't open /dev/net/tun: " << std::strerror(errno);
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  EXPECT_EQ(::ioctl(fd.get(), TUNSETIFF, &request), 0) << "couldn't make tun " << name << ": " << std::strerror(errno);
  return fd;
}

std::vector<LinkEvent> wait_for_events(LinkWatch& watch) {
  pollfd ready{watch.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 5000), 1) << "no link notice within 5 s";
  auto events = watch.drain();
  EXPECT_TRUE(events) << events.error().message;
  return events ? *events : std::vector<LinkEvent>{};
}

class LinkKernel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "couldn't make a network namespace (" << std::strerror(errno)
                                          << "); this test needs root";
  }
  void SetUp() override {
    ASSERT_FALSE(HasFatalFailure());
    tun_ = make_tun("wgtest");
  }
  LinkState read() { return control_.read("wgtest").value().value(); }
  std::vector<InterfaceAddress> own_addresses() {
    std::vector<InterfaceAddress> out;
    for (const auto& a : read().addresses) {
      if (!IpPrefix::parse("fe80::/10")->contains(a.address)) out.push_back(a);
    }
    return out;
  }

  UniqueFd tun_;
  LinkControl control_;
};

TEST_F(LinkKernel, ReadsAnInterfaceAndKnowsAMissingOne) {
  const LinkState state = read();
  EXPECT_EQ(state.name, "wgtest");
  EXPECT_EQ(state.kind, "tun");
  EXPECT_EQ(state.ifindex, ::if_nametoindex("wgtest"));
  EXPECT_FALSE(state.up);
  EXPECT_EQ(state.mtu, 1500U);
  const auto missing = control_.read("nowhere");
  ASSERT_TRUE(missing) << missing.error().message;
  EXPECT_FALSE(*missing);
}

TEST_F(LinkKernel, SetsMtuAndState) {
  ASSERT_TRUE(control_.set_mtu("wgtest", 1420));
  ASSERT_TRUE(control_.set_up("wgtest", true));
  EXPECT_EQ(read().mtu, 1420U);
  EXPECT_TRUE(read().up);
  ASSERT_TRUE(control_.set_up("wgtest", false));
  EXPECT_FALSE(read().up);
  const auto absurd = control_.set_mtu("wgtest", 10'000'000);
  ASSERT_FALSE(absurd);
  EXPECT_EQ(absurd.error().code, Errc::invalid_argument) << absurd.error().message;
  const auto missing = control_.set_up("nowhere", true);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found) << missing.error().message;
}

TEST_F(LinkKernel, ChangesOnlyTheAddressesThatDiffer) {
  ASSERT_TRUE(control_.set_up("wgtest", true));
  ASSERT_TRUE(control_.set_addresses("wgtest", {address("10.66.0.1/16"), address("10.66.0.2/16"), address("fd00:66::1/64")}));
  EXPECT_THAT(own_addresses(), UnorderedElementsAre(address("10.66.0.1/16"), address("10.66.0.2/16"), address("fd00:66::1/64")));
  const auto link_local = read().addresses.size() - own_addresses().size();

  // 10.66.0.1 is the first of its network: removing it takes 10.66.0.2 along, which must come back.
  ASSERT_TRUE(control_.set_addresses("wgtest", {address("10.66.0.2/16"), address("10.67.0.1/24")}));
  EXPECT_THAT(own_addresses(), UnorderedElementsAre(address("10.66.0.2/16"), address("10.67.0.1/24")));
  EXPECT_EQ(read().addresses.size() - own_addresses().size(), link_local);

  ASSERT_TRUE(control_.set_addresses("wgtest", {address("10.66.0.2/16"), address("10.67.0.1/24")})) << "again, nothing to do";
  ASSERT_TRUE(control_.set_addresses("wgtest", {}));
  EXPECT_THAT(own_addresses(), IsEmpty());
  EXPECT_EQ(read().addresses.size(), link_local);
}

TEST_F(LinkKernel, HostAddressesLeaveOutTheNamedInterfaceAndWhatIsNotGlobal) {
  const UniqueFd other = make_tun("wgother");
  ASSERT_TRUE(control_.set_up("lo", true));
  ASSERT_TRUE(control_.set_up("wgtest", true));
  ASSERT_TRUE(control_.set_addresses("wgtest", {address("10.66.0.1/16")}));
  ASSERT_TRUE(control_.set_addresses("wgother", {address("192.0.2.7/24"), address("2001:db8::7/64")}));
  EXPECT_THAT(control_.host_addresses({"wgtest"}).value(),
              ElementsAre(IpAddress::parse("192.0.2.7").value(), IpAddress::parse("2001:db8::7").value()));
  EXPECT_THAT(control_.host_addresses({"wgtest", "wgother", "nowhere"}).value(), IsEmpty());
}

TEST_F(LinkKernel, TouchesNoRoutesButItsOwn) {
  ASSERT_TRUE(control_.set_up("wgtest", true));
  ASSERT_TRUE(control_.set_addresses("wgtest", {address("10.66.0.1/16"), address("fd00:66::1/64")}));
  ASSERT_TRUE(control_.sync_routes("wgtest", {prefix("172.20.0.0/16"), prefix("2001:db8:20::/48"), prefix("172.20.0.0/16")}));
  ASSERT_TRUE(control_.sync_routes("wgtest", {prefix("172.20.0.0/16"), prefix("172.21.0.0/16")}))
      << "one stays, one goes, one comes";

  const auto widened =
      control_.sync_routes("wgtest", {prefix("172.20.0.0/16"), prefix("172.21.0.0/16"), prefix("2001:db8:21::/48")});
  ASSERT_TRUE(widened) << widened.error().message;

  auto socket = netlink::Socket::open(NETLINK_ROUTE).value();
  std::vector<IpPrefix> ours;
  bool connected_route_left = false;
  Bytes request = encode_dump_routes();
  ASSERT_TRUE(socket.exchange(request, [&](const netlink::Message& message) -> Result<bool> {
    if (netlink::read_ending(message).value().finished) return true;
    const auto route = decode_route(message).value();
    if (route && route->protocol == kRouteProtocol) ours.push_back(route->destination);
    if (route && route->protocol != kRouteProtocol && route->destination == prefix("10.66.0.0/16")) connected_route_left = true;
    return false;
  }));
  EXPECT_THAT(ours, UnorderedElementsAre(prefix("172.20.0.0/16"), prefix("172.21.0.0/16"), prefix("2001:db8:21::/48")));
  EXPECT_TRUE(connected_route_left);
  ASSERT_TRUE(control_.sync_routes("wgtest", {}));

  const UniqueFd other = make_tun("wgother");
  ASSERT_TRUE(control_.set_up("wgother", true));
  ASSERT_TRUE(control_.sync_routes("wgother", {prefix("172.30.0.0/16")}));
  const auto conflict = control_.sync_routes("wgtest", {prefix("172.30.0.0/16")});
  ASSERT_FALSE(conflict) << "another interface's route was replaced";
  EXPECT_EQ(conflict.error().code, Errc::conflict) << conflict.error().message;
}

TEST_F(LinkKernel, RemovesAnInterface) {
  ASSERT_TRUE(control_.remove("wgtest"));
  EXPECT_FALSE(control_.read("wgtest").value());
  const auto again = control_.remove("wgtest");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::not_found) << again.error().message;
}

TEST_F(LinkKernel, CreatesWireguardOrSaysThatTheKernelHasNone) {
  const auto created = control_.create_wireguard("wgnew");
  if (created) {
    EXPECT_EQ(control_.read("wgnew").value()->kind, "wireguard");
    const auto again = control_.create_wireguard("wgnew");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Errc::conflict);
    EXPECT_TRUE(control_.remove("wgnew"));
  } else {
    EXPECT_EQ(created.error().code, Errc::unsupported) << created.error().message;
    EXPECT_FALSE(created.error().hint.empty());
  }
}

TEST_F(LinkKernel, WatchTellsUpDownAndRemoval) {
  auto watch = LinkWatch::open().value();
  EXPECT_THAT(watch.drain().value(), IsEmpty());
  const std::uint32_t ifindex = read().ifindex;
  ASSERT_TRUE(control_.set_up("wgtest", true));
  EXPECT_THAT(wait_for_events(watch), Contains(LinkEvent{"wgtest", ifindex, true, false, false}));
  ASSERT_TRUE(control_.set_up("wgtest", false));
  EXPECT_THAT(wait_for_events(watch), Contains(LinkEvent{"wgtest", ifindex, false, false, false}));
  tun_.reset();
  EXPECT_THAT(wait_for_events(watch), Contains(LinkEvent{"wgtest", ifindex, false, true, false}));
}

TEST_F(LinkKernel, WatchSaysWhenNoticesWereLost) {
  auto watch = LinkWatch::open().value();
  bool lost = false;
  // Each change makes a notice of about 1.3 kB that nobody reads, until the receive buffer is full.
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(control_.set_mtu("wgtest", i % 2 == 0 ? 1400 : 1420));
  for (const LinkEvent& event : watch.drain().value()) lost = lost || event.overrun;
  EXPECT_TRUE(lost);
  ASSERT_TRUE(control_.set_up("wgtest", true));
  EXPECT_THAT(wait_for_events(watch), Contains(testing::Field(&LinkEvent::up, true))) << "the watch goes on after an overrun";
}

TEST_F(LinkKernel, RefusesNamesThatAreNotInterfaceNames) {
  for (const char* name : {"", ".", "..", "a/b", "a b", "sixteen-letters0", "wg\n"}) {
    const auto read = control_.read(name);
    ASSERT_FALSE(read) << name;
    EXPECT_EQ(read.error().code, Errc::invalid_argument);
    EXPECT_EQ(read.error().field, "interface");
  }
}

}  // namespace
}  // namespace sanad::link
