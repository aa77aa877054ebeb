// Uses our kernel backend on a kernel that has WireGuard, for ./guest-init to compare with what wireguard-tools see.
//
//   kernel_backend_check configure IFNAME   makes the interface and a device with every kind of peer, the way the daemon does
//   kernel_backend_check show IFNAME        prints a snapshot as `wg show IFNAME dump` does, without the private key
//   kernel_backend_check many IFNAME COUNT  adds COUNT peers, reads them back, removes them; prints the times

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gateway/link/link.hpp"
#include "gateway/wg/kernel/client.hpp"
#include "tests/unit/wg_kernel/wg_text.hpp"

namespace sanad {
namespace {

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "%s: %s (%s)\n", std::string(to_string(error.code)).c_str(), error.message.c_str(), error.hint.c_str());
  std::exit(1);
}

template <class T>
T check(Result<T> result) {
  if (!result) die(result.error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::exit(1);
}

wg::PublicKey numbered_key(std::uint32_t number) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
  bytes[30] = 7;
  return wg::PublicKey{bytes};
}

Secret32 filled(std::uint8_t value) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(value);
  return Secret32{bytes};
}

IpPrefix prefix(const char* text) { return check(IpPrefix::parse(text)); }

void configure(const std::string& name) {
  expect(check(wg::kernel::kernel_wireguard_available()), "this kernel has WireGuard");
  link::LinkControl control;
  check(control.create_wireguard(name));
  check(control.set_mtu(name, 1380));
  check(control.set_addresses(name,
                              {check(InterfaceAddress::parse("10.60.0.1/16")), check(InterfaceAddress::parse("fd00:60::1/64"))}));
  check(control.set_up(name, true));
  const auto state = check(control.read(name)).value();
  expect(state.kind == "wireguard" && state.up && state.mtu == 1380 && state.addresses.size() == 2,
         "the link reads back as it was set");

  auto client = check(wg::kernel::KernelClient::open(name));
  wg::DeviceChange change;
  change.private_key = check(wg::secret_from_base64("UGxlYXNlIG5ldmVyIHVzZSB0aGlzIHRlc3Qga2V5ISE="));
  change.listen_port = 51830;
  change.fwmark = 0x53;
  for (std::uint32_t number = 1; number <= 200; ++number) {
    wg::PeerChange peer;
    peer.public_key = numbered_key(number);
    peer.replace_allowed_ips = true;
    peer.add_allowed_ips = {IpPrefix::host(prefix("10.60.1.0/24").address().plus(number)),
                            IpPrefix::host(prefix("fd00:60::/64").address().plus(number))};
    if (number % 2 == 0) peer.preshared_key = filled(static_cast<std::uint8_t>(number));
    if (number % 3 == 0) peer.keepalive_s = static_cast<std::uint16_t>(number);
    change.peers.push_back(peer);
  }
  // More allowed IPs than one message takes.
  for (std::uint32_t i = 0; i < 5000; ++i)
    change.peers[99].add_allowed_ips.push_back(IpPrefix::host(prefix("172.16.0.0/12").address().plus(i)));
  check(client->apply(change));

  wg::DeviceChange second;
  for (std::uint32_t number = 120; number <= 190; ++number) {
    wg::PeerChange removal;
    removal.public_key = numbered_key(number);
    removal.remove = true;
    second.peers.push_back(removal);
  }
  wg::PeerChange quiet;
  quiet.public_key = numbered_key(3);
  quiet.update_only = true;
  quiet.replace_allowed_ips = true;
  quiet.preshared_key = filled(0x99);
  second.peers.push_back(quiet);
  wg::PeerChange unknown = quiet;
  unknown.public_key = numbered_key(100'000);
  second.peers.push_back(unknown);
  check(client->apply(second));

  const auto snapshot = check(client->snapshot());
  expect(snapshot.complete, "nobody else changes the device");
  expect(snapshot.identity == "kernel:" + std::to_string(state.ifindex), "the identity is the interface index");
  expect(snapshot.device.peers.size() == 200 - 71, "71 peers are gone, none has come");
  expect(snapshot.device.peers[99].allowed_ips.size() == 5002, "all allowed IPs of the long peer arrived and were read");
  expect(snapshot.device.peers[2].allowed_ips.empty(), "a quiesced peer has no allowed IPs");
  expect(snapshot.device.peers[2].preshared_key == filled(0x99), "a quiesced peer has the new pre-shared key");

  wg::DeviceChange taken;
  taken.listen_port = 51999;
  auto other = check(wg::kernel::KernelClient::open("nowhere"));
  const auto missing = other->snapshot();
  expect(!missing && missing.error().code == Errc::not_found, "a missing device is not_found");
  const auto wrong = check(wg::kernel::KernelClient::open("lo"))->apply(taken);
  expect(!wrong && wrong.error().code == Errc::unsupported, "lo is no WireGuard device");
  std::puts("configured");
}

void show(const std::string& name) {
  const auto snapshot = check(check(wg::kernel::KernelClient::open(name))->snapshot());
  for (const wg::Peer& peer : snapshot.device.peers) expect(peer.has_counters, "every record of a kernel has counters");
  std::fputs(wg::wg_text(snapshot.device).c_str(), stdout);
}

template <class Step>
void timed(const char* what, const Step& step) {
  const auto start = std::chrono::steady_clock::now();
  step();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%s: %.3f s\n", what, took.count());
}

void many(const std::string& name, std::uint32_t count) {
  auto client = check(wg::kernel::KernelClient::open(name));
  wg::DeviceChange add;
  wg::DeviceChange remove;
  for (std::uint32_t number = 0; number < count; ++number) {
    wg::PeerChange peer;
    peer.public_key = numbered_key(1'000'000 + number);
    peer.add_allowed_ips = {IpPrefix::host(prefix("11.0.0.0/8").address().plus(number)),
                            IpPrefix::host(prefix("fd00:11::/64").address().plus(number))};
    add.peers.push_back(peer);
    peer.remove = true;
    remove.peers.push_back(peer);
  }
  timed("add", [&] { check(client->apply(add)); });
  timed("snapshot", [&] {
    const auto snapshot = check(client->snapshot());
    expect(snapshot.device.peers.size() >= count, "all peers are there");
    std::printf("complete %d, repeated %u times, %zu peers\n", snapshot.complete ? 1 : 0, snapshot.interruptions,
                snapshot.device.peers.size());
  });
  timed("remove", [&] { check(client->apply(remove)); });
}

}  // namespace
}  // namespace sanad

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode == "configure") {
    sanad::configure(argv[2]);
  } else if (mode == "show") {
    sanad::show(argv[2]);
  } else if (mode == "many" && argc == 4) {
    sanad::many(argv[2], static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)));
  } else {
    std::fputs("usage: kernel_backend_check configure|show IFNAME, kernel_backend_check many IFNAME COUNT\n", stderr);
    return 2;
  }
  return 0;
}
