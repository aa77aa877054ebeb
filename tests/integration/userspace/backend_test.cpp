// Needs root: makes namespaces of its own and runs the real wireguard-go and wg in them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gateway/wg/userspace/client.hpp"
#include "gateway/wg/userspace/process.hpp"
#include "host.hpp"

namespace sanad::wg {
namespace {

namespace fs = std::filesystem;

class OwnHost final : public ::testing::Environment {
 public:
  void SetUp() override { test::enter_own_host(); }
};
[[maybe_unused]] const auto* const kOwnHost = ::testing::AddGlobalTestEnvironment(new OwnHost);

class Backend : public ::testing::Test {
 protected:
  ProcessHandle start(const std::string& name) {
    const ProcessHandle handle = start_backend(name).value();
    started_.push_back(handle);
    return handle;
  }

  void TearDown() override {
    for (const auto& handle : started_) EXPECT_TRUE(stop_backend(handle));
  }

  std::vector<ProcessHandle> started_;
};

bool ended_within(const UniqueFd& pidfd, int limit_ms) {
  pollfd entry{pidfd.get(), POLLIN, 0};
  return ::poll(&entry, 1, limit_ms) == 1;
}

// One line per peer as `wg show NAME dump` prints it, allowed IPs sorted, lines sorted: both sides list in their own order.
std::string join_sorted(std::vector<std::string> words, const char* between) {
  std::sort(words.begin(), words.end());
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

std::string normalised_dump(const std::string& dump) {
  std::vector<std::string> lines = split(dump, '\n');
  const std::vector<std::string> device = split(lines.at(0), '\t');
  for (std::size_t i = 1; i < lines.size(); ++i) {
    auto fields = split(lines[i], '\t');
    fields.at(3) = join_sorted(split(fields.at(3), ','), ",");
    std::string line;
    for (const auto& field : fields) line += field + "\t";
    lines[i] = line;
  }
  // The private key stays out of what a failing test prints.
  lines[0] = device.at(1) + "\t" + device.at(2) + "\t" + device.at(3);
  return join_sorted(lines, "\n");
}

std::string dump_of(const Device& device) {
  std::vector<std::string> lines;
  std::ostringstream mark;
  mark << "0x" << std::hex << device.fwmark;
  lines.push_back((device.public_key.is_zero() ? "(none)" : device.public_key.to_base64()) + "\t" +
                  std::to_string(device.listen_port) + "\t" + (device.fwmark == 0 ? "off" : mark.str()));
  for (const Peer& peer : device.peers) {
    std::vector<std::string> prefixes;
    for (const auto& prefix : peer.allowed_ips) prefixes.push_back(prefix.to_string());
    lines.push_back(peer.public_key.to_base64() + "\t" +
                    (peer.preshared_key.is_zero() ? "(none)" : secret_to_base64(peer.preshared_key)) + "\t" +
                    (peer.endpoint ? peer.endpoint->to_string() : "(none)") + "\t" +
                    (prefixes.empty() ? "(none)" : join_sorted(prefixes, ",")) + "\t" + std::to_string(peer.last_handshake.sec) +
                    "\t" + std::to_string(peer.rx_bytes) + "\t" + std::to_string(peer.tx_bytes) + "\t" +
                    (peer.keepalive_s == 0 ? "off" : std::to_string(peer.keepalive_s)) + "\t");
  }
  return join_sorted(lines, "\n");
}

std::string wg_dump(const std::string& name) {
  const auto finished = test::run({"wg", "show", name, "dump"});
  EXPECT_EQ(finished.status, 0);
  return normalised_dump(finished.out);
}

PeerChange new_peer() {
  PeerChange peer;
  peer.public_key = derive_public_key(generate_private_key().value()).value();
  return peer;
}

TEST_F(Backend, ReadsBackWhatWgShows) {
  start("sut0");
  UserspaceClient client("sut0");
  EXPECT_EQ(dump_of(client.snapshot().value().device), wg_dump("sut0"));

  DeviceChange change;
  change.private_key = generate_private_key().value();
  change.listen_port = std::uint16_t{51900};
  change.fwmark = 0xca6cU;
  const IpAddress v4 = *IpAddress::parse("10.66.0.1");
  const IpAddress v6 = *IpAddress::parse("fd00:66::1");
  for (std::uint64_t i = 0; i < 600; ++i) {
    PeerChange peer = new_peer();
    peer.replace_allowed_ips = true;
    peer.add_allowed_ips = {IpPrefix::host(v4.plus(i)), IpPrefix::host(v6.plus(i))};
    if (i % 3 == 0) peer.preshared_key = generate_preshared_key().value();
    if (i % 4 == 0) peer.keepalive_s = std::uint16_t{25};
    change.peers.push_back(peer);
  }
  ASSERT_TRUE(client.apply(change));
  auto snapshot = client.snapshot().value();
  EXPECT_TRUE(snapshot.complete);
  EXPECT_EQ(snapshot.device.peers.size(), 600U);
  EXPECT_EQ(snapshot.device.public_key, derive_public_key(*change.private_key).value());
  EXPECT_EQ(dump_of(snapshot.device), wg_dump("sut0"));

  // Half go, one loses its pre-shared key and changes its address; the rest is left alone.
  DeviceChange second;
  for (std::size_t i = 0; i < 300; ++i) {
    PeerChange removal;
    removal.public_key = change.peers[i].public_key;
    removal.remove = true;
    second.peers.push_back(removal);
  }
  PeerChange moved;
  moved.public_key = change.peers[300].public_key;
  moved.preshared_key = PresharedKey{};
  moved.replace_allowed_ips = true;
  moved.add_allowed_ips = {*IpPrefix::parse("10.67.0.0/24")};
  moved.update_only = true;
  second.peers.push_back(moved);
  PeerChange unknown = new_peer();
  unknown.update_only = true;
  second.peers.push_back(unknown);
  ASSERT_TRUE(client.apply(second));
  snapshot = client.snapshot().value();
  EXPECT_EQ(snapshot.device.peers.size(), 300U);
  EXPECT_EQ(dump_of(snapshot.device), wg_dump("sut0"));
}

TEST_F(Backend, APeerMayHaveMoreAllowedIpsThanOneBlockHolds) {
  start("sut0");
  UserspaceClient client("sut0");
  DeviceChange change;
  change.private_key = generate_private_key().value();
  PeerChange peer = new_peer();
  const IpAddress base = *IpAddress::parse("10.0.0.0");
  for (std::uint64_t i = 0; i < 20'000; ++i) peer.add_allowed_ips.push_back(IpPrefix::host(base.plus(i)));
  change.peers.push_back(peer);
  ASSERT_TRUE(client.apply(change));
  auto device = client.snapshot().value().device;
  ASSERT_EQ(device.peers.size(), 1U);
  std::sort(device.peers[0].allowed_ips.begin(), device.peers[0].allowed_ips.end());
  EXPECT_EQ(device.peers[0].allowed_ips, peer.add_allowed_ips);
}

TEST_F(Backend, ReadsCountersOfALiveTunnel) {
  start("sut0");
  start("sut1");
  UserspaceClient near("sut0");
  UserspaceClient far("sut1");
  const PrivateKey near_key = generate_private_key().value();
  const PrivateKey far_key = generate_private_key().value();
  DeviceChange change;
  change.private_key = near_key;
  change.listen_port = std::uint16_t{51901};
  change.peers.emplace_back().public_key = derive_public_key(far_key).value();
  change.peers[0].add_allowed_ips = {*IpPrefix::parse("10.66.0.2")};
  ASSERT_TRUE(near.apply(change));
  change.private_key = far_key;
  change.listen_port = std::uint16_t{51902};
  change.peers[0].public_key = derive_public_key(near_key).value();
  change.peers[0].add_allowed_ips = {*IpPrefix::parse("10.66.0.1")};
  ASSERT_TRUE(far.apply(change));
  test::bring_up("sut0");
  test::bring_up("sut1");
  const std::string peer = derive_public_key(far_key).value().to_base64();
  ASSERT_EQ(test::run({"wg", "set", "sut0", "peer", peer, "endpoint", "127.0.0.1:51902", "persistent-keepalive", "3600"}).status,
            0);

  EXPECT_TRUE(test::eventually([&] {
    const auto near_device = near.snapshot().value().device;
    const auto far_device = far.snapshot().value().device;
    return !far_device.peers.at(0).last_handshake.never() && near_device.peers.at(0).tx_bytes == far_device.peers.at(0).rx_bytes;
  }));
  const auto device = near.snapshot().value().device;
  EXPECT_TRUE(device.peers.at(0).has_counters);
  EXPECT_GT(device.peers.at(0).tx_bytes, 0U);
  EXPECT_EQ(dump_of(device), wg_dump("sut0"));
  EXPECT_EQ(dump_of(far.snapshot().value().device), wg_dump("sut1"));
}

TEST_F(Backend, RunsDetached) {
  const auto handle = start("sut0");
  EXPECT_NE(::getsid(handle.pid), ::getsid(0));
  EXPECT_EQ(::waitpid(handle.pid, nullptr, WNOHANG), -1);  // no child of ours
  const std::string proc = "/proc/" + std::to_string(handle.pid);
  for (const char* fd : {"0", "1", "2"}) EXPECT_EQ(fs::read_symlink(proc + "/fd/" + fd), "/dev/null");
  EXPECT_EQ(fs::read_symlink(proc + "/cwd"), "/");
  std::ifstream environment(proc + "/environ");
  const std::string text{std::istreambuf_iterator<char>(environment), {}};
  EXPECT_EQ(text, std::string("PATH=/usr/sbin:/usr/bin:/sbin:/bin\0LOG_LEVEL=error\0", 51));
}

TEST_F(Backend, InheritsNoDescriptor) {
  const int leak = ::open("/proc/self/status", O_RDONLY);  // without O_CLOEXEC, as a careless library would
  const auto handle = start("sut0");
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(handle.pid) + "/fd"))
    EXPECT_EQ(fs::read_symlink(entry.path()).native().find("/status"), std::string::npos);
  ::close(leak);
}

TEST_F(Backend, OutlivesWhoStartedItAndIsAdopted) {
  const pid_t starter = ::fork();
  if (starter == 0) ::_exit(start_backend("sut0") ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(starter, &status, 0), starter);
  ASSERT_EQ(status, 0);
  const auto adopted = adopt_backend("sut0").value();
  started_.push_back(adopted);
  UserspaceClient client("sut0");
  EXPECT_EQ(client.snapshot().value().identity, "userspace:" + std::to_string(adopted.pid) + ":" +
                                                    std::to_string(adopted.start_ticks) + ":" +
                                                    std::to_string(::if_nametoindex("sut0")));
}

TEST_F(Backend, AdoptsOneThatPutItselfIntoTheBackground) {
  ASSERT_EQ(test::run({"wireguard-go", "sut0"}).status, 0);
  // Its parent, which called listen() and is what SO_PEERCRED names, is gone.
  const auto adopted = adopt_backend("sut0").value();
  started_.push_back(adopted);
  EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(adopted.pid) + "/exe").filename(), "wireguard-go");
  UserspaceClient client("sut0");
  const std::string prefix = "userspace:" + std::to_string(adopted.pid) + ":";
  EXPECT_TRUE(client.snapshot().value().identity.starts_with(prefix));
  EXPECT_TRUE(client.snapshot().value().identity.starts_with(prefix));
}

