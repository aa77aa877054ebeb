// The poll flow against a device in memory.

#include "control/service/interface_loop.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>
#include <set>

#include "tests/fakes/fake_interface.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using testing::key_number;
using testing::prefix;

const wg::PublicKey kA = key_number(1);
const wg::PublicKey kB = key_number(2);

template <class T>
std::vector<T> of_type(const std::vector<sessions::Event>& events) {
  std::vector<T> out;
  for (const auto& event : events)
    if (const auto* one = std::get_if<T>(&event)) out.push_back(*one);
  return out;
}

class InterfaceLoopTest : public ::testing::Test {
 protected:
  InterfaceLoopTest() {
    settings_.addresses = {InterfaceAddress::parse("10.66.0.1/16").value()};
    settings_.listen_port = 51820;
    key_ = wg::generate_private_key().value();
  }
  ~InterfaceLoopTest() override {
    one_.reset();
    worker_.reset();
  }

  void make() {
    InterfaceLoop::Sinks sinks{[this](Observation o, InterfaceLoop::Settled settled) {
                                 seen_.push_back(std::move(o));
                                 waiting_.push_back(std::move(settled));
                                 if (durable_) settle(true);
                               },
                               [this](BackendEvent e) { changes_.push_back(std::move(e)); }};
    one_ =
        std::make_unique<InterfaceLoop>(loop_, *worker_, settings_, sessions_, std::move(sinks), BackendPorts{device_, device_});
    one_->set_device(key_, wg::derive_public_key(key_).value());
    one_->restore({});
  }
  void start() {
    make();
    one_->put_peers({desired(kA, "10.66.0.2/32")});
    bool ready = false;
    one_->start([&ready] { ready = true; });
    ASSERT_TRUE(run([&ready] { return ready; }));
    ASSERT_TRUE(run([this] { return device_->with([](auto& s) { return s.peers.contains(kA) && s.listen_port == 51820; }); }));
    poll();
  }

  static reconcile::DesiredPeer desired(const wg::PublicKey& key, std::string_view allowed) {
    return {.public_key = key, .preshared_key = {}, .keepalive_s = 0, .allowed_ips = {prefix(allowed)}};
  }

  bool run(const std::function<bool()>& condition) { return testing::run_until(loop_, condition); }
  // All that was given to the device worker so far is done, and its answers were heard.
  void quiet() {
    bool reached = false;
    worker_->post([this, &reached] { boost::asio::post(loop_, [&reached] { reached = true; }); });
    ASSERT_TRUE(run([&reached] { return reached; }));
  }
  // One more snapshot, taken after this call, has been dealt with, and what it asked of the device is done.
  void poll() {
    quiet();
    const auto before = one_->status().polls;
    one_->link_changed(true, true);
    ASSERT_TRUE(run([this, before] { return one_->status().polls > before; }));
    quiet();
  }
  void settle(bool durable) {
    for (auto& settled : std::exchange(waiting_, {})) settled(durable);
  }

  template <class T>
  std::vector<T> events() const {
    std::vector<T> out;
    for (const auto& o : seen_)
      for (auto& e : of_type<T>(o.events)) out.push_back(e);
    return out;
  }
  std::vector<reconcile::Drift> drift() const {
    std::vector<reconcile::Drift> out;
    for (const auto& o : seen_) out.insert(out.end(), o.drift.begin(), o.drift.end());
    return out;
  }
  std::size_t count(BackendChange what) const {
    return static_cast<std::size_t>(
        std::count_if(changes_.begin(), changes_.end(), [what](const auto& c) { return c.what == what; }));
  }
  bool on_device(const wg::PublicKey& key) {
    return device_->with([&key](auto& s) { return s.peers.contains(key); });
  }
  bool cut(const wg::PublicKey& key) {
    std::optional<bool> answer;
    one_->remove_peer(key, sessions::CloseReason::revoked, [&answer](const Result<void>& r) { answer = r.has_value(); });
    EXPECT_TRUE(run([&answer] { return answer.has_value(); }));
    return answer.value_or(false);
  }

