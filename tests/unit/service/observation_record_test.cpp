// Each event becomes its row and its leaf, on a real ledger.

#include "control/service/observation_record.hpp"

#include <gtest/gtest.h>

#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using testing::count_containing;
using testing::key_number;
using testing::leaves;
using testing::prefix;

class ObservationRecord : public ::testing::Test {
 protected:
  ObservationRecord() {
    auto opened = ledger::Ledger::open(directory_.path() / "state.db");
    if (!opened) throw std::runtime_error(opened.error().message);
    ledger_ = std::move(*opened);
    auto added = testing::change<ledger::PeerRecord>(*ledger_, [](ledger::Transaction& txn) -> Result<ledger::PeerRecord> {
      ledger::PeerRecord peer;
      peer.interface = "wg0";
      peer.owner = txn.find_or_create_owner("Ayesha Khan", "a@example.com", "").value();
      peer.device = "laptop";
      peer.public_key = key_number(1);
      peer.allowed_ips = {prefix("10.66.0.2/32")};
      peer.on_device = true;
      return txn.insert_peer(peer);
    });
    if (!added) throw std::runtime_error(added.error().message);
    peer_ = *added;
  }

  static Observation observation() {
    Observation o{.interface = "wg0", .at = now(), .identity = "fake:1"};
    o.watched = o.at;
    return o;
  }
  sessions::Opened opened(std::uint8_t key = 1) const {
    const WallTime t = now().wall;
    return {.peer = key_number(key),
            .session = id_,
            .incarnation = 1,
            .start = t,
            .bounds = {t, t},
            .endpoint = Endpoint::parse("192.0.2.7:4711").value(),
            .base = {100, 200}};
  }
  sessions::Closed closed(std::uint8_t key = 1) const {
    const WallTime t = now().wall;
    return {.peer = key_number(key),
            .session = id_,
            .reason = sessions::CloseReason::expired,
            .end = t,
            .bounds = {t, t},
            .traffic = {11, 22},
            .figures_as_of = t};
  }
  void record(Observation o) {
    auto done = testing::change<void>(*ledger_, [o = std::move(o)](ledger::Transaction& txn) {
      return record_observation(txn, o, {{.gateway_id = "test"}, "boot-1", std::chrono::seconds{10}});
    });
    ASSERT_TRUE(done) << done.error().message;
  }
  std::optional<ledger::SessionRecord> session() {
    std::optional<ledger::SessionRecord> out;
    (void)testing::ask<void>(*ledger_, [this, &out](ledger::Transaction& txn) -> Result<void> {
      out = txn.find_session(id_);
      return {};
    });
    return out;
  }
  std::size_t leaf_count() { return leaves(*ledger_).size(); }

  testing::TempDirectory directory_;
  std::unique_ptr<ledger::Ledger> ledger_;
  ledger::PeerRecord peer_;
  sessions::SessionId id_{1, 2, 3};
};

TEST_F(ObservationRecord, ASessionFromOpenToClose) {
  auto o = observation();
  o.events.emplace_back(opened());
  record(o);
  auto row = session();
  ASSERT_TRUE(row);
  EXPECT_EQ(row->peer_id, peer_.id);
  EXPECT_EQ(row->inner, peer_.allowed_ips);
  EXPECT_EQ(row->boot_id, "boot-1");
  EXPECT_EQ(row->base, (sessions::Traffic{100, 200}));
  EXPECT_FALSE(row->end);
  EXPECT_EQ(leaf_count(), 1U);

  o = observation();
  const WallTime t = now().wall;
  o.events.emplace_back(sessions::Roamed{
      key_number(1), id_, Endpoint::parse("192.0.2.7:4711").value(), Endpoint::parse("198.51.100.9:5").value(), {t, t}});
  record(o);
  EXPECT_EQ(session()->endpoints.size(), 2U);
  EXPECT_EQ(leaf_count(), 2U);

  o = observation();
  o.events.emplace_back(closed());
  record(o);
  row = session();
  ASSERT_TRUE(row->end);
  EXPECT_EQ(row->end->reason, sessions::CloseReason::expired);
  EXPECT_EQ(row->figures.traffic, (sessions::Traffic{11, 22}));
  EXPECT_EQ(row->end->evidence, 2U);
  const auto all = leaves(*ledger_);
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(count_containing(all, "192.0.2.7"), 0U);  // personal: beside the leaf, never in it
  EXPECT_EQ(count_containing(all, "Ayesha"), 0U);
}

TEST_F(ObservationRecord, AttemptsGapsAndDriftAreLeavesOnly) {
  auto o = observation();
  const WallTime t = now().wall;
  o.events.emplace_back(sessions::Attempted{key_number(1), 3, {444, 0}, std::nullopt, {t, t}});
  o.events.emplace_back(sessions::Gap{sessions::GapCause::restart, t, t});
  o.drift.push_back({reconcile::DriftKind::peer_unknown, key_number(7), "10.66.0.9/32", "absent"});
  o.drift.push_back({reconcile::DriftKind::listen_port, {}, "1", "51820"});
  o.link_drift = {"MTU was 9000"};
  record(o);
  EXPECT_EQ(leaf_count(), 5U);
  EXPECT_EQ(count_containing(leaves(*ledger_), key_number(7).to_base64()), 0U);
}

