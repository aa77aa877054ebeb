// Commands against a daemon of the test's own: what they ask, what they print, how they fail.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "control/cli/json_view.hpp"
#include "fake_daemon.hpp"

namespace sanad::cli::test {
namespace {

using ::testing::Test;

std::string peer(const std::string& id, const std::string& handle, const std::string& device,
                 const std::string& extra = R"("state":"active")") {
  return R"({"id":")" + id + R"(","name":")" + handle + "/" + device + R"(","interface":"wg0","owner":{"id":"o-)" + handle +
         R"(","handle":")" + handle + R"(","name":"Ayesha Khan","email":"ayesha@example.com"},"device":")" + device +
         R"(","public_key":"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=","has_preshared_key":true,"allowed_ips":["10.66.0.2/32","fd66::2/128"],)"
         R"("keepalive_s":25,"enabled":true,"not_before":null,"expires_at":null,"groups":[],"note":"","created_at":"2026-11-24T08:00:00.000Z",)"
         R"("updated_at":"2026-11-24T08:00:00.000Z","version":3,"connected":null,"last_session_at":null,)" +
         extra + "}";
}

std::string page(const std::string& key, const std::string& items, const std::string& next = "null") {
  return R"({")" + key + R"(":[)" + items + R"(],"next":)" + next + "}";
}

const std::string kSession =
    R"({"id":"3f2a9c0d5b7e4a1f8c6d0e9b2a4f7c11","peer":{"id":"p-1","name":"ayesha-khan/laptop","device":"laptop"},"owner":{"id":"o-1","name":"Ayesha Khan"},)"
    R"("interface":"wg0","inner":["10.66.0.2","fd66::2"],"outer":"198.51.100.7:51820","endpoints":[{"address":"198.51.100.7:51820","since":"2026-11-24T08:51:07.000Z","evidence":211},)"
    R"({"address":"203.0.113.99:51820","since":"2026-11-24T09:10:00.000Z","evidence":215}],"started_at":"2026-11-24T08:51:07.000Z",)"
    R"("started_bounds":{"not_before":"2026-11-24T08:51:07.000Z","not_after":"2026-11-24T08:51:07.000Z"},"ended_at":"2026-11-24T09:14:00.000Z",)"
    R"("ended_bounds":{"not_before":"2026-11-24T09:13:50.000Z","not_after":"2026-11-24T09:14:00.000Z"},"end_inferred":true,"state":"closed","reason":"expired",)"
    R"("rx_bytes":4100000,"tx_bytes":38000000,"uncertain_bytes":0,"handshakes":3,"moves":1,"figures_as_of":"2026-11-24T09:14:00.000Z","figures_from_checkpoint":false,)"
    R"("evidence":{"opened":210,"closed":220}})";

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Commands : public Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::unsetenv("SANAD_SOCKET");
    ::tzset();
  }
  Ran sanad(std::vector<std::string> arguments, std::string input = {}) {
    return run(daemon_.socket(), std::move(arguments), {}, std::move(input));
  }
  FakeDaemon daemon_;
};

TEST_F(Commands, NobodyHome) {
  const TemporaryDirectory empty;
  const Ran ran = run(empty.at("admin.sock"), {"status"});
  EXPECT_EQ(ran.exit, 5);
  EXPECT_EQ(ran.err, "error: sanadd is not running here (no " + empty.at("admin.sock") + "). Start it: systemctl start sanadd\n");
  EXPECT_EQ(ran.out, "");
}

TEST_F(Commands, UsageAndHelp) {
  EXPECT_EQ(sanad({"peer", "show"}).exit, 2);
  const Ran unknown = sanad({"peer", "lst"});
  EXPECT_EQ(unknown.exit, 2);
  EXPECT_NE(unknown.err.find("See: sanad peer --help"), std::string::npos) << unknown.err;
  EXPECT_EQ(sanad({}).exit, 2);
  const Ran help = sanad({"--help"});
  EXPECT_EQ(help.exit, 0);
  EXPECT_NE(help.out.find("5  sanadd cannot be reached"), std::string::npos);
  EXPECT_TRUE(daemon_.got().empty());
}

