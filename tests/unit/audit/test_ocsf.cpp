#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "control/audit/canonical.hpp"
#include "control/audit/ocsf.hpp"

namespace sanad::audit {
namespace {

namespace json = boost::json;
using sessions::CloseReason;

const WallTime kStart = WallTime::from_ms(1'795'510'800'000);
const WallTime kEnd = WallTime::from_ms(1'795'511'100'250);

Reporter reporter() { return {"example-khi-1", "24-7781", std::string(64, 'a'), {true, 1200, 5000}}; }

SessionContext context() {
  return {"wg0",
          "kernel",
          "p-7hq2k5xwz3nma",
          "o-aaaaaaaaaaaaa",
          "ayesha-khan/laptop",
          "Ayesha Khan",
          {IpPrefix::parse("10.66.0.2/32").value(), IpPrefix::parse("fd66::2/128").value()},
          std::chrono::seconds{10},
          2};
}

Actor actor() { return {1000, 100, 4242, "bilal", "/home/bilal/bin/sanad", "operator"}; }

std::optional<Endpoint> endpoint(const char* text) { return Endpoint::parse(text).value(); }

sessions::Closed closed(CloseReason reason) {
  sessions::Closed value;
  value.session.fill(0xAB);
  value.reason = reason;
  value.end = kEnd;
  value.bounds = {kEnd - std::chrono::seconds{10}, kEnd};
  value.end_inferred = true;
  value.traffic = {1000, (std::uint64_t{1} << 53) + 1};
  value.handshakes = 3;
  value.figures_as_of = kEnd;
  return value;
}

// Every event there is, each with everything personal it can carry.
std::vector<EventDraft> every_event() {
  sessions::Opened opened;
  opened.start = kStart;
  opened.bounds = {kStart - std::chrono::seconds{10}, kStart};
  opened.endpoint = endpoint("198.51.100.7:51820");
  sessions::Roamed roamed;
  roamed.from = endpoint("198.51.100.7:51820");
  roamed.to = endpoint("[2001:db8::77]:40000");
  roamed.bounds = {kStart, kEnd};
  sessions::Attempted attempted;
  attempted.count_at_least = 4;
  attempted.endpoint = endpoint("203.0.113.9:1234");
  attempted.bounds = {kStart, kEnd};
  const EntityChange change{
      EntityVerb::create, "create", "peer",           "p-7hq2k5xwz3nma",
      Sha256{},           Sha256{}, {{"version", 1}}, {{"entity.name", json::value("ayesha-khan/laptop"), "o-aaaaaaaaaaaaa"}}};
  return {session_opened(reporter(), context(), opened),
          session_roamed(reporter(), context(), roamed),
          session_closed(reporter(), context(), closed(CloseReason::expired), kStart),
          session_attempted(reporter(), context(), attempted),
          api_activity(reporter(), kStart, actor(), {ApiVerb::remove, "DELETE /v1/peers/{id}", "p-7hq2k5xwz3nma", false, "role"}),
          entity_management(reporter(), kStart, actor(), change),
          entity_management(reporter(), kStart, std::nullopt, change),
          lifecycle(reporter(), kStart, Lifecycle::start, "0.1.0"),
          lifecycle(reporter(), kStart, Lifecycle::stop, "0.1.0", {{"reason", "SIGTERM"}}),
          lifecycle(reporter(), kStart, Lifecycle::heartbeat, "0.1.0"),
          gap(reporter(), kEnd, "wg0", {sessions::GapCause::restart, kStart, kEnd}),
          clock_change(reporter(), kStart, "stepped", -3600000),
          drift(reporter(), kStart, {"wg0", "peer_unknown", "", Sha256{}, "present", "absent"}),
          backend_died(reporter(), kStart, "wg0", "userspace", "killed by signal 9"),
          backend_restored(reporter(), kStart, "wg0", "userspace"),
          forwarding_changed(reporter(), kStart, "ipv4", true),
          standing_changed(reporter(), kStart, "in_force", "expired", "refuse_new")};
}

TEST(Ocsf, EveryEventHasWhatOcsfRequiresAndIsCanonical) {
  for (const auto& draft : every_event()) {
    const auto& event = draft.event;
    const std::string text = json::serialize(event);
    const std::int64_t class_uid = event.at("class_uid").as_int64();
    EXPECT_EQ(event.at("category_uid").as_int64(), class_uid / 1000) << text;
    EXPECT_EQ(event.at("type_uid").as_int64(), class_uid * 100 + event.at("activity_id").as_int64()) << text;
    EXPECT_EQ(event.at("metadata").at("version").as_string(), "1.8.0") << text;
    EXPECT_TRUE(event.at("time").is_int64() && event.at("severity_id").is_int64()) << text;
    EXPECT_EQ(event.at("device").at("uid").as_string(), "example-khi-1") << text;
    EXPECT_EQ(event.at("unmapped").at("sanad").at("registration").at("reference").as_string(), "24-7781") << text;
    // Activity 99 means nothing without its name (OCSF base event, activity_name).
    if (event.at("activity_id").as_int64() == 99) {
      EXPECT_FALSE(event.at("activity_name").as_string().empty()) << text;
    }
    EXPECT_TRUE(canonical_json(json::value(event))) << text;
  }
}

TEST(Ocsf, NothingPersonalIsInAnyEvent) {
  for (const auto& draft : every_event()) {
    const std::string text = json::serialize(draft.event);
    for (const auto* word : {"Ayesha", "ayesha", "bilal", "198.51.100.7", "2001:db8", "203.0.113.9", "40000"}) {
      EXPECT_EQ(text.find(word), std::string::npos) << word << " in " << text;
    }
  }
}

TEST(Ocsf, EveryEventHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const auto& draft : every_event()) names.insert(event_name(draft.event));
  EXPECT_EQ(names,
            (std::set<std::string>{"session.opened", "session.roamed", "session.closed", "session.attempted", "api.call",
                                   "entity.create", "lifecycle.start", "lifecycle.stop", "lifecycle.heartbeat", "gap", "clock",
                                   "drift", "backend_died", "backend_restored", "forwarding_changed", "standing_changed"}));
  EXPECT_EQ(event_name({}), "unknown");
}

TEST(Ocsf, ACloseCarriesItsFigures) {
  const auto event = session_closed(reporter(), context(), closed(CloseReason::peer_expired), kStart).event;
  EXPECT_EQ(event.at("type_uid").as_int64(), 401402);
  EXPECT_EQ(event.at("status_code").as_string(), "Session-Timeout");
  EXPECT_EQ(event.at("status_detail").as_string(), "peer_expired");
  EXPECT_EQ(event.at("session").at("uid").as_string(), "abababababababababababababababab");
  EXPECT_EQ(event.at("session").at("created_time").as_int64(), kStart.ms());
  EXPECT_EQ(event.at("end_time").as_int64(), kEnd.ms());
  EXPECT_EQ(event.at("duration").as_int64(), 300'250);
  // The client is OCSF's source: what the gateway received left the source. Beyond 2^53 a number becomes text.
  EXPECT_EQ(event.at("cumulative_traffic").at("bytes_out").as_int64(), 1000);
  EXPECT_EQ(event.at("cumulative_traffic").at("bytes_in").as_string(), "9007199254740993");
  const auto& sanad = event.at("unmapped").at("sanad");
  EXPECT_TRUE(sanad.at("end_inferred").as_bool());
  EXPECT_EQ(sanad.at("bounds").at("not_before").as_int64(), kEnd.ms() - 10'000);
  EXPECT_EQ(sanad.at("poll_interval_ms").as_int64(), 10'000);
  EXPECT_EQ(sanad.at("handshakes").as_int64(), 3);
}

TEST(Ocsf, OuterAddressesBelongToTheOwner) {
  const auto drafts = every_event();
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
    std::set<std::string> names;
    for (const auto& item : drafts[i].personal) {
      names.insert(item.name);
      EXPECT_EQ(item.owner_id, "o-aaaaaaaaaaaaa");
    }
    EXPECT_TRUE(names.contains("src_endpoint.ip") && names.contains("src_endpoint.port") && names.contains("user.name"));
    EXPECT_EQ(names.contains("unmapped.sanad.from.ip"), i == 1);
  }
}

TEST(Ocsf, TerminateCausesAreWordsOfRfc2866) {
  const std::set<std::string_view> known{"User-Request", "Lost-Carrier", "Lost-Service", "Idle-Timeout", "Session-Timeout",
                                         "Admin-Reset",  "Admin-Reboot", "Port-Error",   "NAS-Error",    "NAS-Request"};
  for (int i = 0; i <= static_cast<int>(CloseReason::device); ++i) {
    EXPECT_TRUE(known.contains(terminate_cause(static_cast<CloseReason>(i)))) << i;
  }
}

}  // namespace
}  // namespace sanad::audit