  boost::asio::io_context loop_{1};
  std::optional<Worker> worker_{std::in_place, "device"};
  std::shared_ptr<fakes::FakeInterface> device_ = std::make_shared<fakes::FakeInterface>();
  config::Interface settings_;
  config::Sessions sessions_;
  wg::PrivateKey key_;
  std::unique_ptr<InterfaceLoop> one_;
  bool durable_ = true;  // storage answers at once
  std::vector<Observation> seen_;
  std::vector<BackendEvent> changes_;
  std::vector<InterfaceLoop::Settled> waiting_;
};

TEST_F(InterfaceLoopTest, SetsUpANewDeviceWithoutCallingItDrift) {
  start();
  EXPECT_TRUE(drift().empty());
  EXPECT_EQ(count(BackendChange::started), 1U);
  EXPECT_EQ(one_->status().state, "up");
  EXPECT_EQ(device_->with([](auto& s) { return s.public_key; }), wg::derive_public_key(key_).value());
}

TEST_F(InterfaceLoopTest, TakesAnAdoptedDeviceAsItIs) {
  device_->with([this](auto& s) {
    s.adopted = true;
    s.public_key = wg::derive_public_key(key_).value();
    s.listen_port = 51820;
    s.peers[kA] = wg::Peer{.public_key = kA, .allowed_ips = {prefix("10.66.0.2/32")}, .has_counters = true};
  });
  start();
  EXPECT_EQ(count(BackendChange::adopted), 1U);
  EXPECT_TRUE(drift().empty());
  EXPECT_EQ(device_->with([](auto& s) { return s.calls; }), std::vector<std::string>{"start"});
  // What was right once has no excuse left: a change now is somebody's.
  device_->with([](auto& s) { s.listen_port = 1; });
  device_->with([](auto& s) { s.peers.erase(kA); });
  poll();
  ASSERT_EQ(drift().size(), 2U);
  EXPECT_EQ(drift()[0].kind, reconcile::DriftKind::listen_port);
  EXPECT_EQ(drift()[1].kind, reconcile::DriftKind::peer_missing);
  EXPECT_TRUE(on_device(kA));
}

TEST_F(InterfaceLoopTest, PutsDriftRightAndTellsItOnce) {
  start();
  device_->with([](auto& s) {
    s.peers.erase(kA);
    s.peers[kB] = wg::Peer{.public_key = kB, .allowed_ips = {prefix("10.66.9.9/32")}, .has_counters = true};
  });
  poll();
  poll();
  ASSERT_EQ(drift().size(), 2U);
  EXPECT_TRUE(on_device(kA));
  EXPECT_FALSE(on_device(kB));
}

TEST_F(InterfaceLoopTest, PeersGivenWhileItStartsArriveAndAreNoDrift) {
  make();
  one_->start([] {});
  one_->put_peers({desired(kB, "10.66.0.3/32")});
  ASSERT_TRUE(run([this] { return on_device(kB); }));
  poll();
  EXPECT_TRUE(drift().empty());
}

TEST_F(InterfaceLoopTest, ARefusedChangeIsMadeGoodByTheNextPoll) {
  start();
  device_->with([](auto& s) { s.apply_error = Error{Errc::timeout, "no answer"}; });
  one_->put_peers({desired(kB, "10.66.0.3/32")});
  poll();
  EXPECT_FALSE(on_device(kB));
  device_->with([](auto& s) { s.apply_error.reset(); });
  poll();
  EXPECT_TRUE(on_device(kB));
  EXPECT_TRUE(drift().empty());
}