// Every command that can be typed shows an example: the help is where people look first.
TEST_F(Commands, EveryHelpHasAnExample) {
  for (const char* words : {"init",
                            "doctor",
                            "status",
                            "top",
                            "peer",
                            "peer add",
                            "peer list",
                            "peer show",
                            "peer edit",
                            "peer revoke",
                            "peer enable",
                            "peer disable",
                            "peer rotate-psk",
                            "peer import",
                            "peer export",
                            "peer profile",
                            "session",
                            "session list",
                            "session show",
                            "session watch",
                            "session who-held",
                            "registration",
                            "registration show",
                            "registration install",
                            "registration grace",
                            "log",
                            "log cat",
                            "log verify",
                            "log prove",
                            "log check-proof",
                            "log consistency",
                            "log key",
                            "log rotate-key",
                            "log export",
                            "log recover",
                            "reload",
                            "shutdown",
                            "completion"}) {
    std::istringstream split(words);
    std::vector<std::string> arguments{std::istream_iterator<std::string>(split), {}};
    arguments.emplace_back("--help");
    const Ran ran = sanad(arguments);
    EXPECT_EQ(ran.exit, 0) << words;
    EXPECT_NE(ran.out.find("Example:\n  "), std::string::npos) << words;
  }
}

TEST_F(Commands, AddWritesTheProfileOnceAndSecretly) {
  const std::string path = daemon_.directory().at("ayesha.conf");
  daemon_.on("GET /v1/peers?match=Ayesha%20Khan&limit=1000", {200, page("peers", "")});
  daemon_.on("POST /v1/peers", {201, R"({"peer":)" + peer("p-1", "ayesha-khan", "laptop") +
                                         R"(,"evidence":{"index":18},"profile":"[Interface]\nPrivateKey = x\n"})"});
  const std::vector<std::string> arguments{"peer",     "add",    "Ayesha Khan", "--email", "ayesha@example.com",
                                           "--device", "laptop", "--expires",   "+30d",    "--profile",
                                           path};
  const Ran ran = sanad(arguments);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "added  ayesha-khan/laptop  10.66.0.2, fd66::2   expires never   evidence #18\nprofile written to " + path +
                         " (0600). Its key was made here and is not kept. Show as QR: sanad peer profile --file " + path +
                         " --qr\n");
  EXPECT_EQ(contents(path), "[Interface]\nPrivateKey = x\n");
  struct ::stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  const auto body = parse_json(daemon_.got().back().body);
  ASSERT_TRUE(body);
  EXPECT_EQ(
      *body,
      json::parse(
          R"({"owner":{"name":"Ayesha Khan","email":"ayesha@example.com"},"device":"laptop","preshared_key":"generate","profile":true,"make_key":true,)"
          R"("expires_at":"2026-12-24T09:16:20.000Z"})"));
  EXPECT_NE(daemon_.got().back().headers.find("Host: sanad\r\n"), std::string::npos);
  EXPECT_NE(daemon_.got().back().headers.find("Content-Type: application/json"), std::string::npos);

  // A second time: refused before the daemon is asked to make a key that could not be kept.
  const std::size_t before = daemon_.got().size();
  const Ran again = sanad(arguments);
  EXPECT_EQ(again.exit, 1);
  EXPECT_NE(again.err.find("is there already"), std::string::npos) << again.err;
  for (std::size_t i = before; i < daemon_.got().size(); ++i) EXPECT_NE(daemon_.got()[i].line, "POST /v1/peers");
  EXPECT_EQ(contents(path), "[Interface]\nPrivateKey = x\n");
}

