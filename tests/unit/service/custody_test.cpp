// Holds, erasure and the second admin, on a gateway that was never started: nothing of this needs a device.

#include "control/service/custody.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/audit/retention_record.hpp"
#include "control/ledger/prepared_event.hpp"
#include "control/service/custody_evidence.hpp"
#include "control/service/custody_jobs.hpp"
#include "control/service/gateway.hpp"
#include "control/service/retention_plan.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using std::chrono::hours;
using testing::change;
using testing::count_containing;

Caller caller(uid_t uid) {
  Caller out;
  out.actor.uid = uid;
  out.actor.user_name = "admin" + std::to_string(uid);
  out.roles.add(access::Role::admin);
  return out;
}

class CustodyTest : public ::testing::Test {
 protected:
  CustodyTest() {
    config_.gateway.id = "test-1";
    config_.gateway.state_dir = directory_.path();
    config::Interface lo;
    lo.name = "lo";
    lo.addresses = {InterfaceAddress::parse("10.66.0.1/16").value()};
    lo.pools = {testing::prefix("10.66.0.0/16")};
    config_.interfaces = {lo};
    auto opened = ledger::Ledger::open(directory_.path() / "state.db");
    if (!opened) throw std::runtime_error(opened.error().message);
    ledger_ = *std::move(opened);
    device_.emplace("device");
    make_gateway();
  }
  ~CustodyTest() override {
    gateway_.reset();
    device_.reset();
    ledger_.reset();
  }
  void make_gateway() {
    const auto key = wg::generate_private_key().value();
    gateway_ = std::make_unique<Gateway>(loop_, *device_, *ledger_, config_, directory_.path() / "sanad.yaml", std::vector{key});
    custody_.emplace(*gateway_);
  }
  void guard(config::GuardedAct act) {
    config_.access.dual_control = {act};
    make_gateway();
  }
  // A person with one revoked device and one ended session.
  ledger::Owner person(const std::string& name, bool revoked = true) {
    return change<ledger::Owner>(*ledger_,
                                 [&](ledger::Transaction& txn) -> Result<ledger::Owner> {
                                   auto owner = txn.find_or_create_owner(name, "", "").value();
                                   ledger::PeerRecord peer;
                                   peer.interface = "lo";
                                   peer.owner = owner;
                                   peer.device = "laptop";
                                   peer.public_key = testing::key_number(++keys_);
                                   peer = txn.insert_peer(peer).value();
                                   audit::EventDraft draft = audit::own_event({}, txn.now().wall, "test", {});
                                   draft.personal = {{"user.name", boost::json::value(name), owner.id}};
                                   txn.append(draft).value();
                                   if (revoked) txn.revoke_peer(peer.id).value();
                                   return owner;
                                 })
        .value();
  }
  template <class T>
  Result<T> answer_of(std::function<void(Done<T>)> ask) {
    std::optional<Result<T>> answer;
    ask([&answer](Result<T> result) { answer.emplace(std::move(result)); });
    EXPECT_TRUE(testing::run_until(loop_, [&answer] { return answer.has_value(); }));
    return std::move(*answer);
  }
  Result<NowOrWaiting<Erased>> erase(uid_t uid, const std::string& person, const std::string& reason = "request 17") {
    return answer_of<NowOrWaiting<Erased>>([&](auto done) { custody_->erase(caller(uid), person, reason, std::move(done)); });
  }
  Result<Confirmed> confirm(uid_t uid, const std::string& id) {
    return answer_of<Confirmed>([&](auto done) { custody_->confirm(caller(uid), id, std::move(done)); });
  }
  Result<Changed<ledger::Hold>> hold(const NewHold& hold) {
    return answer_of<Changed<ledger::Hold>>([&](auto done) { custody_->add_hold(caller(0), hold, std::move(done)); });
  }
  std::string name_of(const std::string& owner) {
    return testing::ask<std::string>(*ledger_,
                                     [&](ledger::Transaction& txn) -> Result<std::string> { return txn.find_owner(owner)->name; })
        .value();
  }
  // Refusals go through the recorder, a little later.
  bool refused(std::string_view why) {
    return testing::run_until(loop_, [&] { return count_containing(testing::leaves(*ledger_), why) == 1; });
  }