TEST_F(InterfaceLoopTest, AFullDeviceIsToldUntilThereIsRoom) {
  device_->with([](auto& s) { s.most_peers = 2; });
  start();
  EXPECT_EQ(one_->most_peers(), 2U);
  const auto foreign = key_number(9);
  device_->with([&](auto& s) { s.peers[foreign] = wg::Peer{.public_key = foreign, .has_counters = true}; });
  one_->put_peers({desired(kB, "10.66.0.3/32")});
  quiet();
  EXPECT_FALSE(on_device(kB));
  EXPECT_EQ(one_->status().problem, "the fake device is full. take peers off it");
  EXPECT_EQ(one_->status().state, "up") << "those that are on it are served";
  poll();  // whoever should not be there goes first
  EXPECT_FALSE(on_device(foreign));
  EXPECT_TRUE(on_device(kB));
  poll();
  EXPECT_EQ(one_->status().problem, "");

  // Two in one change: what is before the one too many stays, and the other comes when a peer has left.
  const auto c = key_number(3);
  const auto d = key_number(4);
  ASSERT_TRUE(cut(kB));
  poll();
  poll();
  ASSERT_FALSE(on_device(kB));
  one_->put_peers({desired(c, "10.66.0.4/32"), desired(d, "10.66.0.5/32")});
  poll();
  EXPECT_TRUE(on_device(c));
  EXPECT_FALSE(on_device(d));
  EXPECT_EQ(one_->status().problem, "the fake device is full. take peers off it");
  ASSERT_TRUE(cut(kA));
  poll();
  poll();
  EXPECT_TRUE(on_device(d));
  poll();
  EXPECT_EQ(one_->status().problem, "");
}

TEST_F(InterfaceLoopTest, WhatIsRefusedKeepsNobodyConnectedAndIsToldOnce) {
  start();
  // The port is taken by somebody: said by a device that takes everything else.
  device_->with([](auto& s) {
    s.listen_port = 4;
    s.port_error = Error{Errc::conflict, "the port is taken"};
    s.peers.erase(kA);
  });
  one_->put_peers({desired(kB, "10.66.0.3/32")});
  poll();
  poll();
  EXPECT_TRUE(on_device(kA)) << "put back all the same";
  EXPECT_EQ(one_->status().problem, "the port is taken");
  const auto told = drift().size();
  EXPECT_EQ(told, 2U);
  one_->remove_all(sessions::CloseReason::suspended);
  poll();
  poll();
  EXPECT_FALSE(on_device(kA));
  EXPECT_FALSE(on_device(kB));
  EXPECT_EQ(drift().size(), told) << "the same port is the same difference";
  device_->with([](auto& s) { s.port_error.reset(); });
  poll();
  poll();
  EXPECT_EQ(one_->status().problem, "");
}

TEST_F(InterfaceLoopTest, RemovalWaitsUntilTheFinalFiguresAreDurable) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  ASSERT_EQ(events<sessions::Opened>().size(), 1U);
  device_->traffic(kA, 11, 22);
  durable_ = false;
  ASSERT_TRUE(cut(kA));
  device_->with([](auto& s) {
    EXPECT_TRUE(s.peers.at(kA).allowed_ips.empty());
    EXPECT_FALSE(s.peers.at(kA).preshared_key.is_zero());
  });
  poll();
  ASSERT_EQ(events<sessions::Closed>().size(), 1U);
  const auto closed = events<sessions::Closed>().front();
  EXPECT_EQ(closed.reason, sessions::CloseReason::revoked);
  EXPECT_EQ(closed.traffic, (sessions::Traffic{1011, 2022}));
  // However many polls find nothing new to tell: the peer stays until storage has the figures.
  poll();
  poll();
  EXPECT_TRUE(on_device(kA));
  settle(true);
  ASSERT_TRUE(run([this] { return !on_device(kA); }));
  durable_ = true;
  poll();
  EXPECT_EQ(seen_.back().gone, std::vector<wg::PublicKey>{kA});
  EXPECT_FALSE(one_->holds(kA));
  EXPECT_TRUE(drift().empty());
  EXPECT_EQ(events<sessions::Closed>().size(), 1U);
}

TEST_F(InterfaceLoopTest, EnabledAgainWhileTheRemovalWaits) {
  start();
  durable_ = false;
  ASSERT_TRUE(cut(kA));
  poll();
  one_->put_peers({desired(kA, "10.66.0.2/32")});
  settle(true);
  poll();
  EXPECT_TRUE(on_device(kA));
  EXPECT_EQ(device_->with([](auto& s) { return s.peers.at(kA).allowed_ips; }), std::vector<IpPrefix>{prefix("10.66.0.2/32")});
  EXPECT_TRUE(one_->serves(kA));
  EXPECT_TRUE(drift().empty());
}

