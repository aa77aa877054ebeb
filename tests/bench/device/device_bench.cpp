// What reading and changing a device costs us, beside the least it can cost. Each mode prints one JSON object.
//
//   device_bench fill IFNAME COUNT          adds COUNT peers with a v4 and a v6 address through our client
//   device_bench fill-beside IFNAME COUNT   the same, in turn with a bare loop that fills the device IFNAME2
//   device_bench fill-uapi IFNAME COUNT     the same into a wireguard-go
//   device_bench read IFNAME ROUNDS         in turn: bare read, our snapshot, snapshot with diff and tracker, wg show dump
//   device_bench read-uapi IFNAME ROUNDS    the same against wireguard-go
//   device_bench parse - COUNT              what of a reading is ours, on a made-up dump, without any kernel
//   device_bench parse-uapi - COUNT         the same of a wireguard-go's answer
//   device_bench change IFNAME ROUNDS       one peer quiesced, given back, removed, added
//   device_bench remove IFNAME COUNT        removes COUNT peers the way the daemon does
//   device_bench overfill IFNAME ROOM       ten peers more for a device that has room for so many: what is known and what is
//   there device_bench getlink IFNAME             RTM_GETLINK every 2 ms until SIGTERM: what other users of RTNL wait

#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <tuple>

#include "gateway/base/permits.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/link/codec.hpp"
#include "gateway/reconcile/plan.hpp"
#include "gateway/sessions/tracker.hpp"
#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/client.hpp"
#include "gateway/wg/kernel/codec.hpp"
#include "gateway/wg/userspace/client.hpp"
#include "gateway/wg/userspace/uapi_parser.hpp"
#include "tests/bench/device/bare.hpp"

namespace sanad::bench {
namespace {

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "%s (%s)\n", error.message.c_str(), error.hint.c_str());
  std::exit(1);
}