  testing::TempDirectory directory_;
  boost::asio::io_context loop_;
  config::Config config_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::optional<Worker> device_;
  std::unique_ptr<Gateway> gateway_;
  std::optional<Custody> custody_;
  std::uint8_t keys_ = 0;
};

TEST_F(CustodyTest, ErasesAndSaysSoInARecordThatNamesNobody) {
  const auto owner = person("Ayesha Khan");
  const auto done = erase(0, owner.id);
  ASSERT_TRUE(done) << done.error().message;
  const auto& erased = std::get<Erased>(*done);
  EXPECT_EQ(erased.disclosures, 1U);
  EXPECT_TRUE(erased.overwritten) << erased.why_not;
  EXPECT_EQ(name_of(owner.id), "");
  const auto leaves = testing::leaves(*ledger_);
  EXPECT_EQ(count_containing(leaves, R"("name":"redaction")"), 1U);
  EXPECT_EQ(count_containing(leaves, R"("records":[[0,0]])"), 1U);
  EXPECT_EQ(count_containing(leaves, "Ayesha"), 0U);
  EXPECT_EQ(count_containing(leaves, "request 17"), 0U) << "a reason is free text: only its digest is in the log";
  // Once more: what was done then.
  const auto again = std::get<Erased>(erase(0, owner.id).value());
  EXPECT_EQ(again.evidence, erased.evidence);
  EXPECT_EQ(again.disclosures, 0U);
}

TEST_F(CustodyTest, ErasingGoesOnInStepsHoweverMuchThereIs) {
  const auto owner = person("Ayesha Khan");
  for (int batch = 0; batch < 3; ++batch) {
    ASSERT_TRUE(change<void>(*ledger_, [&](ledger::Transaction& txn) -> Result<void> {
      for (int i = 0; i < 500; ++i) {
        audit::EventDraft draft = audit::own_event({}, txn.now().wall, "test", {});
        if (i % 2 == 0) draft.personal = {{"user.name", boost::json::value(owner.name), owner.id}};
        txn.append(draft).value();
      }
      return {};
    }));
  }
  const auto done = erase(0, owner.id);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(std::get<Erased>(*done).disclosures, 751U);
}

TEST_F(CustodyTest, WhoHasDevicesIsNotErased) {
  const auto owner = person("Ayesha Khan", false);
  const auto done = erase(0, owner.id);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::conflict);
  EXPECT_NE(done.error().hint.find("sanad peer revoke --all-of ayesha-khan"), std::string::npos) << done.error().hint;
  EXPECT_EQ(name_of(owner.id), "Ayesha Khan");
  EXPECT_EQ(erase(0, "o-nobody").error().code, Errc::not_found);
}

TEST_F(CustodyTest, AReasonThatNamesThePersonIsRefused) {
  const auto owner = person("Ayesha Khan");
  for (const char* reason : {"ayesha khan asked", "as AYESHA-KHAN wished", ""}) {
    const auto done = erase(0, owner.id, reason);
    ASSERT_FALSE(done) << reason;
    EXPECT_EQ(done.error().field, "reason");
  }
}

TEST_F(CustodyTest, AHeldPersonIsRefusedAndThatIsOnRecord) {
  const auto owner = person("Ayesha Khan");
  NewHold wanted;
  wanted.person = owner.id;
  wanted.reason = "Ayesha against the company";
  wanted.approver = "District Court";
  const auto placed = hold(wanted);
  ASSERT_TRUE(placed) << placed.error().message;
  const auto done = erase(0, owner.id);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::refused_by_policy);
  EXPECT_NE(done.error().message.find(placed->value.id), std::string::npos) << done.error().message;
  EXPECT_TRUE(refused("legal hold"));
  EXPECT_EQ(count_containing(testing::leaves(*ledger_), "Ayesha"), 0U);
  EXPECT_EQ(count_containing(testing::leaves(*ledger_), "District"), 0U);
  const auto released = answer_of<NowOrWaiting<Released>>(
      [&](auto answer) { custody_->release_hold(caller(0), placed->value.id, std::move(answer)); });
  ASSERT_TRUE(released) << released.error().message;
  EXPECT_TRUE(erase(0, owner.id));
}

