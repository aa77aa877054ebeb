// A day of a client that only keeps alive, as the kernel tells it: what a kernel said once (testdata/netlink/three_peers.bin),
// with the figures of the live peer written into those bytes as the protocol would have them, through the decoder into the
// tracker. Nothing happens in such a day, whatever packets get lost and however the wall clock is disciplined, so nothing may be
// told.

#include <gtest/gtest.h>
#include <linux/genetlink.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "gateway/sessions/tracker.hpp"
#include "gateway/wg/kernel/attributes.hpp"
#include "gateway/wg/kernel/codec.hpp"
#include "tests/unit/wg_kernel/golden.hpp"

namespace sanad::sessions {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::uint16_t kFigures[] = {wg::kernel::kPeerLastHandshake, wg::kernel::kPeerRxBytes, wg::kernel::kPeerTxBytes};

// The recorded dump, and where in it the figures of its first peer stand.
class RecordedDump {
 public:
  RecordedDump() : bytes_(netlink::golden("three_peers.bin")) {
    const auto messages = netlink::messages_of(bytes_);
    family_ = messages.at(0).type;
    netlink::View device = messages.at(0).payload;
    EXPECT_TRUE(netlink::take_header<genlmsghdr>(device, "a header"));
    const netlink::View peer = find(find(device, wg::kernel::kDevicePeers), 0);
    for (std::size_t i = 0; i < std::size(kFigures); ++i) {
      const netlink::View figure = find(peer, kFigures[i]);
      EXPECT_FALSE(figure.empty());
      offsets_[i] = static_cast<std::size_t>(figure.data() - bytes_.data());
    }
  }

  void write(wg::HandshakeTime handshake, Traffic traffic) {
    const std::int64_t time[] = {handshake.sec, handshake.nsec};
    std::memcpy(&bytes_[offsets_[0]], time, sizeof time);
    std::memcpy(&bytes_[offsets_[1]], &traffic.rx, sizeof traffic.rx);
    std::memcpy(&bytes_[offsets_[2]], &traffic.tx, sizeof traffic.tx);
  }

  [[nodiscard]] wg::Snapshot read(Instant started, Instant finished) const {
    wg::kernel::DumpParser parser{family_};
    for (const auto& message : netlink::messages_of(bytes_)) EXPECT_TRUE(parser.feed(message));
    wg::Snapshot snapshot;
    snapshot.complete = !parser.interrupted();
    snapshot.device = std::move(parser).finish().value();
    snapshot.identity = "kernel:" + std::to_string(snapshot.device.ifindex);
    snapshot.started = started;
    snapshot.finished = finished;
    return snapshot;
  }

 private:
  static netlink::View find(netlink::View attributes, std::uint16_t type) {
    netlink::AttributeWalk walk{attributes};
    for (netlink::Attribute attribute; walk.next(attribute);)
      if (attribute.type == type) return attribute.payload;
    ADD_FAILURE() << "the recorded dump has no attribute " << type;
    return {};
  }

  Bytes bytes_;
  std::uint16_t family_ = 0;
  std::size_t offsets_[std::size(kFigures)] = {};
};

// A keepalive every 25 s and nothing else; keys are renewed by the client when it sends and they are older than 120 s. A
// handshake whose packets get lost is tried again every 5 s (+ up to 333 ms).
class KeepaliveClient {
 public:
  KeepaliveClient(std::uint64_t seed, double loss) : random_(seed), loss_(loss) {}

  void run_until(BootTime until) {
    while (next_ <= until) {
      const bool renew = !shaken_ || next_ - *shaken_ >= seconds{120};
      if (!renew) {
        if (!lost()) traffic_.rx += 32;
        next_ = next_ + seconds{25};
      } else if (shaken_ && (lost() || lost())) {
        traffic_.rx += 148;  // it arrived; the answer did not
        traffic_.tx += 92;
        next_ = next_ + seconds{5} + milliseconds{std::uniform_int_distribution<>(0, 333)(random_)};
      } else {
        // The kernel stamps the first data packet under the new key, and counts all of it.
        shaken_ = next_ + milliseconds{40};
        traffic_.rx += 148 + 32;
        traffic_.tx += 92;
        next_ = next_ + seconds{25};
      }
    }
  }
  [[nodiscard]] std::optional<BootTime> shaken() const { return shaken_; }
  [[nodiscard]] Traffic traffic() const { return traffic_; }

