#include "control/witness/server.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <thread>

#include "gateway/base/encoding.hpp"
#include "tests/unit/witness/support.hpp"

namespace sanad::witness {
namespace {

using namespace testing;
using std::chrono::milliseconds;

class ServerTest : public ::testing::Test {
 protected:
  void start(ServerLimits limits = {}) {
    const boost::asio::ip::tcp::endpoint any(boost::asio::ip::address_v4::loopback(), 0);
    auto opened = Server::open(loop_, any, std::nullopt, witness_, limits);
    ASSERT_TRUE(opened) << opened.error().message;
    server_ = *std::move(opened);
    server_->start();
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override { stop(); }
  // Returns when the loop has run out of work: no connection is left.
  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(loop_, [this] { server_->stop(); });
    thread_.join();
  }
  static std::string post(const std::string& body, const std::string& more = "Connection: close\r\n") {
    return "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n" + more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  }
  std::string ask(const std::string& request) {
    RawPeer peer(server_->port());
    peer.send(request);
    return peer.rest();
  }
  static unsigned status_of(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? static_cast<unsigned>(std::stoul(answer.substr(9, 3))) : 0;
  }

  audit::TemporaryDirectory root_;
  GrowingLog log_;
  Witness witness_{witness_signer(), log_.known(), Store::open(root_.path() / "store", witness_key()).value(),
                   [](const std::string&) {}};
  boost::asio::io_context loop_{1};
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(ServerTest, EveryStatusOfTheTextComesOverTheWire) {
  start();
  EXPECT_EQ(status_of(ask(post("nonsense"))), 400U);
  GrowingLog stranger;
  stranger.signer = test_signer(3, "sanad/gw-3");
  EXPECT_EQ(status_of(ask(post(stranger.request(0, 5)))), 404U);
  stranger.signer.name = log_.signer.name;
  EXPECT_EQ(status_of(ask(post(stranger.request(0, 5)))), 403U);
  const std::string cosigned = ask(post(log_.request(0, 5)));
  EXPECT_EQ(status_of(cosigned), 200U) << cosigned;
  EXPECT_NE(cosigned.find("\r\n\r\n\xE2\x80\x94 witness.example/w1 "), std::string::npos) << cosigned;
  const std::string conflict = ask(post(log_.request(0, 9)));
  EXPECT_EQ(status_of(conflict), 409U);
  EXPECT_NE(conflict.find("Content-Type: text/x.tlog.size\r\n"), std::string::npos) << conflict;
  EXPECT_TRUE(conflict.ends_with("\r\n\r\n5\n")) << conflict;
  EXPECT_EQ(status_of(ask(post(log_.request(6, 5)))), 400U);
  log_.entries[1] = "rewritten";
  EXPECT_EQ(status_of(ask(post(log_.request(5, 9)))), 422U);
}

TEST_F(ServerTest, MonitorsReadTheLatestCosignedCheckpoint) {
  start();
  const std::string path = "/" + hex_encode(sha256(as_bytes(log_.signer.name))) + "/checkpoint";
  const std::string get = "GET " + path + " HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(status_of(ask(get)), 404U);
  ASSERT_EQ(status_of(ask(post(log_.request(0, 5)))), 200U);
  const std::string answer = ask(get);
  EXPECT_EQ(status_of(answer), 200U);
  const std::string note = answer.substr(answer.find("\r\n\r\n") + 4);
  const auto opened = audit::open_checkpoint(note, log_.known()[0].keys, std::vector{witness_key()});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->signatures.size(), 2U);
  const std::string head = ask("HEAD " + path + " HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(head), 200U);
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST_F(ServerTest, WhatIsNoQuestionToAWitnessIsRefused) {
  start();
  EXPECT_EQ(status_of(ask("GET / HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")), 404U);
  EXPECT_EQ(status_of(ask("GET /checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")), 404U);
  const std::string get = ask("GET /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(get), 405U);
  EXPECT_NE(get.find("Allow: POST\r\n"), std::string::npos) << get;
  EXPECT_EQ(status_of(ask("PUT /x/checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")), 405U);
  EXPECT_EQ(status_of(ask("\x16\x03\x01 what is this\r\n\r\n")), 400U);
  EXPECT_EQ(status_of(ask("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n")), 400U);
  EXPECT_EQ(status_of(ask(post(std::string(audit::kMaxAddCheckpointBytes + 1, 'x')))), 413U);
  std::string chunks = "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 80; ++i) chunks += "1000\r\n" + std::string(4096, 'x') + "\r\n";
  EXPECT_EQ(status_of(ask(chunks)), 413U);
  // And it still serves.
  EXPECT_EQ(status_of(ask(post(log_.request(0, 5)))), 200U);
}

TEST_F(ServerTest, AConnectionMayAskAgain) {
  start();
  RawPeer peer(server_->port());
  for (std::size_t size = 1; size <= 20; ++size) {
    peer.send(post(log_.request(size - 1, size), {}));
    EXPECT_EQ(status_of(peer.until("\r\n\r\n")), 200U);
    (void)peer.until("\n");
  }
}

TEST_F(ServerTest, WhoIsSlowIsCutOff) {
  start({.request_timeout = milliseconds(150), .idle_timeout = milliseconds(150)});
  const auto closes = [](RawPeer& peer) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(peer.rest(), "");
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(9));
  };
  RawPeer silent(server_->port());
  RawPeer half_head(server_->port());
  half_head.send("POST /add-checkpoint HT");
  RawPeer half_body(server_->port());
  half_body.send("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 10\r\n\r\nold");
  closes(silent);
  closes(half_head);
  closes(half_body);
}

TEST_F(ServerTest, OnlySoManyAtOnce) {
  start({.connections = 2});
  RawPeer one(server_->port());
  RawPeer two(server_->port());
  // Served first, so that both are known to be in.
  for (RawPeer* peer : {&one, &two}) {
    peer->send("GET / HTTP/1.1\r\nHost: w\r\n\r\n");
    EXPECT_EQ(status_of(peer->until("checkpoint\n")), 404U);
  }
  EXPECT_EQ(RawPeer(server_->port()).rest(), "");
  two.send("GET / HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
  (void)two.rest();
  // The place is free once the server has seen the end, which it does in its own time.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string answer;
  while (answer.empty() && std::chrono::steady_clock::now() < until)
    answer = ask("GET / HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(answer), 404U);
}

// Many ask for different trees at once: each is decided on what the one before left, and the memory never goes back.
TEST_F(ServerTest, RequestsOfOneLogAreServedOneAfterTheOther) {
  start();
  std::vector<std::future<std::size_t>> workers;
  for (int worker = 0; worker < 8; ++worker) {
    workers.push_back(std::async(std::launch::async, [this] {
      std::size_t known = 0;
      std::size_t cosigned = 0;
      while (known < 60) {
        const std::string answer = ask(post(log_.request(known, known + 1)));
        if (status_of(answer) == 200) {
          ++cosigned;
          ++known;
          continue;
        }
        EXPECT_EQ(status_of(answer), 409U) << answer;
        const auto size = audit::parse_tree_size(answer.substr(answer.find("\r\n\r\n") + 4));
        EXPECT_TRUE(size);
        if (!size) return cosigned;
        EXPECT_GT(*size, known) << "it has forgotten";
        known = *size;
      }
      return cosigned;
    }));
  }
  std::size_t cosigned = 0;
  for (auto& worker : workers) cosigned += worker.get();
  EXPECT_EQ(cosigned, 60U);
}

TEST_F(ServerTest, AStopLeavesNobodyWaiting) {
  start();
  RawPeer idle(server_->port());
  idle.send("GET / HTTP/1.1\r\nHost: w\r\n\r\n");
  (void)idle.until("checkpoint\n");
  stop();
  EXPECT_EQ(idle.rest(), "");
}

TEST_F(ServerTest, AnAddressInUseIsTold) {
  start();
  boost::asio::io_context other;
  const boost::asio::ip::tcp::endpoint taken(boost::asio::ip::address_v4::loopback(), server_->port());
  const auto second = Server::open(other, taken, std::nullopt, witness_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::io);
  const auto no_tls = Server::open(other, taken, TlsFiles{"/nonexistent", "/nonexistent"}, witness_);
  EXPECT_EQ(no_tls.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace sanad::witness
