// The use cases on a gateway whose backend cannot start (the interface's name is taken by one of another kind) and whose disk
// fails when told to: changes are made, recorded, and answered for what they are.

#include "control/service/peers.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sqlite3.h>

#include "control/ledger/custody.hpp"
#include "control/service/gateway.hpp"
#include "control/service/peer_addition.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/fakes/faulty_vfs.hpp"
#include "tests/unit/registration/support.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using testing::count_containing;
using testing::key_number;
using testing::leaves;
using testing::prefix;

class PeersTest : public ::testing::Test {
 protected:
  // Of its own network: a gateway sets forwarding and nftables. Threads made from here on are in it, too.
  static void SetUpTestSuite() { ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root for a network namespace of its own"; }

  PeersTest() {
    faults_.clear();
    config_.gateway.id = "test-1";
    config_.gateway.state_dir = directory_.path();
    config::Interface lo;
    lo.name = "lo";
    lo.addresses = {InterfaceAddress::parse("10.66.0.1/16").value()};
    lo.pools = {prefix("10.66.0.0/16")};
    lo.client.name = "Example VPN";
    lo.client.endpoint_host = "vpn.example.com";
    lo.client.endpoint_port = 51820;
    lo.client.routes = lo.pools;
    config_.interfaces = {lo};
    config_.registration.certificate = directory_.path() / "certificate.pem";
    config_.registration.private_key.path = directory_.path() / "registration.key";
    config_.registration.on_expired = config::StandingAction::warn;
    config_.registration.on_mismatch = config::StandingAction::warn;
    auto claims = registration::testing::example_claims();
    claims.wireguard_key = wg::derive_public_key(key_).value();
    const auto certificate = registration::testing::self_declared(claims);
    write(config_.registration.certificate, certificate.pem);
    write(config_.registration.private_key.path, certificate.key.reveal());
    ledger::LedgerOptions options;
    options.vfs = "faulty";
    options.retry_interval = std::chrono::nanoseconds{0};
    auto opened = ledger::Ledger::open(directory_.path() / "state.db", std::move(options));
    if (!opened) throw std::runtime_error(opened.error().message);
    ledger_ = std::move(*opened);
    device_.emplace("device");
    gateway_ = std::make_unique<Gateway>(loop_, *device_, *ledger_, config_, directory_.path() / "sanad.yaml", std::vector{key_});
    peers_ = std::make_unique<Peers>(*gateway_);
    std::optional<Result<void>> ready;
    gateway_->start([&ready](Result<void> r) { ready = std::move(r); });
    EXPECT_TRUE(run([&ready] { return ready.has_value(); }));
    if (!ready || !*ready) throw std::runtime_error(ready ? ready->error().message : "not ready");
  }
  // In the order of the daemon: the loop has ended, then the gateway goes while jobs of it are still under way.
  ~PeersTest() override {
    faults_.clear();
    peers_.reset();
    gateway_.reset();
    device_.reset();
    ledger_.reset();
  }

  static void write(const std::filesystem::path& path, const std::string& text) {
    if (auto written = write_file_durably(path, text, 0600); !written) throw std::runtime_error(written.error().message);
  }
  bool run(const std::function<bool()>& condition) { return testing::run_until(loop_, condition); }
  template <class T>
  Result<T> wait(const std::function<void(Done<T>)>& call) {
    std::optional<Result<T>> answer;
    call([&answer](Result<T> r) {
      EXPECT_FALSE(answer) << "answered twice";
      answer.emplace(std::move(r));
    });
    EXPECT_TRUE(run([&answer] { return answer.has_value(); }));
    return answer ? std::move(*answer) : Result<T>(Error{Errc::timeout, "no answer"});
  }
  static Caller caller(std::optional<Idempotency> idempotency = {}) {
    Caller out;
    out.actor.uid = 1000;
    out.actor.user_name = "admin";
    out.idempotency = std::move(idempotency);
    return out;
  }
  static NewPeer input(std::uint8_t n) {
    NewPeer peer;
    peer.owner_name = "Person " + std::to_string(n);
    peer.device = "laptop";
    peer.public_key = key_number(n).to_base64();
    return peer;
  }
  Result<PeerAdded> add(NewPeer peer, Caller who = caller()) {
    return wait<PeerAdded>([&](Done<PeerAdded> done) { peers_->add(who, peer, std::move(done)); });
  }
  Result<PeerRevoked> revoke(const std::string& id) {
    return wait<PeerRevoked>([&](Done<PeerRevoked> done) { peers_->revoke(caller(), id, std::move(done)); });
  }
  Result<Changed<PeerView>> set_enabled(const std::string& id, bool enabled) {
    return wait<Changed<PeerView>>(
        [&](Done<Changed<PeerView>> done) { peers_->set_enabled(caller(), id, enabled, std::move(done)); });
  }
  Result<PeerView> get(const std::string& id) {
    return wait<PeerView>([&](Done<PeerView> done) { peers_->get(id, std::move(done)); });
  }
  void recorded() {
    bool idle = false;
    gateway_->recorder().when_idle([&idle] { idle = true; });
    ASSERT_TRUE(run([&idle] { return idle; }));
  }
  void break_disk() {
    faults_.code = SQLITE_FULL;
    faults_.lasting = true;
    faults_.writes_left = 0;
  }
  bool serves(std::uint8_t n) { return gateway_->interface("lo")->serves(key_number(n)); }

  fakes::Faults& faults_ = fakes::faulty_vfs();
  testing::TempDirectory directory_;
  boost::asio::io_context loop_{1};
  config::Config config_;
  wg::PrivateKey key_ = wg::generate_private_key().value();
  std::unique_ptr<ledger::Ledger> ledger_;
  std::optional<Worker> device_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Peers> peers_;
};

TEST_F(PeersTest, TheBackendIsDownAndSaysWhy) {
  const auto status = gateway_->interface("lo")->status();
  EXPECT_EQ(status.state, "backend_down");
  EXPECT_NE(status.problem.find("another kind"), std::string::npos);
  recorded();
  const auto all = leaves(*ledger_);
  EXPECT_EQ(count_containing(all, "backend_unavailable"), 1U);
}

TEST_F(PeersTest, AddEditRotateDisableRevoke) {
  const auto added = add(input(1));
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->peer.peer.allowed_ips, std::vector<IpPrefix>{prefix("10.66.0.2/32")});
  EXPECT_NE(added->profile.find("vpn.example.com:51820"), std::string::npos) << added->profile;
  EXPECT_TRUE(serves(1));
  const std::string id = added->peer.peer.id;
  recorded();
  const auto before = leaves(*ledger_).size();