TEST_F(ObservationRecord, AStrangerIsEvidenceWithoutARow) {
  auto o = observation();
  o.events.emplace_back(opened(9));
  o.events.emplace_back(closed(9));
  record(o);
  EXPECT_FALSE(session());
  EXPECT_EQ(count_containing(leaves(*ledger_), "unknown_peer"), 2U);
}

TEST_F(ObservationRecord, AMoveOfASessionWhoseOpeningWasLost) {
  auto o = observation();
  const WallTime t = now().wall;
  o.events.emplace_back(sessions::Roamed{key_number(1), id_, std::nullopt, Endpoint::parse("198.51.100.9:5").value(), {t, t}});
  record(o);
  EXPECT_EQ(leaf_count(), 1U);
}

TEST_F(ObservationRecord, GoneClearsOnDeviceUnlessActiveAgain) {
  const auto on_device = [this] {
    return testing::ask<bool>(*ledger_,
                              [this](ledger::Transaction& txn) -> Result<bool> { return txn.find_peer(peer_.id)->on_device; })
        .value();
  };
  auto o = observation();
  o.gone = {key_number(1), key_number(77)};
  record(o);
  EXPECT_TRUE(on_device());  // enabled meanwhile
  ASSERT_TRUE(testing::change<void>(*ledger_, [this](ledger::Transaction& txn) -> Result<void> {
    auto peer = *txn.find_peer(peer_.id);
    peer.enabled = false;
    if (auto done = txn.update_peer(peer); !done) return done.error();
    return {};
  }));
  record(o);
  EXPECT_FALSE(on_device());
}

TEST_F(ObservationRecord, ACheckpointKeepsFiguresAndTheMark) {
  auto o = observation();
  o.events.emplace_back(opened());
  record(o);
  o = observation();
  o.checkpoint = true;
  sessions::Baseline row{.peer = key_number(1), .counters = {150, 260}, .sampled = now()};
  row.open = sessions::Baseline::OpenSession{.session = id_, .base = {100, 200}, .handshakes = 2};
  o.baselines = {row};
  o.forgotten = {key_number(5)};
  record(o);
  EXPECT_EQ(session()->figures.traffic, (sessions::Traffic{50, 60}));
  EXPECT_EQ(session()->figures.handshakes, 2U);
  ASSERT_TRUE(testing::ask<void>(*ledger_, [&o](ledger::Transaction& txn) -> Result<void> {
    EXPECT_EQ(txn.baselines("wg0").size(), 1U);
    EXPECT_EQ(txn.meta(std::string(ledger::kMetaDeviceIdentityPrefix) + "wg0"), "fake:1");
    const auto mark = read_instant(txn.meta(std::string(ledger::kMetaLastSnapshotPrefix) + "wg0").value_or(""));
    EXPECT_EQ(mark, o.watched);
    return {};
  }));
  EXPECT_EQ(leaf_count(), 1U);  // a checkpoint is no event
}

TEST_F(ObservationRecord, AForgottenPeerThatIsBackKeepsItsRow) {
  auto o = observation();
  o.checkpoint = true;
  o.events.emplace_back(opened());
  sessions::Baseline row{.peer = key_number(1), .counters = {150, 260}, .sampled = now()};
  row.open = sessions::Baseline::OpenSession{.session = id_, .base = {100, 200}, .handshakes = 2};
  o.baselines = {row};
  o.forgotten = {key_number(1)};
  record(o);
  ASSERT_TRUE(testing::ask<void>(*ledger_, [this](ledger::Transaction& txn) -> Result<void> {
    const auto rows = txn.baselines("wg0");
    EXPECT_EQ(rows.size(), 1U);
    EXPECT_TRUE(!rows.empty() && rows.front().open && rows.front().open->session == id_);
    return {};
  }));
}

TEST_F(ObservationRecord, BackendEventsCloseSessionsInTheSameTransaction) {
  auto o = observation();
  o.events.emplace_back(opened());
  record(o);
  BackendEvent lost{.interface = "wg0", .what = BackendChange::lost, .detail = "wireguard-go has ended"};
  lost.events.emplace_back(closed());
  ASSERT_TRUE(testing::change<void>(*ledger_, [lost](ledger::Transaction& txn) {
    return record_backend(txn, lost, {{.gateway_id = "test"}, "boot-1", {}});
  }));
  EXPECT_TRUE(session()->end);
  EXPECT_EQ(leaf_count(), 3U);
}

TEST(InstantText, ComesBackOrIsRefused) {
  const Instant t{BootTime{123}, WallTime{-456}};
  EXPECT_EQ(read_instant(write_instant(t)), t);
  for (const char* text : {"", "1", "1 ", " 1", "1 2 ", "x y", "1  2", "99999999999999999999 1"})
    EXPECT_FALSE(read_instant(text)) << text;
}

}  // namespace
}  // namespace sanad::service
