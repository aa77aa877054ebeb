// hold, erase, confirm, and what an erased person looks like afterwards.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "fake_daemon.hpp"

namespace sanad::cli::test {
namespace {

const std::string kErased =
    R"({"erasure":{"person":"o-1","erased_at":"2026-11-24T09:16:20.000Z","disclosures":7,"addresses":2,"overwritten":true,"why_not":null},"evidence":{"index":41}})";
const std::string kWaiting =
    R"({"confirmation":{"id":"c-1","act":"erasure","expires_at":"2026-11-24T09:31:20.000Z","how":""},"evidence":{"index":40}})";
const std::string kPeer =
    R"({"id":"p-1","name":"erased-1/erased","interface":"wg0","owner":{"id":"o-1","handle":"erased-1","name":"","email":null,)"
    R"("erased":{"at":"2026-11-24T09:16:20.000Z","evidence":41}},"device":"erased","public_key":"AAAA","allowed_ips":["10.66.0.2/32"],)"
    R"("state":"revoked","version":3,"groups":[],"note":"","connected":null})";

class Custody : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::unsetenv("SANAD_SOCKET");
    ::tzset();
  }
  Ran sanad(std::vector<std::string> arguments, Terminal terminal = {}, std::string input = {}) {
    return run(daemon_.socket(), std::move(arguments), terminal, std::move(input));
  }
  [[nodiscard]] std::string last_body() const { return daemon_.got().back().body; }
  FakeDaemon daemon_;
};

TEST_F(Custody, ErasingAsksFirstAndSaysWhatGoesAndWhatStays) {
  daemon_.on("POST /v1/erasures", {200, kErased});
  const std::vector<std::string> command{"erase", "o-1", "--reason", "request 17"};
  Terminal terminal;
  terminal.in = true;
  const Ran refused = sanad(command, terminal, "no\n");
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("goes:   name, e-mail"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("stays:  the records"), std::string::npos) << refused.err;
  EXPECT_TRUE(daemon_.got().empty()) << "nothing was asked of the daemon";
  const Ran done = sanad(command, terminal, "yes\n");
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_NE(done.out.find("erased  o-1  7 disclosures, 2 outer addresses   evidence #41"), std::string::npos) << done.out;
  EXPECT_EQ(last_body(), R"({"person":"o-1","reason":"request 17"})");
}

TEST_F(Custody, WithoutATerminalErasingNeedsYes) {
  daemon_.on("POST /v1/erasures", {200, kErased});
  const Ran refused = sanad({"erase", "o-1", "--reason", "r"});
  EXPECT_EQ(refused.exit, 2);
  EXPECT_NE(refused.err.find("--yes"), std::string::npos) << refused.err;
  EXPECT_TRUE(daemon_.got().empty());
  EXPECT_EQ(sanad({"erase", "o-1", "--reason", "r", "--yes"}).exit, 0);
}

TEST_F(Custody, WhatIsNotOverwrittenYetIsAWarning) {
  std::string body = kErased;
  body.replace(body.find(R"("overwritten":true,"why_not":null)"), 33, R"("overwritten":false,"why_not":"another program reads")");
  daemon_.on("POST /v1/erasures", {200, body});
  const Ran ran = sanad({"erase", "o-1", "--reason", "r", "--yes"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.err.find("not overwritten everywhere yet: another program reads"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.out.find("No file"), std::string::npos) << ran.out;
}

TEST_F(Custody, ASecondAdminIsAskedForAndConfirms) {
  daemon_.on("POST /v1/erasures", {202, kWaiting});
  const Ran waiting = sanad({"erase", "o-1", "--reason", "r", "--yes"});
  EXPECT_EQ(waiting.exit, 0) << waiting.err;
  EXPECT_NE(waiting.out.find("today 09:31:20: sanad confirm c-1"), std::string::npos) << waiting.out;
  daemon_.on("POST /v1/confirmations/c-1", {200, R"({"act":"hold_release","erasure":null,"evidence":{"index":42}})"});
  EXPECT_EQ(sanad({"confirm", "c-1"}).out, "confirmed  hold_release   evidence #42\n");
  daemon_.on("GET /v1/confirmations",
             {200, R"({"confirmations":[{"id":"c-1","act":"retention","request":{"days":30},"asked_by_uid":4104,)"
                   R"("asked_at":"2026-11-24T09:16:20.000Z","expires_at":"2026-11-24T09:31:20.000Z"}]})"});
  EXPECT_NE(sanad({"confirm"}).out.find(R"(c-1  retention  {"days":30})"), std::string::npos);
}

TEST_F(Custody, HoldsArePlacedListedAndReleased) {
  daemon_.on("GET /v1/peers?match=ayesha&limit=1000", {200, R"({"peers":[],"next":null})"});
  daemon_.on("GET /v1/peers?match=ayesha&state=revoked&limit=1000",
             {200, R"({"peers":[{"id":"p-1","owner":{"id":"o-1","handle":"ayesha","name":"Ayesha"}}],"next":null})"});
  daemon_.on("POST /v1/holds", {201, R"({"hold":{"id":"h-1","expires_at":null},"evidence":{"index":50}})"});
  const Ran placed = sanad({"hold", "add", "--person", "ayesha", "--reason", "case", "--approver", "court", "--from",
                            "2026-11-01 00:00", "--expires", "2027-01-31"});
  EXPECT_EQ(placed.exit, 0) << placed.err;
  EXPECT_EQ(placed.out, "held  h-1  until it is released   evidence #50\n");
  EXPECT_NE(last_body().find(R"("person":"o-1")"), std::string::npos) << "also who has left is found by name: " << last_body();
  EXPECT_NE(last_body().find(R"("expires":"2027-01-31T23:59:59.000Z")"), std::string::npos) << last_body();
  daemon_.on("GET /v1/holds", {200, R"({"holds":[{"id":"h-1","person":null,"address":"198.51.100.7","from":null,"to":null,)"
                                    R"("reason":"case","approver":"court","expires_at":null}]})"});
  EXPECT_NE(sanad({"hold", "list"}).out.find("h-1   -       198.51.100.7  -       released  court        case"),
            std::string::npos)
      << sanad({"hold", "list"}).out;
  daemon_.on("DELETE /v1/holds/h-1", {200, R"({"released":"h-1","evidence":{"index":51}})"});
  EXPECT_EQ(sanad({"hold", "release", "h-1"}).out, "released  h-1   evidence #51\n");
}

TEST_F(Custody, AnErasedPersonIsSaidToBeOne) {
  daemon_.on("GET /v1/peers?match=p-1&limit=1000", {200, R"({"peers":[],"next":null})"});
  daemon_.on("GET /v1/peers?match=p-1&state=revoked&limit=1000", {200, R"({"peers":[)" + kPeer + R"(],"next":null})"});
  const Ran ran = sanad({"peer", "show", "p-1"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("person        erased on 2026-11-24 (record #41), o-1"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find("AAAA"), std::string::npos) << ran.out;
}

}  // namespace
}  // namespace sanad::cli::test