 private:
  bool lost() { return std::uniform_real_distribution<>(0, 1)(random_) < loss_; }

  std::mt19937_64 random_;
  double loss_;
  BootTime next_{std::int64_t{100} * 1'000'000'000};
  std::optional<BootTime> shaken_;
  Traffic traffic_;
};

// The wall clock as NTP leads it: off by up to 50 parts in a million, and pulled back.
WallTime wall_of(BootTime boot) {
  constexpr std::int64_t kBooted = 1'795'500'000'000'000'000;
  const auto since = static_cast<double>(boot.ns) / 1e9;
  const double wander_ms = 40 * std::sin(since / 5000);
  return WallTime{kBooted + boot.ns + static_cast<std::int64_t>(wander_ms * 1e6)};
}
Instant at(BootTime boot) { return {boot, wall_of(boot)}; }

std::uint64_t seed_of_run() {
  if (const char* given = std::getenv("SANAD_SEED"); given != nullptr) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

struct Day {
  double loss = 0;
  nanoseconds poll = seconds{10};
};

class KernelDay : public ::testing::TestWithParam<Day> {};

TEST_P(KernelDay, NothingIsTold) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("SANAD_SEED=" + std::to_string(seed));
  RecordedDump dump;
  KeepaliveClient client{seed, GetParam().loss};
  Tracker tracker{{.poll_interval = GetParam().poll}, [] { return SessionId{1}; }};
  std::mt19937_64 random{seed + 1};
  std::size_t opened = 0;
  std::size_t others = 0;
  std::string told;
  const BootTime start{seconds{60}.count() * 1'000'000'000};
  BootTime last_handshake;
  std::size_t renewals = 0;
  RestoredState fresh;
  fresh.created = at(start);
  tracker.restore(std::move(fresh));
  dump.write({}, {});
  const auto past = tracker.observe(dump.read(at(start), at(start + milliseconds{5})));
  EXPECT_TRUE(std::ranges::all_of(past, [](const Event& e) { return std::holds_alternative<Gap>(e); }));
  for (BootTime polled = start + GetParam().poll; polled - start <= hours{24}; polled = polled + GetParam().poll) {
    // A poll is a little late at times, and takes a while.
    const BootTime started = polled + milliseconds{std::uniform_int_distribution<>(0, 300)(random)};
    client.run_until(started);
    if (const auto shaken = client.shaken(); shaken && *shaken <= started) {
      if (*shaken != last_handshake) ++renewals;
      last_handshake = *shaken;
      const std::int64_t wall = wall_of(*shaken).ns;
      dump.write({wall / 1'000'000'000, wall % 1'000'000'000}, client.traffic());
    }
    for (const Event& event : tracker.observe(dump.read(at(started), at(started + milliseconds{20})))) {
      ++(std::holds_alternative<Opened>(event) ? opened : others);
      if (!std::holds_alternative<Opened>(event)) told += " " + std::to_string(event.index());
    }
  }
  EXPECT_GE(renewals, 24U * 3600 / 185) << "a day has so many handshakes at least";
  EXPECT_EQ(opened, 1U);
  EXPECT_EQ(others, 0U) << "false events, by their place in Event:" << told;
  EXPECT_EQ(tracker.open_count(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Losses, KernelDay,
                         ::testing::Values(Day{0, seconds{10}}, Day{0.02, seconds{10}}, Day{0.1, seconds{10}},
                                           Day{0.02, seconds{1}}, Day{0.02, seconds{60}}));

}  // namespace
}  // namespace sanad::sessions