  PeerEdit edit;
  edit.note = "moved";
  auto edited =
      wait<Changed<PeerView>>([&](Done<Changed<PeerView>> done) { peers_->edit(caller(), id, edit, 1, std::move(done)); });
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(edited->value.peer.version, 2U);
  edited = wait<Changed<PeerView>>([&](Done<Changed<PeerView>> done) { peers_->edit(caller(), id, edit, 1, std::move(done)); });
  ASSERT_FALSE(edited);
  EXPECT_EQ(edited.error().field, "If-Match");

  PeerEdit rekey;
  rekey.public_key = key_number(2).to_base64();
  ASSERT_TRUE(
      wait<Changed<PeerView>>([&](Done<Changed<PeerView>> done) { peers_->edit(caller(), id, rekey, {}, std::move(done)); }));
  EXPECT_FALSE(serves(1));
  EXPECT_TRUE(serves(2));

  ASSERT_TRUE(wait<RotatedPsk>([&](Done<RotatedPsk> done) { peers_->rotate_psk(caller(), id, std::move(done)); }));
  auto disabled = set_enabled(id, false);
  ASSERT_TRUE(disabled);
  EXPECT_TRUE(disabled->recorded);
  EXPECT_EQ(disabled->value.state, PeerState::disabled);
  EXPECT_FALSE(serves(2));
  ASSERT_TRUE(set_enabled(id, true));
  EXPECT_TRUE(serves(2));

  const auto revoked = revoke(id);
  ASSERT_TRUE(revoked) << revoked.error().message;
  EXPECT_TRUE(revoked->recorded);
  EXPECT_FALSE(revoked->stopped);
  EXPECT_NE(revoked->why_not_stopped.find("down"), std::string::npos);
  EXPECT_EQ(get(id)->state, PeerState::revoked);
  EXPECT_FALSE(serves(2));
  recorded();
  EXPECT_EQ(leaves(*ledger_).size(), before + 6);  // one for each change that was made, none for the one refused
  EXPECT_EQ(revoke(id).error().code, Errc::conflict);
  EXPECT_EQ(revoke("p-none").error().code, Errc::not_found);
}