TEST_F(CustodyTest, AHoldNeedsSomethingToHold) {
  NewHold wanted;
  wanted.reason = "r";
  wanted.approver = "x";
  EXPECT_EQ(hold(wanted).error().field, "person");
  wanted.person = "o-nobody";
  EXPECT_EQ(hold(wanted).error().code, Errc::not_found);
  wanted.person.clear();
  wanted.from = now().wall;
  wanted.to = now().wall - hours(1);
  EXPECT_EQ(hold(wanted).error().field, "to");
  wanted.to.reset();
  wanted.expires = now().wall - hours(1);
  EXPECT_EQ(hold(wanted).error().field, "expires");
  wanted.expires.reset();
  wanted.reason = "two\nlines";
  EXPECT_EQ(hold(wanted).error().field, "reason");
  wanted.reason = "r";
  EXPECT_TRUE(hold(wanted));
}

TEST_F(CustodyTest, UnderDualControlADifferentAdminHasToConfirm) {
  guard(config::GuardedAct::erasure);
  const auto owner = person("Ayesha Khan");
  const auto asked = erase(1001, owner.id);
  ASSERT_TRUE(asked) << asked.error().message;
  const auto waiting = std::get<Waiting>(*asked);
  EXPECT_EQ(waiting.act, kActErasure);
  EXPECT_EQ(name_of(owner.id), "Ayesha Khan") << "nothing happens before it is confirmed";
  EXPECT_EQ(confirm(1001, waiting.id).error().code, Errc::refused_by_policy);
  EXPECT_TRUE(refused("same user"));
  EXPECT_EQ(name_of(owner.id), "Ayesha Khan");
  EXPECT_EQ(confirm(1002, "c-unknown").error().code, Errc::not_found);
  const auto confirmed = confirm(1002, waiting.id);
  ASSERT_TRUE(confirmed) << confirmed.error().message;
  ASSERT_TRUE(confirmed->erased);
  EXPECT_TRUE(confirmed->erased->overwritten);
  EXPECT_EQ(name_of(owner.id), "");
  EXPECT_EQ(confirm(1003, waiting.id).error().code, Errc::not_found) << "once is enough";
  const auto leaves = testing::leaves(*ledger_);
  EXPECT_EQ(count_containing(leaves, R"("action":"asked")"), 1U);
  EXPECT_EQ(count_containing(leaves, R"("action":"given")"), 1U);
  EXPECT_EQ(count_containing(leaves, R"("confirmation":")" + waiting.id), 3U) << "asked, given, and the act itself";
}

TEST_F(CustodyTest, AConfirmationComesTooLateAfterFifteenMinutesAndThatIsRecorded) {
  guard(config::GuardedAct::erasure);
  const auto owner = person("Ayesha Khan");
  const auto id = change<std::string>(*ledger_, [&](ledger::Transaction& txn) -> Result<std::string> {
                    const WallTime when = txn.now().wall;
                    return ledger::Custody(txn)
                        .put_confirmation({{}, kActErasure, erasure_request(owner.id, "r"), 1001, when - kConfirmWithin, when})
                        .id;
                  }).value();
  const auto late = confirm(1002, id);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::refused_by_policy);
  EXPECT_EQ(name_of(owner.id), "Ayesha Khan");
  EXPECT_EQ(count_containing(testing::leaves(*ledger_), R"("action":"expired")"), 1U);
  EXPECT_EQ(confirm(1002, id).error().code, Errc::not_found);
}

TEST_F(CustodyTest, AHoldPlacedMeanwhileStopsAConfirmedErasure) {
  guard(config::GuardedAct::erasure);
  const auto owner = person("Ayesha Khan");
  const auto waiting = std::get<Waiting>(erase(1001, owner.id).value());
  NewHold wanted;
  wanted.person = owner.id;
  wanted.reason = "r";
  wanted.approver = "x";
  ASSERT_TRUE(hold(wanted));
  EXPECT_EQ(confirm(1002, waiting.id).error().code, Errc::refused_by_policy);
  EXPECT_EQ(name_of(owner.id), "Ayesha Khan");
}

TEST_F(CustodyTest, AnErasureThatWasInterruptedIsCarriedOn) {
  const auto owner = person("Ayesha Khan");
  ASSERT_TRUE(change<void>(*ledger_,
                           [&](ledger::Transaction& txn) -> Result<void> { return ledger::Custody(txn).begin_erasure(owner); }));
  bool idle = false;
  for (int i = 0; i < 10 && !idle; ++i) {
    std::optional<bool> answer;
    custody_->resume_erasures([&answer](bool result) { answer = result; });
    ASSERT_TRUE(testing::run_until(loop_, [&answer] { return answer.has_value(); }));
    idle = *answer;
  }
  EXPECT_TRUE(idle);
  const auto left = testing::ask<std::size_t>(*ledger_, [](ledger::Transaction& txn) -> Result<std::size_t> {
    return txn.disclosures_of(0).size() + ledger::Custody(txn).unfinished_erasures().size();
  });
  EXPECT_EQ(left.value(), 0U);
}