TEST_F(InterfaceLoopTest, AStaleRemovalDoesNotTakeTheBytesOfASecondTerm) {
  start();
  durable_ = false;
  ASSERT_TRUE(cut(kA));
  poll();
  auto first = std::exchange(waiting_, {});
  one_->put_peers({desired(kA, "10.66.0.2/32")});
  poll();
  device_->handshake(kA, 500, 600);
  ASSERT_TRUE(cut(kA));
  for (auto& settled : first) settled(true);
  quiet();
  ASSERT_TRUE(on_device(kA));
  poll();
  std::uint64_t told = 0;
  for (const auto& closed : events<sessions::Closed>()) told += closed.traffic.rx;
  for (const auto& attempt : events<sessions::Attempted>()) told += attempt.traffic.rx;
  EXPECT_EQ(told, 500U);
  settle(true);
  EXPECT_TRUE(run([this] { return !on_device(kA); }));
}

TEST_F(InterfaceLoopTest, BackendThatDiesIsLostAndRestored) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  device_->with([](auto& s) { s.snapshot_error = Error{Errc::unavailable, "connection refused"}; });
  poll();
  ASSERT_EQ(count(BackendChange::lost), 1U);
  const auto closed = of_type<sessions::Closed>(changes_.back().events);
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed.front().reason, sessions::CloseReason::device);
  EXPECT_EQ(closed.front().traffic, (sessions::Traffic{1000, 2000}));
  EXPECT_EQ(one_->status().state, "backend_down");
  EXPECT_FALSE(cut(kB));  // nothing can be cut now, and it says so
  device_->reborn();
  device_->with([](auto& s) { s.snapshot_error.reset(); });
  ASSERT_TRUE(run([this] { return on_device(kA); }));
  EXPECT_EQ(count(BackendChange::restored), 1U);
  EXPECT_EQ(count(BackendChange::unavailable), 0U);
  EXPECT_EQ(one_->status().state, "up");
  poll();
  EXPECT_TRUE(drift().empty());
  EXPECT_FALSE(on_device(kB));
  EXPECT_EQ(events<sessions::Closed>().size(), 0U);  // told with the loss, and not again
}

TEST_F(InterfaceLoopTest, GarbageAndSilenceEndNoSession) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  const auto session = events<sessions::Opened>().at(0).session;
  const auto before = seen_.size();
  device_->with([](auto& s) { s.snapshot_error = Error{Errc::corrupt, "no sense in it"}; });
  poll();
  EXPECT_EQ(one_->status().problem, "no sense in it");
  device_->with([](auto& s) { s.snapshot_error = Error{Errc::timeout, "no answer in 10 s"}; });
  for (int i = 0; i < 4; ++i) poll();
  EXPECT_EQ(one_->status().state, "backend_down");
  EXPECT_EQ(count(BackendChange::unavailable), 1U);
  EXPECT_EQ(count(BackendChange::lost), 0U);
  EXPECT_EQ(seen_.size(), before);
  EXPECT_EQ(device_->with([](auto& s) { return s.starts; }), 1);
  device_->with([](auto& s) { s.snapshot_error.reset(); });
  device_->traffic(kA, 1, 1);
  poll();
  EXPECT_EQ(one_->status().state, "up");
  EXPECT_TRUE(one_->status().problem.empty());
  EXPECT_EQ(count(BackendChange::restored), 1U);
  ASSERT_TRUE(one_->live(kA));
  EXPECT_EQ(one_->live(kA)->session, session);
  EXPECT_TRUE(events<sessions::Closed>().empty());
}

TEST_F(InterfaceLoopTest, IncompleteSnapshotsProveNoAbsence) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  auto peer = device_->with([](auto& s) {
    s.complete = false;
    auto node = s.peers.extract(kA);
    return node.mapped();
  });
  poll();
  EXPECT_TRUE(drift().empty());
  EXPECT_TRUE(events<sessions::Closed>().empty());
  device_->with([&peer](auto& s) {
    s.complete = true;
    s.peers[kA] = peer;
  });
  poll();
  EXPECT_TRUE(one_->live(kA));
}