TEST_F(PeersTest, AChangeUnderWayDoesNotBringBackWhoIsRevoked) {
  const auto id = add(input(1))->peer.peer.id;
  std::optional<Result<PeerRevoked>> revoked;
  std::optional<Result<RotatedPsk>> rotated;
  peers_->revoke(caller(), id, [&](Result<PeerRevoked> r) { revoked.emplace(std::move(r)); });
  // It has read the peer; the other change comes into the ledger's queue before its own.
  ASSERT_TRUE(testing::ask<void>(*ledger_, [](ledger::Transaction&) -> Result<void> { return {}; }));
  peers_->rotate_psk(caller(), id, [&](Result<RotatedPsk> r) {
    EXPECT_FALSE(serves(1));
    rotated.emplace(std::move(r));
  });
  ASSERT_TRUE(run([&] { return revoked && rotated; }));
  EXPECT_TRUE(*revoked);
  EXPECT_TRUE(*rotated);
  EXPECT_FALSE(serves(1));
  EXPECT_EQ(get(id)->state, PeerState::revoked);
}

TEST_F(PeersTest, AnInterfaceHasNoMorePeersThanItsDeviceHolds) {
  auto context = add_context(*gateway_, caller(), "");
  ASSERT_TRUE(context);
  AddContext small = **context;
  small.most_peers = {{"lo", 2}};
  const auto shared = std::make_shared<const AddContext>(small);
  const auto place = [&](std::uint8_t n) {
    auto job = prepare_add(shared, input(n));
    EXPECT_TRUE(job);
    return testing::change<Stored>(*ledger_, *job);
  };
  const auto first = place(1);
  ASSERT_TRUE(first);
  ASSERT_TRUE(place(2));
  const auto refused = place(3);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::exhausted);
  EXPECT_EQ(refused.error().message, "lo has 2 peers, as many as its device holds");
  ASSERT_TRUE(revoke(first->peer.id));
  EXPECT_TRUE(place(3)) << "a place became free";
}

TEST_F(PeersTest, WhoWasErasedGetsNoNewDevice) {
  const auto owner = add(input(1))->peer.peer.owner;
  ASSERT_TRUE(testing::change<void>(
      *ledger_, [&](ledger::Transaction& txn) -> Result<void> { return ledger::Custody(txn).begin_erasure(owner); }));
  NewPeer again = input(2);
  again.owner_id = owner.id;
  const auto refused = add(again);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_TRUE(add(input(2))) << "a new person";
}

TEST_F(PeersTest, ADisabledPeerThatIsRevokedIsNotSaidToBeCutWhenItMayNotBe) {
  const auto id = add(input(1))->peer.peer.id;
  ASSERT_TRUE(set_enabled(id, false));
  const auto revoked = revoke(id);
  ASSERT_TRUE(revoked);
  EXPECT_FALSE(revoked->stopped);  // the backend has never confirmed the first cut
}

TEST_F(PeersTest, AFullDiskKeepsNobodyConnected) {
  const auto leaver = add(input(1))->peer.peer.id;
  const auto paused = add(input(2))->peer.peer.id;
  recorded();
  const auto before = leaves(*ledger_).size();
  break_disk();
  EXPECT_EQ(add(input(3)).error().code, Errc::unavailable);
  EXPECT_EQ(set_enabled(leaver, true).error().code, Errc::unavailable);
  const auto revoked = revoke(leaver);
  ASSERT_TRUE(revoked) << revoked.error().message;
  EXPECT_FALSE(revoked->recorded);
  EXPECT_EQ(revoked->peer.state, PeerState::revoked);
  const auto disabled = set_enabled(paused, false);
  ASSERT_TRUE(disabled) << disabled.error().message;
  EXPECT_FALSE(disabled->recorded);
  EXPECT_EQ(disabled->value.state, PeerState::disabled);
  EXPECT_FALSE(serves(1));
  EXPECT_FALSE(serves(2));
  // What the ledger still says of them brings nobody back.
  gateway_->put_in_force({get(leaver)->peer, get(paused)->peer});
  EXPECT_FALSE(serves(1));
  EXPECT_FALSE(serves(2));
  faults_.clear();
  recorded();
  EXPECT_EQ(get(leaver)->state, PeerState::revoked);
  EXPECT_EQ(get(paused)->state, PeerState::disabled);
  const auto all = leaves(*ledger_);
  EXPECT_EQ(all.size(), before + 2);
  ASSERT_TRUE(set_enabled(paused, true));
  EXPECT_TRUE(serves(2));
}

TEST_F(PeersTest, AChangeAfterwardsStandsAndTheDisablingIsStillEvidence) {
  const auto id = add(input(1))->peer.peer.id;
  break_disk();
  ASSERT_FALSE(set_enabled(id, false)->recorded);
  EXPECT_TRUE(get(id));  // answered behind the recorder's first attempt, which fails
  faults_.clear();
  // Before the recorder tries again (a second), an admin changes the peer.
  PeerEdit edit;
  edit.note = "back at once";
  ASSERT_TRUE(
      wait<Changed<PeerView>>([&](Done<Changed<PeerView>> done) { peers_->edit(caller(), id, edit, {}, std::move(done)); }));
  recorded();
  EXPECT_EQ(count_containing(leaves(*ledger_), "disable"), 1U);
  EXPECT_EQ(get(id)->state, PeerState::active);
  EXPECT_TRUE(run([this] { return serves(1); }));
}