template <class T>
T check(Result<T> result) {
  if (!result) die(result.error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

wg::PublicKey numbered_key(std::uint32_t number) {
  std::array<std::uint8_t, 32> bytes{};
  // Spread as real keys are: the kernel hashes them anyway, our own tables may not rely on it.
  std::uint64_t state = number + 0x9E3779B97F4A7C15ULL;
  for (std::size_t i = 0; i < 32; i += 8) {
    state = (state ^ (state >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    std::memcpy(bytes.data() + i, &state, 8);
  }
  std::memcpy(bytes.data() + 24, &number, sizeof number);
  return wg::PublicKey{bytes};
}

std::vector<IpPrefix> numbered_addresses(std::uint32_t number) {
  static const IpPrefix v4 = check(IpPrefix::parse("11.0.0.0/8"));
  static const IpPrefix v6 = check(IpPrefix::parse("fd00:11::/64"));
  return {IpPrefix::host(v4.address().plus(number)), IpPrefix::host(v6.address().plus(number))};
}

wg::DeviceChange peers(std::uint32_t first, std::uint32_t count) {
  wg::DeviceChange change;
  change.peers.reserve(count);
  for (std::uint32_t number = first; number < first + count; ++number) {
    wg::PeerChange peer;
    peer.public_key = numbered_key(number);
    peer.replace_allowed_ips = true;
    peer.add_allowed_ips = numbered_addresses(number);
    change.peers.push_back(std::move(peer));
  }
  return change;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

template <class Step>
double timed(const Step& step) {
  const double began = seconds_now();
  step();
  return (seconds_now() - began) * 1000;
}

// The messages in pieces: all of a million peers at once would be a second copy of everything.
constexpr std::uint32_t kPiece = 16'384;

void fill(wg::DeviceClient& client, std::uint32_t count) {
  double ms = 0;
  for (std::uint32_t first = 0; first < count; first += kPiece) {
    const wg::DeviceChange change = peers(first, std::min(kPiece, count - first));
    ms += timed([&] { check(client.apply(change)); });
  }
  std::printf("{\"ms\": %.3f}\n", ms);
}

// The same messages, encoded beforehand, sent in a bare loop to another device: in turn with ours, a piece at a time, so that
// what else the machine does falls on both alike.
void fill_beside_bare(const std::string& ifname, std::uint32_t count) {
  auto client = check(wg::kernel::KernelClient::open(ifname));
  netlink::Socket asking = check(netlink::Socket::open(NETLINK_GENERIC));
  const std::uint16_t family = check(netlink::resolve_family(asking, "wireguard"));
  BareNetlink bare(NETLINK_GENERIC);
  double ms = 0, bare_ms = 0;
  for (std::uint32_t first = 0; first < count; first += kPiece) {
    const wg::DeviceChange change = peers(first, std::min(kPiece, count - first));
    std::vector<Bytes> messages = wg::kernel::encode_set(family, ifname + "2", change);
    const auto ours = [&] { ms += timed([&] { check(client->apply(change)); }); };
    const bool odd = first / kPiece % 2 != 0;
    if (odd) ours();
    bare_ms += timed([&] {
      for (Bytes& message : messages) bare.exchange(message);
    });
    if (!odd) ours();
  }
  std::printf("{\"ms\": %.3f, \"bare_ms\": %.3f}\n", ms, bare_ms);
}

double wg_show_ms(const std::string& ifname) {
  return timed([&] {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    std::string name = ifname;
    char* const arguments[] = {const_cast<char*>("wg"), const_cast<char*>("show"), name.data(), const_cast<char*>("dump"),
                               nullptr};
    pid_t pid = 0;
    if (::posix_spawnp(&pid, "wg", &actions, nullptr, arguments, environ) != 0) die(Error{Errc::io, "couldn't start wg"});
    int status = 0;
    ::waitpid(pid, &status, 0);
    ::posix_spawn_file_actions_destroy(&actions);
    if (status != 0) die(Error{Errc::io, "wg failed"});
  });
}

// What the daemon holds of the peers and does with a reading, without its evidence. As there, parts are looked at on another
// thread than the one that reads them, a few at most on their way.
class Flow {
 public:
  // An interval that no machine is too busy for: being late is an event, and here none is wanted.
  Flow() : planner_(desired_), tracker_({.poll_interval = std::chrono::hours{1}}, [] { return sessions::SessionId{}; }) {}

  // Takes what is on the device for what is wanted.
  template <class Read>
  void begin(const Read& read) {
    read([this](wg::Snapshot part) -> Result<void> {
      desired_.public_key = part.device.public_key;
      desired_.listen_port = part.device.listen_port;
      desired_.fwmark = part.device.fwmark;
      for (const wg::Peer& peer : part.device.peers)
        desired_.peers.put({peer.public_key, peer.preshared_key, peer.keepalive_s, peer.allowed_ips});
      (void)tracker_.observe(part);
      return {};
    });
  }

  template <class Read>
  void step(const Read& read) {
    std::promise<reconcile::Plan> planned;
    read([this, &planned](wg::Snapshot part) -> Result<void> {
      auto permit = std::make_shared<Permits::Permit>(permits_.wait(std::chrono::seconds{60}));
      auto shared = std::make_shared<wg::Snapshot>(std::move(part));
      loop_.post([this, &planned, shared = std::move(shared), permit = std::move(permit)] {
        planner_.take(*shared);
        if (!tracker_.observe(*shared).empty()) die(Error{Errc::corrupt, "something happened on an idle device"});
        if (shared->last) planned.set_value(planner_.finish({}));
      });
      return {};
    });
    if (!planned.get_future().get().change.empty()) die(Error{Errc::corrupt, "a device that is right was to be changed"});
  }

  // Bytes held for all peers by tracker and reconciler.
  [[nodiscard]] std::size_t memory() const { return desired_.peers.memory() + tracker_.memory(); }

 private:
  reconcile::Desired desired_;
  reconcile::Planner planner_;
  sessions::Tracker tracker_;
  Permits permits_{4};
  Worker loop_{"loop"};
};

// A reading that is looked at by nobody.
template <class Read>
std::size_t count_peers(const Read& read) {
  std::size_t count = 0;
  read([&count](wg::Snapshot part) -> Result<void> {
    count += part.device.peers.size();
    return {};
  });
  return count;
}

void print_rounds(const char* name, std::vector<double> values, const char* end) {
  std::printf("\"%s\": {\"median_ms\": %.3f, \"least_ms\": %.3f}%s", name, median(values),
              *std::min_element(values.begin(), values.end()), end);
}

// The four in turn, so that what else the machine does falls on all alike.
template <class Bare>
void read_rounds(const std::string& ifname, wg::DeviceClient& client, int rounds, const Bare& bare) {
  std::vector<double> bare_ms, snapshot_ms, flow_ms, wg_ms;
  const auto whole = [&client](const wg::DeviceClient::TakePart& take) { check(client.read(take)); };
  Flow flow;
  flow.begin(whole);
  std::size_t bytes = bare();  // warms the socket
  std::size_t count = 0;
  for (int round = 0; round < rounds; ++round) {
    bare_ms.push_back(timed([&] { bytes = bare(); }));
    snapshot_ms.push_back(timed([&] { count = count_peers(whole); }));
    flow_ms.push_back(timed([&] { flow.step(whole); }));
    wg_ms.push_back(wg_show_ms(ifname));
  }
  std::printf("{\"peers\": %zu, \"bytes\": %zu, \"rounds\": %d, ", count, bytes, rounds);
  print_rounds("bare_read", bare_ms, ", ");
  print_rounds("snapshot", snapshot_ms, ", ");
  print_rounds("snapshot_diff_tracker", flow_ms, ", ");
  print_rounds("wg_show_dump", wg_ms, ", ");
  std::printf("\"bytes_a_peer\": %.1f, ", static_cast<double>(flow.memory()) / static_cast<double>(count));
  std::printf("\"peak_mib\": %.1f}\n", peak_mib());
}

void read(const std::string& ifname, int rounds) {
  auto client = check(wg::kernel::KernelClient::open(ifname));
  netlink::Socket asking = check(netlink::Socket::open(NETLINK_GENERIC));
  const std::uint16_t family = check(netlink::resolve_family(asking, "wireguard"));
  BareNetlink bare(NETLINK_GENERIC);
  Bytes request = wg::kernel::encode_get(family, ifname);
  read_rounds(ifname, *client, rounds, [&] { return bare.exchange(request); });
}

void read_uapi_rounds(const std::string& ifname, int rounds) {
  wg::UserspaceClient client(ifname);
  read_rounds(ifname, client, rounds, [&] { return read_uapi(ifname); });
}

// What a kernel would say of a device with so many peers, in messages as long as its own; without a kernel.
std::vector<Bytes> made_up_dump(std::uint32_t count) {
  constexpr std::uint16_t kFamily = 30;
  constexpr std::size_t kLongest = 32'436;
  std::vector<Bytes> messages;
  std::uint32_t number = 0;
  while (number < count) {
    netlink::MessageBuilder builder(kFamily, NLM_F_MULTI, 33'000);
    builder.put_header(genlmsghdr{.cmd = wg::kernel::kGetDevice, .version = 1, .reserved = 0});
    if (number == 0) {
      builder.put_number<std::uint32_t>(wg::kernel::kDeviceIfindex, 7);
      builder.put_string(wg::kernel::kDeviceIfname, "wg0");
    }
    const std::size_t list = builder.begin_nest(wg::kernel::kDevicePeers);
    for (; number < count && builder.size() < kLongest - 220; ++number) {
      const std::size_t peer = builder.begin_nest(0);
      builder.put(wg::kernel::kPeerPublicKey, numbered_key(number).bytes());
      builder.put(wg::kernel::kPeerPresharedKey, wg::PresharedKey{}.reveal());
      const std::array<std::uint8_t, 16> handshake{};
      builder.put(wg::kernel::kPeerLastHandshake, handshake);
      builder.put_number<std::uint16_t>(wg::kernel::kPeerKeepalive, 0);
      builder.put_number<std::uint64_t>(wg::kernel::kPeerTxBytes, 0);
      builder.put_number<std::uint64_t>(wg::kernel::kPeerRxBytes, 0);
      builder.put_number<std::uint32_t>(10, 1);  // protocol version
      const std::size_t ips = builder.begin_nest(wg::kernel::kPeerAllowedIps);
      for (const IpPrefix& prefix : numbered_addresses(number)) {
        const std::size_t ip = builder.begin_nest(0);
        builder.put_number<std::uint8_t>(wg::kernel::kAllowedIpCidr, prefix.length());
        builder.put_number<std::uint16_t>(wg::kernel::kAllowedIpFamily, prefix.address().is_v4() ? AF_INET : AF_INET6);
        builder.put(wg::kernel::kAllowedIpAddress, prefix.address().bytes());
        builder.end_nest(ip);
      }
      builder.end_nest(ips);
      builder.end_nest(peer);
    }
    builder.end_nest(list);
    messages.push_back(builder.finish());
  }
  return messages;
}

void parse(std::uint32_t count) {
  const std::vector<Bytes> dump = made_up_dump(count);
  const auto read = [&dump](const wg::DeviceClient::TakePart& take) {
    constexpr std::size_t kPart = 512, kRoom = 812;
    wg::kernel::DumpParser parser{30, kRoom};
    wg::Snapshot part;
    part.complete = true;
    part.last = false;
    for (const Bytes& bytes : dump) {
      netlink::View view = bytes;
      check(parser.feed(*check(netlink::take_message(view))));
      if (parser.device().peers.size() < kPart) continue;
      part.device.peers = check(parser.take_settled(kRoom));
      check(take(std::move(part)));
      part = wg::Snapshot{};
      part.complete = true;
      part.first = part.last = false;
    }
    part.device = check(std::move(parser).finish());
    part.last = true;
    check(take(std::move(part)));
  };
  std::vector<double> parse_ms, flow_ms;
  Flow flow;
  flow.begin(read);
  for (int round = 0; round < 5; ++round) {
    parse_ms.push_back(timed([&] { (void)count_peers(read); }));
    flow_ms.push_back(timed([&] { flow.step(read); }));
  }
  std::printf("{\"peers\": %u, ", count);
  print_rounds("parse", parse_ms, ", ");
  print_rounds("parse_diff_tracker", flow_ms, ", ");
  std::printf("\"bytes_a_peer\": %.1f, ", static_cast<double>(flow.memory()) / count);
  std::printf("\"peak_mib\": %.1f}\n", peak_mib());
}

// The same for what a wireguard-go would say.
void parse_uapi(std::uint32_t count) {
  std::string text = "private_key=" + std::string(64, '1') + "\nlisten_port=51820\n";
  for (std::uint32_t number = 0; number < count; ++number) {
    text += "public_key=" + hex_encode(numbered_key(number).bytes()) + "\npreshared_key=" + std::string(64, '0') +
            "\nprotocol_version=1\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
            "persistent_keepalive_interval=0\n";
    for (const IpPrefix& prefix : numbered_addresses(number)) text += "allowed_ip=" + prefix.to_string() + "\n";
  }
  text += "errno=0\n\n";
  std::vector<double> parse_ms;
  for (int round = 0; round < 15; ++round) {
    parse_ms.push_back(timed([&] {
      wg::uapi::GetAnswerParser parser({}, 812);
      for (std::string_view rest = text; !rest.empty();) {
        const std::string_view chunk = rest.substr(0, std::size_t{64} * 1024);
        rest.remove_prefix(chunk.size());
        check(parser.feed(chunk));
        (void)parser.take_settled(812);
      }
    }));
  }
  std::printf("{\"peers\": %u, \"bytes\": %zu, ", count, text.size());
  print_rounds("parse", parse_ms, "}\n");
}

void change(const std::string& ifname, int rounds) {
  auto client = check(wg::kernel::KernelClient::open(ifname));
  std::vector<double> quiesce, restore, remove, add;
  for (int round = 0; round < rounds; ++round) {
    const auto number = static_cast<std::uint32_t>(round * 37 + 5);
    wg::DeviceChange one;
    one.peers = {reconcile::quiesce(numbered_key(number), Secret32{numbered_key(number + 1).bytes()})};
    quiesce.push_back(timed([&] { check(client->apply(one)); }));
    wg::DeviceChange whole = peers(number, 1);
    whole.peers[0].preshared_key = wg::PresharedKey{};
    restore.push_back(timed([&] { check(client->apply(whole)); }));
    wg::DeviceChange gone;
    gone.peers.resize(1);
    gone.peers[0].public_key = numbered_key(number);
    gone.peers[0].remove = true;
    remove.push_back(timed([&] { check(client->apply(gone)); }));
    add.push_back(timed([&] { check(client->apply(whole)); }));
  }
  std::printf("{");
  print_rounds("quiesce", quiesce, ", ");
  print_rounds("restore", restore, ", ");
  print_rounds("remove", remove, ", ");
  print_rounds("add", add, "}\n");
}

void remove(const std::string& ifname, std::uint32_t count) {
  auto client = check(wg::kernel::KernelClient::open(ifname));
  wg::DeviceChange change = peers(1000, count);
  for (auto& peer : change.peers) peer.remove = true;
  std::printf("{\"ms\": %.3f}\n", timed([&] { check(client->apply(change)); }));
}

// The kernel applies a message in order until a peer is too many: the error says that, a reading says where.
void overfill(const std::string& ifname, std::uint32_t room) {
  constexpr std::uint32_t kBeyond = 8'000'000, kAsked = 10;
  auto client = check(wg::kernel::KernelClient::open(ifname));
  const auto there = [&client] {
    std::uint32_t last = 0;
    std::size_t all = 0, ours = 0;
    check(client->read([&](wg::Snapshot part) -> Result<void> {
      for (const wg::Peer& peer : part.device.peers) {
        ++all;
        for (std::uint32_t i = 0; i < kAsked; ++i)
          if (peer.public_key == numbered_key(kBeyond + i)) ++ours, last = std::max(last, i);
      }
      return {};
    }));
    return std::tuple{all, ours, last};
  };
  const std::size_t before = std::get<0>(there());
  if (before + room < wg::kernel::KernelClient::kMostPeers)
    check(
        client->apply(peers(kBeyond + kAsked, static_cast<std::uint32_t>(wg::kernel::KernelClient::kMostPeers - before - room))));
  const auto refused = client->apply(peers(kBeyond, kAsked));
  const auto [all, ours, last] = there();
  std::printf("{\"asked\": %u, \"room\": %u, \"there\": %zu, \"in_order\": %s, \"peers\": %zu, \"refused_as_full\": %s}\n",
              kAsked, room, ours, last + 1 == ours ? "true" : "false", all,
              !refused && refused.error().code == Errc::exhausted ? "true" : "false");
}

volatile sig_atomic_t stopped = 0;

void getlink(const std::string& ifname) {
  ::signal(SIGTERM, [](int) { stopped = 1; });
  BareNetlink bare(NETLINK_ROUTE);
  Bytes request = link::encode_get_link(ifname);
  std::vector<double> waits;
  while (stopped == 0) {
    waits.push_back(timed([&] { bare.exchange(request); }));
    ::usleep(2000);
  }
  std::sort(waits.begin(), waits.end());
  const auto at = [&](double share) {
    return waits[std::min(waits.size() - 1, static_cast<std::size_t>(share * static_cast<double>(waits.size())))];
  };
  std::printf("{\"asked\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", waits.size(), at(0.5), at(0.99),
              waits.back());
}

int run(const std::string& mode, const std::string& ifname, std::uint32_t count) {
  if (mode == "fill") return fill(*check(wg::kernel::KernelClient::open(ifname)), count), 0;
  if (mode == "fill-uapi") {
    wg::UserspaceClient client(ifname);
    return fill(client, count), 0;
  }
  if (mode == "fill-beside") return fill_beside_bare(ifname, count), 0;
  if (mode == "read") return read(ifname, static_cast<int>(count)), 0;
  if (mode == "read-uapi") return read_uapi_rounds(ifname, static_cast<int>(count)), 0;
  if (mode == "parse") return parse(count), 0;
  if (mode == "parse-uapi") return parse_uapi(count), 0;
  if (mode == "change") return change(ifname, static_cast<int>(count)), 0;
  if (mode == "remove") return remove(ifname, count), 0;
  if (mode == "overfill") return overfill(ifname, count), 0;
  if (mode == "getlink") return getlink(ifname), 0;
  std::fputs("usage: device_bench fill|fill-beside|read|read-uapi|change|remove|overfill|getlink IFNAME [COUNT]\n", stderr);
  return 2;
}

}  // namespace
}  // namespace sanad::bench

int main(int argc, char** argv) {
  if (argc < 3) return sanad::bench::run("", "", 0);
  return sanad::bench::run(argv[1], argv[2], argc > 3 ? static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)) : 0);
}