TEST_F(InterfaceLoopTest, ABackendThatStartsButNeverAnswersIsNotTurnedInCircles) {
  device_->with([](auto& s) { s.snapshot_error = Error{Errc::unavailable, "connection refused"}; });
  make();
  bool ready = false;
  one_->start([&ready] { ready = true; });
  ASSERT_TRUE(run([&ready] { return ready; }));
  ASSERT_TRUE(run([this] { return device_->with([](auto& s) { return s.starts; }) == 2; }));  // after a second
  EXPECT_EQ(count(BackendChange::unavailable), 1U);
  EXPECT_EQ(count(BackendChange::lost) + count(BackendChange::started) + count(BackendChange::restored), 0U);
  EXPECT_EQ(one_->status().state, "backend_down");
}

TEST_F(InterfaceLoopTest, TriesAgainUntilItStarts) {
  device_->with([](auto& s) { s.start_error = Error{Errc::conflict, "the name is taken", "", "choose another"}; });
  make();
  one_->put_peers({desired(kA, "10.66.0.2/32")});
  bool ready = false;
  one_->start([&ready] { ready = true; });
  ASSERT_TRUE(run([&ready] { return ready; }));
  EXPECT_EQ(one_->status().problem, "the name is taken. choose another");
  EXPECT_FALSE(cut(kB));
  device_->with([](auto& s) { s.start_error.reset(); });
  ASSERT_TRUE(run([this] { return on_device(kA); }));
  EXPECT_EQ(count(BackendChange::started), 1U);
  EXPECT_EQ(count(BackendChange::unavailable), 1U);
}

TEST_F(InterfaceLoopTest, StopTakesALastSnapshotAndWaitsForItsRecord) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  device_->traffic(kA, 5, 6);
  durable_ = false;
  bool stopped = false;
  one_->stop(false, [&stopped] { stopped = true; });
  ASSERT_TRUE(run([this] { return !waiting_.empty(); }));
  EXPECT_FALSE(stopped);
  EXPECT_TRUE(seen_.back().checkpoint);
  ASSERT_EQ(seen_.back().baselines.size(), 1U);
  EXPECT_EQ(seen_.back().baselines[0].counters, (sessions::Traffic{1005, 2006}));
  settle(true);
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(device_->with([](auto& s) { return s.exists; }));
}

TEST_F(InterfaceLoopTest, StopWithADeadBackendRecordsWhatIsKnown) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  device_->traffic(kA, 5, 6);
  poll();
  device_->with([](auto& s) { s.snapshot_error = Error{Errc::timeout, "no answer"}; });
  bool stopped = false;
  one_->stop(true, [&stopped] { stopped = true; });
  ASSERT_TRUE(run([&stopped] { return stopped; }));
  EXPECT_TRUE(seen_.back().checkpoint);
  ASSERT_EQ(seen_.back().baselines.size(), 1U);
  EXPECT_EQ(seen_.back().baselines[0].counters.rx, 1005U);
  EXPECT_FALSE(device_->with([](auto& s) { return s.exists; }));  // and destroyed, as asked
}

TEST_F(InterfaceLoopTest, RowsOfALostBatchComeWithTheNextCheckpoint) {
  sessions_.checkpoint = std::chrono::seconds{0};
  start();
  durable_ = false;
  device_->handshake(kA, 1000, 2000);
  poll();
  ASSERT_TRUE(seen_.back().checkpoint);
  const auto before = seen_.size();
  poll();  // the first waits: no second one piles up behind it
  EXPECT_EQ(
      std::count_if(seen_.begin() + static_cast<std::ptrdiff_t>(before), seen_.end(), [](const auto& o) { return o.checkpoint; }),
      0);
  settle(false);
  durable_ = true;
  poll();
  ASSERT_TRUE(seen_.back().checkpoint);
  ASSERT_EQ(seen_.back().baselines.size(), 1U);
  EXPECT_EQ(seen_.back().baselines[0].peer, kA);
}

