// What a server that is away, slow, hostile or somebody else can do to who asks it: nothing but fail in time.

#include "control/witness/http_client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "tests/unit/witness/support.hpp"

namespace sanad::witness {
namespace {

using namespace testing;

// Accepts connections one after the other and says what it is told, whatever it is asked; then waits for the other side to go.
class RudeServer final {
 public:
  explicit RudeServer(std::string says, bool waits = true) : says_(std::move(says)), waits_(waits) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RudeServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string asked() const { return asked_; }

 private:
  void serve() {
    const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
    if (!peer) return;
    char part[65536];
    const ssize_t first = ::recv(peer.get(), part, sizeof part, 0);
    if (first > 0) asked_.assign(part, static_cast<std::size_t>(first));
    (void)::send(peer.get(), says_.data(), says_.size(), MSG_NOSIGNAL);
    while (waits_ && ::recv(peer.get(), part, sizeof part, 0) > 0) {
    }
  }

  std::string says_;
  bool waits_;
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::string asked_;
  std::thread thread_;
};

Result<HttpAnswer> post(std::uint16_t port, PostLimits limits = {}, bool tls = false) {
  boost::asio::io_context loop(1);
  HttpClient client(loop, limits);
  std::optional<Result<HttpAnswer>> got;
  const HttpUrl url{tls, "127.0.0.1", port, "/w/add-checkpoint"};
  client.post(url, "body", [&got](Result<HttpAnswer> answer) {
    EXPECT_FALSE(got) << "answered twice";
    got = std::move(answer);
  });
  loop.run();
  EXPECT_TRUE(got) << "never answered";
  return got ? *std::move(got) : Result<HttpAnswer>(Error{});
}

TEST(HttpClient, AsksAndReadsTheAnswer) {
  std::string asked;
  {
    RudeServer server("HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 2\r\n\r\n7\n");
    const auto answer = post(server.port());
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 409U);
    EXPECT_EQ(answer->content_type, "text/x.tlog.size");
    EXPECT_EQ(answer->body, "7\n");
    asked = server.asked();
    EXPECT_TRUE(asked.starts_with("POST /w/add-checkpoint HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port())))
        << asked;
  }
  EXPECT_TRUE(asked.ends_with("Content-Length: 4\r\n\r\nbody")) << asked;
}

TEST(HttpClient, FollowsNothing) {
  RudeServer server("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(post(server.port()).value().status, 302U);
}

TEST(HttpClient, NobodyThere) {
  std::uint16_t port = 0;
  { port = RudeServer("").port(); }
  EXPECT_EQ(post(port).error().code, Errc::unavailable);
}

TEST(HttpClient, SilenceEndsInTime) {
  PostLimits limits;
  limits.timeout = std::chrono::milliseconds(200);
  for (const char* says : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"}) {
    RudeServer server(says);
    const auto answer = post(server.port(), limits);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::timeout) << says;
  }
  RudeServer no_tls("");
  EXPECT_EQ(post(no_tls.port(), limits, true).error().code, Errc::timeout);
}

TEST(HttpClient, GarbageIsCalledThat) {
  PostLimits limits;
  limits.answer_bytes = 1000;
  const std::string much(2000, 'x');
  for (const std::string& says :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n\r\n"), std::string("\x16\x03\x01 TLS\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + much,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + much, "HTTP/1.1 200 OK\r\n\r\n" + much,
        "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
        std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")}) {
    RudeServer server(says, false);
    const auto answer = post(server.port(), limits);
    ASSERT_FALSE(answer) << says.substr(0, 60);
    EXPECT_EQ(answer.error().code, Errc::corrupt) << says.substr(0, 60) << answer.error().message;
  }
  RudeServer hangs_up("", false);
  EXPECT_EQ(post(hangs_up.port()).error().code, Errc::unavailable);
  RudeServer no_tls("HTTP/1.1 400 Bad Request\r\n\r\n", false);
  EXPECT_EQ(post(no_tls.port(), {}, true).error().code, Errc::permission_denied);
}

TEST(HttpClient, AnExchangeUnderWayMayOutliveTheLoop) {
  RudeServer server("");
  auto loop = std::make_unique<boost::asio::io_context>(1);
  HttpClient client(*loop);
  bool answered = false;
  client.post(HttpUrl{false, "127.0.0.1", server.port(), {}}, "body",
              [&answered](const Result<HttpAnswer>&) { answered = true; });
  loop->run_for(std::chrono::milliseconds(50));
  loop.reset();
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace sanad::witness