// ---- Pure ----

TEST(RetentionPlan, ABundleGoesWhenAllOfItIsOldAndNoHoldKeepsAnyOfIt) {
  const WallTime t = WallTime::from_ms(1'795'510'800'000);
  const std::vector<WallTime> times{t, t + hours(1), t + hours(2)};
  const BundleTimes bundle{0, times};
  EXPECT_TRUE(may_go(bundle, t + hours(3), {}, t));
  EXPECT_FALSE(may_go(bundle, t + hours(2), {}, t)) << "its last record is exactly at the cutoff";
  ledger::Hold hold;
  hold.from = t + hours(1);
  hold.to = t + hours(2);
  EXPECT_FALSE(may_go(bundle, t + hours(3), {&hold, 1}, t));
  hold.from = t + hours(3);
  hold.to.reset();
  EXPECT_TRUE(may_go(bundle, t + hours(3), {&hold, 1}, t));
  hold.from = t;
  hold.expires = t;
  EXPECT_TRUE(may_go(bundle, t + hours(3), {&hold, 1}, t)) << "the hold is over";
  hold.expires.reset();
  hold.owner_id = "o-1";
  EXPECT_TRUE(may_go(bundle, t + hours(3), {&hold, 1}, t)) << "holds on people are judged by their records";
  EXPECT_FALSE(may_go(bundle, cutoff_of(t + hours(100), 0), {}, t)) << "no policy: nothing goes";
}

TEST(RetentionPlan, TheMinimumIsAWholeBundleAndNeverAboveWhatIsNeeded) {
  EXPECT_EQ(new_minimum(0, 512, 4, 10'000), 1'536U);
  EXPECT_EQ(new_minimum(0, 512, 4, 1'100), 1'024U);
  EXPECT_EQ(new_minimum(0, 512, 4, 600), 512U);
  EXPECT_EQ(new_minimum(0, 512, 4, 0), 512U) << "it never falls";
  EXPECT_EQ(new_minimum(0, 512, 0, 10'000), 512U);
  // A log that begins with record 1,000 has its bundles at 1,000, 1,256, 1,512, ...
  EXPECT_EQ(new_minimum(1'000, 1'000, 4, 10'000), 2'024U);
  EXPECT_EQ(new_minimum(1'000, 1'000, 4, 1'300), 1'256U);
  EXPECT_EQ(new_minimum(1'000, 1'000, 4, 900), 1'000U) << "what an earlier log's records need keeps nothing, and lowers nothing";
}

TEST(CustodyEvidence, IndicesAreToldAsRanges) {
  const std::vector<std::uint64_t> indices{1, 2, 3, 7, 9, 10};
  EXPECT_EQ(boost::json::serialize(ranges(indices)), "[[1,3],[7,7],[9,10]]");
  EXPECT_EQ(boost::json::serialize(ranges({})), "[]");
}

// Each in a record of its own when there are many: none may be too long for a leaf, and none may be left out.
TEST(SessionsExpired, ManyRecordsGoIntoSeveral) {
  ledger::Deleted deleted{.disclosures = 9000, .addresses = 8000, .sessions = 3};
  for (std::uint64_t i = 0; i < 4500; ++i) deleted.records.push_back(90'000'000'000 + 2 * i);
  const auto parts = in_parts(deleted);
  EXPECT_EQ(parts.size(), 3U);
  std::vector<std::uint64_t> told;
  std::uint64_t sessions = 0;
  for (const auto& part : parts) {
    const auto event = ledger::prepare(sessions_expired({}, WallTime{}, WallTime{}, 365, part));
    EXPECT_TRUE(event) << "too long for a leaf";
    told.insert(told.end(), part.records.begin(), part.records.end());
    sessions += part.sessions;
  }
  EXPECT_EQ(told, deleted.records);
  EXPECT_EQ(sessions, 3U);
  EXPECT_EQ(in_parts({}).size(), 1U);
}

}  // namespace
}  // namespace sanad::service