TEST_F(InterfaceLoopTest, SitesHaveRoutes) {
  start();
  auto site = desired(kB, "192.168.7.0/24");
  site.allowed_ips.push_back(prefix("10.66.0.3/32"));
  site.allowed_ips.push_back(prefix("0.0.0.0/0"));
  one_->put_peers({site});
  const std::vector<IpPrefix> wanted{prefix("192.168.7.0/24")};
  EXPECT_TRUE(run([this, &wanted] { return device_->with([](auto& s) { return s.routes; }) == wanted; }));
  ASSERT_TRUE(cut(kB));
  EXPECT_TRUE(run([this] { return device_->with([](auto& s) { return s.routes.empty(); }); }));
}

TEST_F(InterfaceLoopTest, LinkDownEndsSessionsWithTheLastFiguresAndIsRepaired) {
  start();
  device_->handshake(kA, 1000, 2000);
  poll();
  device_->traffic(kA, 7, 8);
  device_->with([](auto& s) { s.up = false; });
  one_->link_changed(false, false);
  ASSERT_TRUE(run([this] { return !events<sessions::Closed>().empty(); }));
  EXPECT_EQ(events<sessions::Closed>()[0].reason, sessions::CloseReason::link_down);
  EXPECT_EQ(events<sessions::Closed>()[0].traffic, (sessions::Traffic{1007, 2008}));
  ASSERT_TRUE(run([this] { return !seen_.back().link_drift.empty(); }));
  EXPECT_TRUE(device_->with([](auto& s) { return s.up; }));
  EXPECT_EQ(count(BackendChange::lost), 0U);
}

// Polls are ten seconds apart here: what is seen sooner is seen because of the hint.
TEST_F(InterfaceLoopTest, AHintShowsASessionAtOnceAndThoseOfRekeysAreNotFollowed) {
  start();
  const auto polls = one_->status().polls;
  device_->handshake(kA, 1000, 2000);
  one_->handshake_hint(kA, now().boot);
  ASSERT_TRUE(run([this] { return !events<sessions::Opened>().empty(); }));
  EXPECT_EQ(events<sessions::Opened>()[0].peer, kA);
  EXPECT_EQ(seen_.back().baselines.size(), 1U) << "its row goes with it";
  EXPECT_EQ(one_->status().looks, 1U);
  device_->handshake(kA, 100, 100);
  one_->handshake_hint(kA, now().boot);
  quiet();
  EXPECT_EQ(one_->status().hints, 1U);
  EXPECT_EQ(one_->status().looks, 1U);
  EXPECT_EQ(one_->status().polls, polls);
}

TEST_F(InterfaceLoopTest, LostHintsAreMadeUpForByALook) {
  start();
  device_->handshake(kA, 1000, 2000);
  one_->hints_lost(now().boot);
  ASSERT_TRUE(run([this] { return !events<sessions::Opened>().empty(); }));
}

TEST_F(InterfaceLoopTest, ALookAtADeviceThatDoesNotAnswerIsLeftToThePolls) {
  start();
  device_->with([](auto& s) { s.snapshot_error = Error{Errc::unavailable, "gone"}; });
  const auto before = device_->with([](auto& s) { return s.snapshots; });
  one_->handshake_hint(kA, now().boot);
  ASSERT_TRUE(run([this, before] { return device_->with([](auto& s) { return s.snapshots; }) > before; }));
  quiet();
  EXPECT_EQ(one_->status().state, "up");
  EXPECT_EQ(one_->status().looks, 0U);
}

wg::PublicKey numbered(std::uint32_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[0] = 9;
  std::memcpy(bytes.data() + 8, &n, sizeof n);
  return wg::PublicKey{bytes};
}

