#include "control/api/server.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <future>
#include <thread>

#include "control/api/openapi.hpp"
#include "fake_service.hpp"
#include "raw_client.hpp"

namespace sanad::api {
namespace {

using access::Role;
using testing::RawClient;
using testing::RawResponse;

struct ServerTest : ::testing::Test {
  testing::TemporaryDirectory directory;
  std::string path = directory.path("admin.sock");
  boost::asio::io_context io{1};
  service::Gateway gateway;
  service::Peers peers{gateway};
  service::Queries queries{gateway};
  service::Registrations registrations{gateway};
  service::Operations operations{gateway};
  service::Custody custody{gateway};
  const uid_t uid = testing::ordinary_uid();
  std::unique_ptr<Server> server;
  std::thread loop;

  void start(access::RoleSet roles) {
    auto listener = listen_unix({path, std::nullopt, 0666});
    ASSERT_TRUE(listener) << listener.error().message;
    access::RoleMap map;
    if (!roles.empty()) map.uids[uid] = roles;
    const Services services{peers, queries, registrations, operations, custody};
    server = std::make_unique<Server>(io, std::move(*listener), Limits{}, services, map);
    server->start();
    loop = std::thread([this] {
      const auto guard = boost::asio::make_work_guard(io);
      io.run();
    });
  }
  void TearDown() override {
    if (!loop.joinable()) return;
    // Answers hold on to the use cases: they end first.
    on_loop([this] { server->stop(); });
    for (bool ended = false; !ended;) on_loop([&] { ended = server->counters().connections == 0; });
    on_loop([this] { server.reset(); });
    io.stop();
    loop.join();
  }
  void on_loop(std::function<void()> job) {
    std::promise<void> done;
    boost::asio::post(io, [&] {
      job();
      done.set_value();
    });
    done.get_future().wait();
  }
  RawResponse ask(const std::string& method, const std::string& target, const std::string& fields = "",
                  const std::string& body = "") {
    RawClient client(path, uid);
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: sanad\r\n" + fields;
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    client.send(request + "\r\n" + body);
    return client.receive();
  }
  RawResponse send_json(const std::string& method, const std::string& target, const std::string& body,
                        const std::string& fields = "") {
    return ask(method, target, "Content-Type: application/json\r\n" + fields, body);
  }
};

std::string with_id(const Route& row) {
  std::string target(row.pattern);
  if (const std::size_t at = target.find("{id}"); at != std::string::npos) target.replace(at, 4, "p-1");
  return target;
}

TEST_F(ServerTest, RefusesEveryRouteToAUidWithoutARoleAndRecordsIt) {
  gateway.peers = {service::make_peer(1)};
  start({});
  for (const Route& row : routes()) {
    const RawResponse response = ask(std::string(row.method), with_id(row));
    EXPECT_EQ(response.status, 403) << row.operation();
    EXPECT_NE(response.body.find("permission-denied"), std::string::npos);
    ASSERT_FALSE(gateway.refusals.empty()) << row.operation();
    EXPECT_EQ(gateway.refusals.back().operation, row.operation());
    EXPECT_EQ(gateway.refusals.back().uid, uid);
  }
  EXPECT_EQ(gateway.refusals.size(), routes().size());
  EXPECT_EQ(ask("GET", "/v1/secret").status, 403);
  EXPECT_EQ(ask("GET", "//").status, 403);
  EXPECT_EQ(ask("POST", "/v1/status").status, 403);
  EXPECT_EQ(ask("POST", "/v1/peers/import", "Content-Type: application/x-ndjson\r\n", "{}").status, 403);
  EXPECT_TRUE(gateway.changes.empty());
  EXPECT_TRUE(gateway.added.empty());
  EXPECT_TRUE(gateway.reads.empty());
}

TEST_F(ServerTest, GivesEachRoleWhatTheTableSaysAndNoMore) {
  gateway.peers = {service::make_peer(1)};
  start({});
  for (const Role role : access::kRoles) {
    access::RoleMap map;
    map.uids[uid] = {role};
    on_loop([&] { server->set_roles(map); });
    for (const Route& row : routes()) {
      const bool allowed = access::decide({role}, row.needs.permission()).allowed;
      RawClient client(path, uid);
      client.send(std::string(row.method) + " " + with_id(row) + " HTTP/1.1\r\nHost: sanad\r\n\r\n");
      ASSERT_TRUE(client.receive_until("\r\n")) << row.operation();
      EXPECT_EQ(client.unread().find(" 403 ") == std::string::npos, allowed)
          << row.operation() << " as " << access::to_string(role);
    }
  }
}

TEST_F(ServerTest, TellsUnknownPathsFromWrongMethods) {
  start({Role::admin});
  EXPECT_EQ(ask("GET", "/v1/nothing").status, 404);
  EXPECT_EQ(ask("GET", "/v1/%2e%2e/x").status, 400);
  EXPECT_EQ(ask("GET", "/v1//peers").status, 400);
  const RawResponse response = ask("HEAD", "/v1/peers/p-1");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.fields.at("allow"), "DELETE, GET, PATCH");
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(ask("GET", "/v1/peers/P_1").status, 404);
  EXPECT_EQ(ask("GET", "/v1/peers?limti=5").status, 400);
  EXPECT_EQ(ask("GET", "/v1/status?x=1").status, 400);
  EXPECT_EQ(ask("GET", "/v1/peers?state=happy").status, 400);
}

TEST_F(ServerTest, WantsTheRightContentType) {
  start({Role::admin});
  EXPECT_EQ(ask("POST", "/v1/peers", "", "{}").status, 415);
  EXPECT_EQ(ask("POST", "/v1/peers", "Content-Type: application/x-www-form-urlencoded\r\n", "{}").status, 415);
  EXPECT_EQ(ask("POST", "/v1/peers", "Content-Type: application/json; charset=utf-8\r\n", "{}").status, 400);
  EXPECT_EQ(ask("POST", "/v1/peers/import", "Content-Type: application/json\r\n", "{}").status, 415);
  const RawResponse rotated = send_json("POST", "/v1/log/rotate-key", "{}");
  EXPECT_EQ(rotated.status, 200);
  EXPECT_NE(rotated.body.find(R"("epoch":2)"), std::string::npos) << rotated.body;
  EXPECT_EQ(send_json("POST", "/v1/shutdown", "{}").status, 200);
  EXPECT_EQ(send_json("POST", "/v1/shutdown", R"({"now":true})").status, 400);
  EXPECT_EQ(ask("POST", "/v1/peers").status, 400);
}

constexpr auto kPeer =
    R"({"owner":{"name":"Ayesha Khan"},"device":"laptop","public_key":"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="})";

TEST_F(ServerTest, AddsAPeer) {
  start({Role::operator_});
  const RawResponse response = send_json("POST", "/v1/peers", kPeer, "Idempotency-Key: abc-1\r\n");
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(response.fields.at("etag"), "\"3\"");
  const auto body = boost::json::parse(response.body).as_object();
  EXPECT_EQ(body.at("peer").at("owner").at("name"), "Ayesha Khan");
  EXPECT_EQ(body.at("evidence").at("index"), 18);
  EXPECT_EQ(body.at("profile"), "[Interface]\n");
  ASSERT_EQ(gateway.added.size(), 1U);
  EXPECT_EQ(gateway.added[0].device, "laptop");
  ASSERT_TRUE(gateway.callers[0].idempotency);
  EXPECT_EQ(gateway.callers[0].idempotency->key, "abc-1");
  EXPECT_EQ(gateway.callers[0].actor.uid, uid);

  send_json("POST", "/v1/peers", kPeer, "Idempotency-Key: abc-1\r\n");
  EXPECT_EQ(gateway.callers[0].idempotency->request_digest, gateway.callers[1].idempotency->request_digest);
  send_json("POST", "/v1/peers", std::string(kPeer) + " ", "Idempotency-Key: abc-1\r\n");
  EXPECT_NE(gateway.callers[0].idempotency->request_digest, gateway.callers[2].idempotency->request_digest);
  for (const std::string& key : {std::string("a b"), std::string("\xc3\xa9"), std::string(129, 'x')}) {
    EXPECT_EQ(send_json("POST", "/v1/peers", kPeer, "Idempotency-Key: " + key + "\r\n").status, 400) << key;
  }
}

TEST_F(ServerTest, ChangesOnlyTheVersionThatWasSeen) {
  gateway.peers = {service::make_peer(1)};
  start({Role::admin});
  EXPECT_EQ(send_json("PATCH", "/v1/peers/p-1", R"({"note":"x"})", "If-Match: \"2\"\r\n").status, 412);
  EXPECT_EQ(send_json("PATCH", "/v1/peers/p-1", R"({"note":"x"})", "If-Match: 3\r\n").status, 400);
  EXPECT_EQ(ask("DELETE", "/v1/peers/p-1", "If-Match: \"2\"\r\n").status, 412);
  EXPECT_TRUE(gateway.changes.empty());
  EXPECT_EQ(send_json("PATCH", "/v1/peers/p-1", R"({"note":"x"})", "If-Match: \"3\"\r\n").status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/peers/p-1", "If-Match: \"3\"\r\n").status, 200);
  EXPECT_EQ(ask("POST", "/v1/peers/p-1/disable").status, 200);
  EXPECT_EQ(ask("POST", "/v1/peers/p-1/rotate-psk").status, 200);
  EXPECT_EQ(ask("POST", "/v1/peers/p-2/enable").status, 404);
  EXPECT_EQ(gateway.changes, (std::vector<std::string>{"edit p-1", "revoke p-1", "disable p-1", "rotate-psk p-1"}));
}