TEST_F(Backend, DeathIsNoticedAndRepaired) {
  const auto first = start("sut0");
  UserspaceClient client("sut0");
  const auto before = client.snapshot().value();
  const auto pidfd = open_pidfd(first).value();
  EXPECT_FALSE(ended_within(pidfd, 0));
  ASSERT_EQ(::kill(first.pid, SIGKILL), 0);
  ASSERT_TRUE(ended_within(pidfd, 10'000));
  ASSERT_TRUE(test::eventually([] { return ::if_nametoindex("sut0") == 0; }));
  EXPECT_TRUE(fs::exists("/run/wireguard/sut0.sock"));
  EXPECT_EQ(client.snapshot().error().code, Errc::unavailable);
  EXPECT_EQ(adopt_backend("sut0").error().code, Errc::unavailable);

  const auto second = start("sut0");
  EXPECT_FALSE(first == second);
  const auto after = client.snapshot().value();
  EXPECT_NE(before.identity, after.identity);
  EXPECT_TRUE(stop_backend(first));  // long gone
  EXPECT_TRUE(client.snapshot());    // and the new one wasn't hit
}

TEST_F(Backend, StopEndsTheProcessAndTheInterface) {
  const auto handle = start("sut0");
  ASSERT_TRUE(stop_backend(handle));
  EXPECT_TRUE(test::eventually([] { return ::if_nametoindex("sut0") == 0; }));
  // wireguard-go that is ended before it has come to listen for signals, as here now and then, leaves its socket's file behind.
  const Errc gone = fs::exists("/run/wireguard/sut0.sock") ? Errc::unavailable : Errc::not_found;
  EXPECT_EQ(adopt_backend("sut0").error().code, gone);
  UserspaceClient client("sut0");
  EXPECT_EQ(client.snapshot().error().code, gone);
}

TEST_F(Backend, HearsSigtermEvenWhenTheStarterBlockedIt) {
  sigset_t term;
  sigset_t old;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ASSERT_EQ(::sigprocmask(SIG_BLOCK, &term, &old), 0);
  const auto handle = start("sut0");
  ASSERT_EQ(::sigprocmask(SIG_SETMASK, &old, nullptr), 0);
  EXPECT_TRUE(stop_backend(handle));
}

TEST_F(Backend, RefusesWhatCannotWork) {
  const auto handle = start("sut0");
  EXPECT_EQ(start_backend("sut0").error().code, Errc::conflict);
  EXPECT_EQ(adopt_backend("sut0").value(), handle);
  EXPECT_EQ(start_backend("../sut1").error().code, Errc::invalid_argument);
  ASSERT_EQ(test::run({"ip", "link", "add", "sut2", "type", "veth", "peer", "name", "sut3"}).status, 0);
  EXPECT_EQ(start_backend("sut2").error().code, Errc::conflict);

  BackendOptions missing;
  missing.program = "/nonexistent/wireguard-go";
  const auto error = start_backend("sut1", missing).error();
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_EQ(error.hint, "apt-get install wireguard-go");

  BackendOptions quitter;
  quitter.program = "/bin/false";
  EXPECT_EQ(start_backend("sut1", quitter).error().code, Errc::unavailable);
  BackendOptions not_a_program;
  not_a_program.program = "/dev/null";
  EXPECT_EQ(start_backend("sut1", not_a_program).error().code, Errc::unsupported);

  { std::ofstream file("/run/wireguard/sut1.sock"); }
  EXPECT_EQ(start_backend("sut1").error().code, Errc::conflict);
  fs::remove("/run/wireguard/sut1.sock");
}

TEST_F(Backend, StopsOneThatNeverOpensItsSocket) {
  const fs::path script = "/run/never";
  std::ofstream(script) << "#!/bin/sh\necho $$ > /run/never.pid\nexec sleep 1000\n";
  fs::permissions(script, fs::perms::owner_all);
  BackendOptions options;
  options.program = script;
  options.start_limit = std::chrono::milliseconds{500};
  EXPECT_EQ(start_backend("sut1", options).error().code, Errc::timeout);
  pid_t pid = 0;
  std::ifstream("/run/never.pid") >> pid;
  ASSERT_GT(pid, 0);
  EXPECT_EQ(read_process(pid).error().code, Errc::not_found);
}

}  // namespace
}  // namespace sanad::wg