// What somebody asks for while a reading is under way is neither undone by it nor taken for somebody else's doing.
TEST_F(InterfaceLoopTest, ChangesBetweenTwoPartsOfAReadingHold) {
  start();
  std::vector<reconcile::DesiredPeer> many;
  for (std::uint32_t n = 0; n < 40; ++n)
    many.push_back({.public_key = numbered(n), .preshared_key = {}, .keepalive_s = 0, .allowed_ips = {}});
  one_->put_peers(many);
  poll();
  int parts = 0;
  device_->with([&](auto& s) {
    s.part = 1;
    s.between_parts = [this, &parts] {
      if (++parts != 20) return;
      boost::asio::post(loop_, [this] {
        one_->put_peers({{.public_key = numbered(1), .preshared_key = {}, .keepalive_s = 25, .allowed_ips = {}},
                         {.public_key = numbered(38), .preshared_key = {}, .keepalive_s = 25, .allowed_ips = {}},
                         {.public_key = numbered(100), .preshared_key = {}, .keepalive_s = 25, .allowed_ips = {}}});
        for (const std::uint32_t n : {0U, 39U})
          one_->remove_peer(numbered(n), sessions::CloseReason::revoked, [](const auto&) {});
      });
    };
  });
  poll();
  device_->with([](auto& s) { s.between_parts = nullptr; });
  for (int i = 0; i < 3; ++i) poll();
  EXPECT_GE(parts, 20);
  EXPECT_TRUE(drift().empty());
  device_->with([](auto& s) {
    for (const std::uint32_t n : {1U, 38U, 100U}) EXPECT_EQ(s.peers.at(numbered(n)).keepalive_s, 25);
    for (const std::uint32_t n : {0U, 39U}) EXPECT_FALSE(s.peers.contains(numbered(n)));
  });
  std::set<wg::PublicKey> gone;
  for (const auto& o : seen_) gone.insert(o.gone.begin(), o.gone.end());
  EXPECT_EQ(gone, (std::set{numbered(0), numbered(39)}));
}

TEST_F(InterfaceLoopTest, MoreThanAPlanAddsComesInPiecesAndIsNoDrift) {
  constexpr std::uint32_t kCount = 3 * reconcile::kMostAdded + 5;
  make();
  reconcile::DesiredPeers wanted;
  for (std::uint32_t n = 0; n < kCount; ++n) wanted.put({.public_key = numbered(n)});
  one_->want_peers(std::move(wanted));
  one_->start([] {});
  const auto all = [this](std::size_t count) { return device_->with([count](auto& s) { return s.peers.size() == count; }); };
  ASSERT_TRUE(run([&] { return all(kCount); }));
  poll();
  EXPECT_TRUE(drift().empty()) << "a device made anew has nothing on it";
  // Somebody empties it: all are brought back, and each is said once.
  device_->with([](auto& s) { s.peers.clear(); });
  one_->link_changed(true, true);
  ASSERT_TRUE(run([&] { return all(kCount); }));
  poll();
  EXPECT_EQ(drift().size(), kCount);
}

TEST_F(InterfaceLoopTest, WhatABrokenReadingToldIsRecordedWithTheNext) {
  start();
  one_->put_peers({desired(kB, "10.66.0.3/32")});
  poll();
  device_->handshake(std::min(kA, kB), 500, 600);
  device_->with([this](auto& s) {
    s.part = 1;
    s.between_parts = [this] { device_->with([](auto& t) { t.read_error = Error{Errc::timeout, "no more"}; }); };
  });
  poll();
  EXPECT_TRUE(events<sessions::Opened>().empty());
  device_->with([](auto& s) {
    s.between_parts = nullptr;
    s.read_error.reset();
  });
  poll();
  ASSERT_EQ(events<sessions::Opened>().size(), 1U);
  EXPECT_EQ(events<sessions::Opened>()[0].peer, std::min(kA, kB));
}

TEST_F(InterfaceLoopTest, SuspensionTakesEverybodyOff) {
  start();
  one_->put_peers({desired(kB, "10.66.0.3/32")});
  one_->remove_all(sessions::CloseReason::suspended);
  ASSERT_TRUE(run([this] {
    one_->link_changed(true, true);
    return !on_device(kA) && !on_device(kB);
  }));
  EXPECT_EQ(one_->status().peers, 0U);
}

}  // namespace
}  // namespace sanad::service