TEST_F(ServerTest, StreamsAllPeersOrOnePage) {
  for (int i = 0; i < 1234; ++i) gateway.peers.push_back(service::make_peer(i));
  start({Role::operator_});
  const RawResponse all = ask("GET", "/v1/peers");
  EXPECT_EQ(all.fields.at("transfer-encoding"), "chunked");
  const auto body = boost::json::parse(all.body).as_object();
  ASSERT_EQ(body.at("peers").as_array().size(), 1234U);
  EXPECT_EQ(body.at("peers").as_array()[1233].at("id"), "p-1233");
  EXPECT_TRUE(body.at("next").is_null());
  const auto page = boost::json::parse(ask("GET", "/v1/peers?limit=10&cursor=1220").body).as_object();
  EXPECT_EQ(page.at("peers").as_array().size(), 10U);
  EXPECT_EQ(page.at("next"), "1230");
  on_loop([&] { gateway.peers.clear(); });
  EXPECT_EQ(boost::json::parse(ask("GET", "/v1/peers").body).at("peers").as_array().size(), 0U);
}

TEST_F(ServerTest, CutsAListThatFailsInTheMiddle) {
  for (int i = 0; i < 600; ++i) gateway.peers.push_back(service::make_peer(i));
  gateway.fail_second_page = true;
  start({Role::operator_});
  const RawResponse response = ask("GET", "/v1/peers");
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.whole);
  EXPECT_EQ(ask("GET", "/v1/peers?cursor=5&limit=5").status, 503);
}