TEST_F(PeersTest, ARepeatedRequestIsDoneOnce) {
  const Idempotency key{"k-1", "digest-1"};
  const auto first = add(input(1), caller(key));
  ASSERT_TRUE(first);
  const auto again = add(input(1), caller(key));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->peer.peer.id, first->peer.peer.id);
  EXPECT_EQ(again->evidence, first->evidence);
  EXPECT_TRUE(again->profile.empty());  // secrets are shown once
  const auto other = add(input(2), caller(Idempotency{"k-1", "digest-2"}));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::conflict);
  EXPECT_EQ(other.error().field, "Idempotency-Key");
  Caller another = caller(Idempotency{"k-1", "digest-2"});
  another.actor.uid = 1001;
  EXPECT_TRUE(add(input(2), another));  // keys are each caller's own
}

TEST_F(PeersTest, ImportLineByLineAndAllOrNothing) {
  const auto import = [this](std::vector<ImportLine> lines, bool atomic) {
    return wait<ImportReport>(
        [&](Done<ImportReport> done) { peers_->import(caller(), std::move(lines), atomic, std::move(done)); });
  };
  std::vector<ImportLine> lines;
  for (std::uint8_t n = 1; n <= 20; ++n) lines.push_back({n, input(n)});
  lines.push_back({22, Error{Errc::invalid_argument, "not JSON"}});
  lines.push_back({23, input(3)});
  auto report = import(lines, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->added, 20U);
  EXPECT_EQ(report->failed, 2U);
  EXPECT_EQ(report->lines.back().line, 23U);
  EXPECT_EQ(report->lines.back().added.error().field, "public_key");
  recorded();
  const auto before = leaves(*ledger_).size();
  report = import({{1, input(40)}, {7, input(3)}}, true);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("line 7"), std::string::npos) << report.error().message;
  EXPECT_EQ(leaves(*ledger_).size(), before);
  EXPECT_FALSE(serves(40));
  report = import({{1, input(40)}, {2, input(41)}}, true);
  ASSERT_TRUE(report);
  EXPECT_TRUE(serves(40) && serves(41));
}

TEST_F(PeersTest, APeerExpiresAlsoWhileStorageCannotWrite) {
  auto peer = input(1);
  peer.expires_at = now().wall + std::chrono::seconds{2};
  ASSERT_TRUE(add(peer));
  ASSERT_TRUE(serves(1));
  recorded();
  break_disk();
  EXPECT_TRUE(run([this] { return !serves(1); }));
  faults_.clear();
  recorded();
  EXPECT_EQ(count_containing(leaves(*ledger_), "expire"), 1U);
}

TEST_F(PeersTest, RefusalsAreRecordedUpToABoundAndThenCounted) {
  Queries queries(*gateway_);
  recorded();
  const auto before = leaves(*ledger_).size();
  for (int i = 0; i < 45; ++i) queries.record_refusal(caller(), "POST /v1/peers", "", "no role");
  recorded();
  EXPECT_EQ(leaves(*ledger_).size(), before + 30);
  gateway_->refusals().settle();  // the minute is not over
  recorded();
  EXPECT_EQ(leaves(*ledger_).size(), before + 30);
  gateway_->refusals().settle(true);
  recorded();
  const auto all = leaves(*ledger_);
  ASSERT_EQ(all.size(), before + 31);
  EXPECT_NE(all.back().find("refusals_counted"), std::string::npos);
  EXPECT_NE(all.back().find("15"), std::string::npos);
}

TEST_F(PeersTest, StopIsRecordedLast) {
  bool stopped = false;
  gateway_->stop("test", [&stopped] { stopped = true; });
  ASSERT_TRUE(run([&stopped] { return stopped; }));
  EXPECT_NE(leaves(*ledger_).back().find("\"test\""), std::string::npos);
}

TEST_F(PeersTest, TheGatewayMayGoWhileItsJobsAreUnderWay) {
  for (std::uint8_t n = 1; n < 20; ++n)
    peers_->add(caller(), input(n), [](const Result<PeerAdded>&) { FAIL() << "the loop has ended"; });
  gateway_->reload_material([](const Result<void>&) { FAIL() << "the loop has ended"; });
}

}  // namespace
}  // namespace sanad::service