TEST_F(Commands, AddFailsLikeTheOptionAndLeavesNoFile) {
  const std::string path = daemon_.directory().at("bilal.conf");
  daemon_.on("GET /v1/peers?match=Bilal&limit=1000", {200, page("peers", "")});
  daemon_.on(
      "POST /v1/peers",
      {400,
       R"x({"type":"urn:sanad:problem:invalid_argument","title":"t","status":400,"detail":"not a WireGuard key (44 characters of base64 expected, got 3)",)x"
       R"("field":"public_key","hint":"On the client: wg genkey | tee private | wg pubkey"})",
       "application/problem+json"});
  const Ran ran = sanad({"peer", "add", "Bilal", "--public-key", "xyz", "--profile", path});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.err,
            "error: --public-key: not a WireGuard key (44 characters of base64 expected, got 3). On the client: wg genkey | tee "
            "private | wg pubkey\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()), {}),
            1);  // the socket alone
}

TEST_F(Commands, AnotherDeviceBelongsToTheSamePerson) {
  daemon_.on("GET /v1/peers?match=ayesha-khan&limit=1000", {200, page("peers", peer("p-1", "ayesha-khan", "laptop"))});
  daemon_.on("POST /v1/peers",
             {201, R"({"peer":)" + peer("p-2", "ayesha-khan", "phone") + R"(,"evidence":{"index":19},"profile":"P\n"})"});
  const Ran ran = sanad({"peer", "add", "ayesha-khan", "--device", "phone", "--profile", "-"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "P\n");
  EXPECT_EQ(text_at(*parse_json(daemon_.got().back().body), "owner.id"), "o-ayesha-khan");
}

TEST_F(Commands, RevokeNamesWhatItCannotTellApart) {
  daemon_.on("GET /v1/peers?match=ayesha&limit=1000",
             {200, page("peers", peer("p-1", "ayesha-khan", "laptop") + "," + peer("p-2", "ayesha-khan", "phone"))});
  const Ran ran = sanad({"peer", "revoke", "ayesha"});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_EQ(ran.err,
            "error: 2 peers match \"ayesha\": ayesha-khan/laptop, ayesha-khan/phone. Name one, or --all-of ayesha-khan\n");
  EXPECT_EQ(daemon_.got().size(), 1U);
}

TEST_F(Commands, ExactNameWinsOverPrefixAndLivingOverRevoked) {
  daemon_.on("GET /v1/peers?match=ayesha-khan%2Flap&limit=1000",
             {200, page("peers", peer("p-0", "ayesha-khan", "lap", R"("state":"revoked")") + "," +
                                     peer("p-1", "ayesha-khan", "lap") + "," + peer("p-2", "ayesha-khan", "laptop"))});
  daemon_.on("DELETE /v1/peers/p-1",
             {200, R"({"peer":)" + peer("p-1", "ayesha-khan", "lap") + R"(,"evidence":{"index":30},"stopped":true})"});
  const Ran ran = sanad({"peer", "revoke", "ayesha-khan/lap"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, "revoked  ayesha-khan/lap   evidence #30\n");
  EXPECT_EQ(sanad({"peer", "show", "nobody"}).exit, 3);
}

TEST_F(Commands, RevokeSaysWhenTrafficIsNotStopped) {
  daemon_.on("GET /v1/peers?match=ayesha-khan%2Flaptop&limit=1000", {200, page("peers", peer("p-1", "ayesha-khan", "laptop"))});
  daemon_.on("DELETE /v1/peers/p-1", {200, R"({"peer":)" + peer("p-1", "ayesha-khan", "laptop") +
                                               R"(,"evidence":{"index":30},"stopped":false,"reason":"backend down"})"});
  EXPECT_EQ(sanad({"peer", "revoke", "ayesha-khan/laptop"}).err, "warning: its traffic is not stopped yet: backend down\n");
}

TEST_F(Commands, EditSendsWhatItSaw) {
  daemon_.on("GET /v1/peers?match=ayesha-khan%2Flaptop&limit=1000", {200, page("peers", peer("p-1", "ayesha-khan", "laptop"))});
  daemon_.on("PATCH /v1/peers/p-1", {200, R"({"peer":)" + peer("p-1", "ayesha-khan", "laptop") + R"(,"evidence":{"index":31}})"});
  EXPECT_EQ(sanad({"peer", "edit", "ayesha-khan/laptop", "--expires", "never", "--email", "", "--allowed-ip", "10.66.0.7"}).out,
            "changed  ayesha-khan/laptop   evidence #31\n");
  EXPECT_EQ(daemon_.got().back().body, R"({"owner":{"email":null},"allowed_ips":["10.66.0.7/32"],"expires_at":null})");
  EXPECT_NE(daemon_.got().back().headers.find("If-Match: \"3\""), std::string::npos);
  EXPECT_EQ(sanad({"peer", "edit", "ayesha-khan/laptop"}).exit, 2);
}

TEST_F(Commands, PermissionDenied) {
  daemon_.on(
      "GET /v1/peers?limit=1000",
      {403,
       R"({"type":"urn:sanad:problem:permission-denied","title":"t","status":403,"detail":"user \"guest\" (uid 1004) has no role on this gateway",)"
       R"("hint":"An admin can give one: access.roles in /etc/sanad/sanad.yaml"})",
       "application/problem+json"});
  const Ran ran = sanad({"peer", "list"});
  EXPECT_EQ(ran.exit, 4);
  EXPECT_EQ(ran.err,
            "error: permission denied: user \"guest\" (uid 1004) has no role on this gateway. An admin can give one: "
            "access.roles in /etc/sanad/sanad.yaml\n");
}

TEST_F(Commands, ListsTurnPages) {
  daemon_.on("GET /v1/peers?limit=1000", {200, page("peers", peer("p-1", "a", "x"), R"("c/1")")});
  daemon_.on("GET /v1/peers?limit=1000&cursor=c%2F1", {200, page("peers", peer("p-2", "b", "y"))});
  const Ran table = sanad({"peer", "list"});
  EXPECT_EQ(table.out,
            "NAME  PERSON       INSIDE              STATE   EXPIRES  SEEN\n"
            "a/x   Ayesha Khan  10.66.0.2, fd66::2  active  never    never\n"
            "b/y   Ayesha Khan  10.66.0.2, fd66::2  active  never    never\n");
  const auto array = parse_json(sanad({"peer", "list", "--json"}).out);
  ASSERT_TRUE(array && array->is_array());
  EXPECT_EQ(array->as_array().size(), 2U);
}

TEST_F(Commands, WhatTheDaemonSaysCannotDriveTheTerminal) {
  daemon_.on("GET /v1/peers?limit=1000", {200, page("peers", peer("p-1", "a", "x", R"("state":"x\u001b[2J\u009b")"))});
  for (const bool as_json : {false, true}) {
    const Ran ran = as_json ? sanad({"peer", "list", "--json"}) : sanad({"peer", "list"});
    EXPECT_NE(ran.out.find("[2J"), std::string::npos);
    EXPECT_EQ(ran.out.find('\x1b'), std::string::npos);
    EXPECT_EQ(ran.out.find("\xC2\x9B"), std::string::npos);
  }
}

TEST_F(Commands, SessionsForPeopleAndPrograms) {
  daemon_.on("GET /v1/sessions?limit=1000", {200, page("sessions", kSession)});
  EXPECT_EQ(sanad({"session", "list"}).out,
            "PERSON       DEVICE  INSIDE     FROM                    SINCE           LASTED      IN    OUT  STATE\n"
            "Ayesha Khan  laptop  10.66.0.2  198.51.100.7 (+1 move)  today 08:51:07  22 min  4.1 MB  38 MB  closed (expired)\n");
  const auto array = parse_json(sanad({"session", "list", "--json"}).out);
  ASSERT_TRUE(array && array->is_array());
  EXPECT_EQ(text_at(array->as_array()[0], "started_at"), "2026-11-24T08:51:07.000Z");
  daemon_.on("GET /v1/sessions?active=true&limit=1000", {200, page("sessions", "")});
  EXPECT_EQ(sanad({"session", "list", "--active", "--json"}).out, "[]\n");
}

// A session as it is when its outer address is not told: `owner` and `endpoints` say why.
std::string session_without_address(const std::string& owner, const std::string& endpoints) {
  return R"({"id":"3f","peer":{"id":"p-1","name":null,"device":"laptop"},"owner":)" + owner +
         R"(,"inner":["10.66.0.2"],"outer":null,"endpoints":)" + endpoints +
         R"(,"started_at":"2026-11-24T08:51:07.000Z","ended_at":"2026-11-24T09:14:00.000Z","state":"closed","reason":"expired",)"
         R"("rx_bytes":1,"tx_bytes":1,"moves":0})";
}

TEST_F(Commands, SessionsSayWhyTheyHaveNoOuterAddress) {
  const std::string one_hidden = R"([{"address":null,"since":"2026-11-24T08:51:07.000Z","evidence":211}])";
  const std::string erased = R"({"id":"o-1","name":"","erased":{"at":"2026-11-25T00:00:00.000Z","evidence":9}})";
  for (const auto& [word, meaning, session] :
       {std::tuple{"expired", "older than retention.sessions keeps addresses",
                   session_without_address(R"({"id":"o-1","name":"Ayesha","erased":null})", "[]")},
        std::tuple{"erased", "the person was erased, and the address with them", session_without_address(erased, "[]")},
        std::tuple{"hidden", "your role does not show what is personal",
                   session_without_address(R"({"id":"o-1","name":null,"erased":null})", one_hidden)}}) {
    daemon_.on("GET /v1/sessions?limit=1000", {200, page("sessions", session)});
    const std::string out = sanad({"session", "list"}).out;
    EXPECT_NE(out.find(std::string("10.66.0.2  ") + word), std::string::npos) << out;
    EXPECT_TRUE(out.ends_with(std::string("\n") + word + ": " + meaning + "\n")) << out;
  }
}

TEST_F(Commands, SessionFiltersAreAskedInTheDaemonsWords) {
  daemon_.on("GET /v1/peers?match=ayesha-khan&limit=1000", {200, page("peers", peer("p-1", "ayesha-khan", "laptop"))});
  daemon_.on("GET /v1/sessions?owner=o-ayesha-khan&from=2026-11-23T00%3A00%3A00.000Z&inner=fd66%3A%3A2&limit=1000",
             {200, page("sessions", kSession)});
  const Ran ran = sanad({"session", "list", "--person", "ayesha-khan", "--from", "yesterday 00:00", "--inside", "FD66:0::2"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(sanad({"session", "list", "--from", "soon"}).exit, 2);
  EXPECT_EQ(sanad({"session", "list", "--inside", "10.66.0"}).exit, 2);
}

TEST_F(Commands, WhoHeld) {
  daemon_.on("GET /v1/sessions?inner=10.66.0.2&at=2026-11-24T09%3A03%3A00.000Z&limit=1000", {200, page("sessions", kSession)});
  EXPECT_EQ(sanad({"session", "who-held", "10.66.0.2", "--at", "2026-11-24 14:03 Asia/Karachi"}).out,
            "Ayesha Khan (laptop), connected 13:51:07 to 14:14:00 (end inferred, exact to 10 s), from 198.51.100.7 then "
            "203.0.113.99 (14:10)\n"
            "evidence #210 (opened), #215 (moved), #220 (closed)\n");
  daemon_.on("GET /v1/sessions?inner=10.66.0.9&at=2026-11-24T09%3A03%3A00.000Z&limit=1000", {200, page("sessions", "")});
  const Ran nobody = sanad({"session", "who-held", "10.66.0.9", "--at", "2026-11-24 14:03 Asia/Karachi"});
  EXPECT_EQ(nobody.exit, 3);
  EXPECT_EQ(nobody.err,
            "error: nobody was connected as 10.66.0.9 at 2026-11-24 14:03:00 Asia/Karachi. Sessions around it: sanad session "
            "list --inside 10.66.0.9\n");
}

TEST_F(Commands, Status) {
  daemon_.on(
      "GET /v1/status",
      {200,
       R"({"version":"0.1.0","gateway":"example-khi-1","started_at":"2026-11-24T09:14:20.000Z","uptime_s":120,"interfaces":[{"name":"wg0","backend":"kernel","state":"up",)"
       R"("listen_port":51820,"public_key":"x","addresses":[],"peers":0,"connected":0,"last_snapshot_at":null,"snapshot_ms":1.2,"interruptions":0,"drift_total":0}],)"
       R"("registration":{"standing":"in_force","level":"self","legal_name":"E","sentence":"self-declared by E, valid until 2027-11-24, not confirmed by anyone else","reference":null,)"
       R"("valid_from":null,"valid_until":null,"action":"serve"},"peers":{"total":0,"enabled":0,"connected":0},"sessions":{"today":0,"open":0},)"
       R"("evidence":{"records":17,"pending":0,"checkpoint_age_s":0.6,"witnesses":[],"writable":true,"problem":null},"clock":{"synchronised":true,"offset_ms":1.2},)"
       R"("disk":{"free_bytes":71000000000}})"});
  EXPECT_EQ(sanad({"status"}).out,
            "gateway       example-khi-1   wg0 (kernel), port 51820, up 2 min\n"
            "registration  self-declared by E, valid until 2027-11-24, not confirmed by anyone else\n"
            "peers         0 (0 connected)         sessions today 0\n"
            "evidence      17 records, checkpoint 0.6 s ago, no witness (evidence.witnesses in /etc/sanad/sanad.yaml)\n"
            "clock         synchronised (offset 1.2 ms)          disk 71 GB free\n");
  daemon_.on(
      "GET /v1/peers?limit=1000",
      {200,
       page(
           "peers",
           peer(
               "p-1", "a", "x",
               R"("state":"active","connected":{"session":"s","since":"2026-11-24T09:04:20.000Z","endpoint":"198.51.100.7:51820","rx_bytes":4100000,"tx_bytes":38000000})"))});
  const Ran top = sanad({"top", "--once"});
  EXPECT_EQ(top.exit, 0);
  EXPECT_NE(top.out.find("PEER  FROM                CONNECTED  IN/S  OUT/S"), std::string::npos) << top.out;
}

TEST_F(Commands, RevocationIsShownWithWhenItWasLastLookedAt) {
  const auto shown = [&](const std::string& revocation, const std::string& lists) {
    daemon_.on(
        "GET /v1/registration",
        {200,
         R"({"standing":{"standing":"in_force","level":"association","sentence":"declared by E","findings":[],"revocation":)" +
             revocation + R"(},"history":[],"anchors":[],"revocation_lists":)" + lists + "}"});
    return sanad({"registration", "show"}).out;
  };
  const std::string good =
      shown(R"({"status":"good","checked_at":"2026-11-24T09:06:20.000Z"})",
            R"([{"source":"http://a/crl.pem","read_at":"2026-11-24T09:06:20.000Z","issued_at":"2026-11-24T08:00:00.000Z",)"
            R"("next_update":"2026-12-01T08:00:00.000Z","problem":"no answer","failing_since":"2026-11-24T09:10:00.000Z"}])");
  EXPECT_NE(good.find("revocation    not revoked, last checked today 09:06:20\n"), std::string::npos) << good;
  EXPECT_NE(good.find("list          http://a/crl.pem  read today 09:06:20, issued today 08:00:00, the next is due "),
            std::string::npos)
      << good;
  EXPECT_NE(good.find("; failing since today 09:10:00: no answer\n"), std::string::npos) << good;
  EXPECT_NE(shown(R"({"status":"not_checked","checked_at":null})", "[]")
                .find("revocation    not checked: no revocation list is configured"),
            std::string::npos);
  EXPECT_NE(shown(R"({"status":"unavailable","checked_at":null})", "[]").find("revocation    NEVER CHECKED"), std::string::npos);
  EXPECT_NE(shown(R"({"status":"no_issuer","checked_at":null})", "[]").find("revocation    nobody but the company itself"),
            std::string::npos);
}

TEST_F(Commands, ACertificateThatIsRefusedHasTheExitStatusOfItsFault) {
  for (const auto& [field, status] :
       {std::pair{"certificate_pem", 10}, std::pair{"certificate_pem.dates", 17}, std::pair{"reference", 1}}) {
    daemon_.on("PUT /v1/registration",
               {400, std::string(R"({"type":"urn:sanad:problem:invalid-argument","detail":"bad","field":")") + field + R"("})"});
    std::ofstream(daemon_.directory().at("c.pem")) << "x";
    EXPECT_EQ(sanad({"registration", "install", daemon_.directory().at("c.pem")}).exit, status) << field;
  }
}

TEST_F(Commands, StatusShowsEachWitness) {
  daemon_.on(
      "GET /v1/status",
      {200,
       R"({"gateway":"g","uptime_s":1,"interfaces":[],"evidence":{"records":1204331,"checkpoint_age_s":0.6,"writable":true,"problem":null,"witnesses":[)"
       R"({"name":"a","records":1204331,"cosigned_at":"2026-11-24T09:14:20.000Z","lag_records":0,"lag_s":0,"alarm":false,"problem":null,"failures":0},)"
       R"({"name":"b","records":1204310,"cosigned_at":"2026-11-24T09:14:20.000Z","lag_records":21,"lag_s":9.2,"alarm":false,"problem":null,"failures":0},)"
       R"({"name":"c\u001b[2J","records":null,"cosigned_at":null,"lag_records":1204331,"lag_s":400,"alarm":true,"problem":"couldn't connect","failures":7}]}})"});
  const std::string out = sanad({"status"}).out;
  EXPECT_NE(out.find("evidence      1,204,331 records, checkpoint 0.6 s ago, 3 witnesses\n"
                     "witness       a   all records cosigned\n"
                     "witness       b   1,204,310 of 1,204,331 records cosigned, 9.2 s behind\n"
                     "witness       c"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("ALARM: nothing cosigned yet, 6 min behind: couldn't connect\n"), std::string::npos) << out;
  EXPECT_EQ(out.find('\x1b'), std::string::npos);
}

TEST_F(Commands, ImportReportsEveryLine) {
  daemon_.on(
      "POST /v1/peers/import?atomic=true",
      {200,
       R"({"line":1,"id":"p-1","name":"a/x","evidence":{"index":5}})"
       "\n"
       R"({"line":2,"problem":{"type":"urn:sanad:problem:conflict","title":"t","status":409,"detail":"the key is in use","field":"public_key"}})"
       "\n"
       R"({"summary":{"added":0,"failed":1,"database_ms":3.5,"atomic":true}})"
       "\n",
       "application/x-ndjson"});
  const Ran ran = sanad({"peer", "import", "-", "--atomic"}, "name,public_key\nA,K1\nB,K2\n");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.err, "line 2: public_key: the key is in use\n");
  EXPECT_NE(ran.out.find("0 added, 1 failed"), std::string::npos) << ran.out;
  EXPECT_EQ(daemon_.got().back().body,
            "{\"owner\":{\"name\":\"A\"},\"public_key\":\"K1\"}\n{\"owner\":{\"name\":\"B\"},\"public_key\":\"K2\"}\n");
  EXPECT_NE(daemon_.got().back().headers.find("Content-Type: application/x-ndjson"), std::string::npos);
  EXPECT_EQ(sanad({"peer", "import", "-"}, "").exit, 1);
}

TEST_F(Commands, ExportIsWhatImportTakes) {
  daemon_.on("GET /v1/peers?limit=1000",
             {200, page("peers", peer("p-1", "ayesha-khan", "laptop") + "," + peer("p-2", "b", "y", R"("state":"revoked")"))});
  EXPECT_EQ(
      sanad({"peer", "export"}).out,
      R"({"owner":{"name":"Ayesha Khan","email":"ayesha@example.com","handle":"ayesha-khan"},"device":"laptop","public_key":"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",)"
      R"("allowed_ips":["10.66.0.2/32","fd66::2/128"],"keepalive_s":25,"enabled":true,"groups":[],"note":"","interface":"wg0","preshared_key":"generate"})"
      "\n");
}

TEST_F(Commands, LogAndWatch) {
  const std::string opened =
      R"({"v":1,"i":7,"t":1795511051000,"epoch":1,"event":{"type_uid":401401,"class_uid":4014,"unmapped":{"sanad":{"peer":"p-1\u001b","inner":["10.66.0.2/32"]}}}})";
  const std::string disabled =
      R"({"v":1,"i":8,"t":1795511051000,"epoch":1,"event":{"type_uid":300409,"entity":{"type":"peer","uid":"p-1"},"actor":{"user":{"uid":"0"}},"unmapped":{"sanad":{"action":"disable","clock":{}}}}})";
  daemon_.on("GET /v1/log/entries?from=7&limit=1000",
             {200, R"({"entries":[{"index":7,"leaf":)" + opened +
                       R"(,"disclosures":[{"name":"user.name","value":"Ayesha Khan","salt":"s"},)" +
                       R"({"name":"src_endpoint.ip","value":"198.51.100.7","salt":"s"}]},{"index":8,"leaf":)" + disabled +
                       R"(}],"next":null})"});
  EXPECT_EQ(sanad({"log", "cat", "--from", "7"}).out,
            "#7  today 09:04:11  session.opened  Ayesha Khan (p-1\xEF\xBF\xBD)  inside 10.66.0.2/32  from 198.51.100.7\n"
            "#8  today 09:04:11  entity.disable  peer p-1  by uid 0\n");
  daemon_.on(
      "GET /v1/events?from=7",
      {200, "id: 7\nevent: Tunnel Activity\ndata: " + opened + "\n\nid: 8\nevent: Entity Management\ndata: " + disabled + "\n\n",
       "text/event-stream"});
  EXPECT_EQ(sanad({"session", "watch", "--from", "7"}).out,
            "#7  today 09:04:11  session.opened  p-1\xEF\xBF\xBD  inside 10.66.0.2/32\n");
  bool resumed = false;
  for (const auto& got : daemon_.got()) resumed |= got.headers.find("Last-Event-ID: 8") != std::string::npos;
  EXPECT_TRUE(resumed);
}

TEST_F(Commands, RegistrationInstallKeepsPrivateKeysAtHome) {
  const std::string path = daemon_.directory().at("bundle.pem");
  std::ofstream(path) << "-----BEGIN PRIVATE KEY-----\n";
  EXPECT_EQ(sanad({"registration", "install", path}).exit, 2);
  EXPECT_TRUE(daemon_.got().empty());
  std::ofstream(path, std::ios::trunc) << "CERT";
  daemon_.on(
      "PUT /v1/registration",
      {200,
       R"({"standing":{"standing":"in_force","action":"serve","sentence":"declared by E","findings":[]},"evidence":{"index":40}})"});
  const Ran ran = sanad({"registration", "install", path, "--reference", "24-7781", "--valid-until", "2027-11-30"});
  EXPECT_EQ(ran.out, "installed   evidence #40\nregistration  declared by E\nstanding      in force\n");
  EXPECT_EQ(daemon_.got().back().body,
            R"({"certificate_pem":"CERT","reference":"24-7781","authority_valid_until":"2027-11-30T23:59:59.000Z"})");
}

TEST_F(Commands, BrokenAnswersAreErrors) {
  daemon_.on("GET /v1/status", {200, "<html>"});
  EXPECT_EQ(sanad({"status"}).exit, 1);
  daemon_.on("GET /v1/status", {500, "<html>", "text/html"});
  EXPECT_EQ(sanad({"status"}).exit, 1);
  daemon_.on("GET /v1/status", {200, "[1,2,{}]"});
  EXPECT_EQ(sanad({"status"}).exit, 0);  // strange, but nothing to fall over
}

TEST_F(Commands, CompletionKnowsEveryCommand) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Ran ran = sanad({"completion", shell});
    EXPECT_EQ(ran.exit, 0);
    EXPECT_NE(ran.out.find("who-held"), std::string::npos) << shell;
    EXPECT_NE(ran.out.find("allowed-ip"), std::string::npos) << shell;
  }
}

}  // namespace
}  // namespace sanad::cli::test