TEST_F(ServerTest, ImportsLineByLine) {
  start({Role::operator_});
  std::string body;
  for (int i = 0; i < 1500; ++i) body += i == 7 ? "{\"owner\":1}\n" : std::string(kPeer) + "\n";
  body += "\nnot json\n" + std::string(70'000, 'x');
  const RawResponse response = ask("POST", "/v1/peers/import?atomic=false", "Content-Type: application/x-ndjson\r\n", body);
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(response.fields.at("content-type"), "application/x-ndjson");
  std::vector<boost::json::object> lines;
  for (std::size_t at = 0; at < response.body.size();) {
    const std::size_t end = response.body.find('\n', at);
    lines.push_back(boost::json::parse(response.body.substr(at, end - at)).as_object());
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 1503U);
  EXPECT_EQ(lines[0].at("id"), "p-1");
  EXPECT_EQ(lines[7].at("problem").at("field"), "owner");
  EXPECT_EQ(lines[1500].at("line"), 1502);
  EXPECT_EQ(lines[1501].at("line"), 1503);
  EXPECT_EQ(lines[1502].at("summary").at("added"), 1499);
  EXPECT_EQ(lines[1502].at("summary").at("failed"), 3);
}

TEST_F(ServerTest, RecordsReadingOfEvidenceBeforeItAnswers) {
  start({Role::auditor});
  const RawResponse sessions = ask("GET", "/v1/sessions?inner=10.66.0.2");
  EXPECT_EQ(sessions.status, 200);
  const auto session = boost::json::parse(sessions.body).at("sessions").as_array().at(0).as_object();
  EXPECT_EQ(boost::json::serialize(session.at("inner")), R"(["10.66.0.2","10.70.0.0/24"])");
  EXPECT_EQ(session.at("outer"), "198.51.100.7:51820");
  EXPECT_EQ(ask("GET", "/v1/sessions/00ff").status, 404);
  EXPECT_EQ(ask("GET", "/v1/log/entries").status, 200);
  EXPECT_EQ(ask("GET", "/v1/status").status, 200);
  const std::vector<service::Gateway::Access> expected{
      {uid, "GET /v1/sessions", "sessions"}, {uid, "GET /v1/sessions/{id}", "00ff"}, {uid, "GET /v1/log/entries", "log"}};
  EXPECT_EQ(gateway.reads, expected);
  gateway.writable = false;
  EXPECT_EQ(ask("GET", "/v1/sessions").status, 503) << "what cannot be recorded is not shown";
}

std::string leaf(int number) { return R"({"event":{"class_uid":4014},"i":)" + std::to_string(number) + "}"; }

TEST_F(ServerTest, ShowsLeavesWithTheirDisclosures) {
  for (int i = 0; i < 5; ++i) gateway.commit(leaf(i));
  start({Role::auditor});
  const auto body = boost::json::parse(ask("GET", "/v1/log/entries?from=2&limit=2").body).as_object();
  ASSERT_EQ(body.at("entries").as_array().size(), 2U);
  EXPECT_EQ(body.at("entries").as_array()[0].at("leaf").at("i"), 2);
  EXPECT_EQ(body.at("entries").as_array()[0].at("disclosures").as_array()[0].at("value"), "Ayesha");
  EXPECT_EQ(body.at("next"), "4");
}

TEST_F(ServerTest, FollowsTheLogAndResumes) {
  for (int i = 0; i < 3; ++i) gateway.commit(leaf(i));
  gateway.commit(R"({"event":{"class_uid":0,"unmapped":{"sanad":{"name":"gap"}}},"i":3})");
  start({Role::admin});
  RawClient from_one(path, uid);
  from_one.send("GET /v1/events?from=1 HTTP/1.1\r\nHost: sanad\r\n\r\n");
  ASSERT_TRUE(from_one.receive_until("id: 3\nevent: gap\ndata: {"));
  EXPECT_EQ(from_one.unread().find("id: 0\n"), std::string::npos);
  EXPECT_NE(from_one.unread().find("id: 1\nevent: Tunnel Activity\ndata: " + leaf(1) + "\n\n"), std::string::npos);

  RawClient resumed(path, uid);
  resumed.send("GET /v1/events?from=0 HTTP/1.1\r\nHost: sanad\r\nLast-Event-ID: 2\r\n\r\n");
  ASSERT_TRUE(resumed.receive_until("id: 3\n"));
  EXPECT_EQ(resumed.unread().find("id: 2\n"), std::string::npos);

  RawClient from_now(path, uid);
  from_now.send("GET /v1/events HTTP/1.1\r\nHost: sanad\r\n\r\n");
  ASSERT_TRUE(from_now.receive_until("\r\n\r\n"));
  on_loop([&] { gateway.commit(leaf(4)); });
  ASSERT_TRUE(from_now.receive_until("id: 4\n"));
  EXPECT_EQ(from_now.unread().find("id: 3\n"), std::string::npos);
  ASSERT_TRUE(from_one.receive_until("id: 4\n"));
  EXPECT_EQ(ask("GET", "/v1/events", "Last-Event-ID: soon\r\n").status, 400);

  on_loop([&] { server->stop(); });
  while (!from_one.receive_some().empty()) {
  }
  for (bool gone = false; !gone;) on_loop([&] { gone = gateway.followers.empty(); });
}

TEST_F(ServerTest, HidesPersonalDataFromNobodyWhoMaySeeIt) {
  gateway.peers = {service::make_peer(1)};
  start({Role::operator_});
  const auto peer = boost::json::parse(ask("GET", "/v1/peers/p-1").body).at("peer").as_object();
  EXPECT_EQ(peer.at("name"), "ayesha-khan/d1");
  EXPECT_EQ(peer.at("connected").at("endpoint"), "198.51.100.7:51820");
}

TEST_F(ServerTest, PlacesAHoldAndReadsItsFieldsStrictly) {
  start({Role::admin});
  const auto placed = send_json("POST", "/v1/holds", R"({"address":"198.51.100.7","reason":"case 4711","approver":"court"})");
  EXPECT_EQ(placed.status, 201);
  EXPECT_NE(placed.body.find(R"("address":"198.51.100.7")"), std::string::npos) << placed.body;
  for (const char* body : {R"({"reason":"r"})", R"({"address":"198.51.100","reason":"r","approver":"x"})",
                           R"({"reason":"r","approver":"x","extra":1})", R"({"reason":"r","approver":"x","from":"yesterday"})"}) {
    EXPECT_EQ(send_json("POST", "/v1/holds", body).status, 400) << body;
  }
  EXPECT_EQ(ask("DELETE", "/v1/holds/h-1").status, 200);
  EXPECT_EQ(ask("GET", "/v1/holds").status, 200);
}

TEST_F(ServerTest, AnErasureIsDoneOrWaitsForASecondAdminOrIsRefused) {
  start({Role::admin});
  const auto erase = [this](const std::string& person) {
    return send_json("POST", "/v1/erasures", R"({"reason":"request 17","person":")" + person + R"("})");
  };
  const auto done = erase("o-1");
  EXPECT_EQ(done.status, 200);
  EXPECT_NE(done.body.find(R"("overwritten":true)"), std::string::npos) << done.body;
  const auto waiting = erase("o-two");
  EXPECT_EQ(waiting.status, 202);
  EXPECT_NE(waiting.body.find("sanad confirm c-1"), std::string::npos) << waiting.body;
  EXPECT_EQ(erase("o-held").status, 403);
  EXPECT_EQ(send_json("POST", "/v1/erasures", R"({"person":"o-1"})").status, 400);
  EXPECT_NE(ask("GET", "/v1/confirmations").body.find(R"("request":{"person":"o-two"})"), std::string::npos);
  EXPECT_NE(ask("POST", "/v1/confirmations/c-1").body.find(R"("overwritten":false)"), std::string::npos);
  EXPECT_EQ(ask("POST", "/v1/confirmations/c-2").status, 404);
}

TEST_F(ServerTest, SaysAllErrorsOfAConfiguration) {
  start({Role::admin});
  const RawResponse response = ask("POST", "/v1/reload");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(boost::json::parse(response.body).at("errors").as_array().size(), 2U);
}

TEST_F(ServerTest, TakesARegistration) {
  start({Role::admin});
  EXPECT_EQ(send_json("PUT", "/v1/registration", R"({"certificate_pem":"-----BEGIN\nEND-----\n","reference":null})").status, 200);
  EXPECT_EQ(send_json("PUT", "/v1/registration", R"({"certificate_pem":"a\rb"})").status, 400);
  EXPECT_EQ(send_json("PUT", "/v1/registration", R"({})").status, 400);
  EXPECT_EQ(send_json("POST", "/v1/registration/grace", R"({"until":"2027-01-01T00:00:00Z","announcement":"notice 5"})").status,
            200);
  EXPECT_EQ(send_json("POST", "/v1/registration/grace", R"({"until":"soon","announcement":"notice 5"})").status, 400);
}

TEST_F(ServerTest, ShowsHowEachWitnessStands) {
  start({Role::monitor});
  const auto status = boost::json::parse(ask("GET", "/v1/status").body);
  EXPECT_EQ(
      boost::json::serialize(status.at("evidence").at("witnesses")),
      R"([{"name":"audit","url":"","records":7,"cosigned_at":"2026-11-24T09:00:00.000Z","lag_records":3,"lag_s":1.5E0,"alarm":false,)"
      R"("problem":null,"failures":0}])");
}

TEST_F(ServerTest, GivesMetricsAndItsDescription) {
  start({Role::monitor});
  EXPECT_EQ(ask("GET", "/v1/openapi.yaml").body, kOpenapiYaml);
  ask("GET", "/v1/nothing");
  const std::string text = ask("GET", "/v1/metrics").body;
  for (const std::string name :
       {"sanad_peers 0", "sanad_peers_connected{interface=\"wg0\"} 0", "sanad_storage_writable 1",
        "sanad_backend_up{interface=\"wg0\"} 1", "sanad_registration_standing{standing=\"unregistered\"} 1",
        "sanad_http_requests_total{code=\"404\"} 1", "# TYPE sanad_records_total counter",
        "sanad_witness_records{witness=\"audit\"} 7", "sanad_witness_lag_records{witness=\"audit\"} 3",
        "sanad_witness_lag_seconds{witness=\"audit\"} 1.5", "sanad_witness_alarm{witness=\"audit\"} 0"}) {
    EXPECT_NE(text.find("\n" + name + "\n"), std::string::npos) << name << "\n" << text;
  }
  EXPECT_EQ(ask("GET", "/v1/peers").status, 403);
  EXPECT_TRUE(gateway.reads.empty());
}

}  // namespace
}  // namespace sanad::api
