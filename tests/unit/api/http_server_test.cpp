#include "control/api/http_server.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <fstream>
#include <future>
#include <stdexcept>
#include <thread>

#include "control/api/problem.hpp"
#include "raw_client.hpp"

namespace sanad::api {
namespace {

using testing::RawClient;
using testing::RawResponse;

constexpr std::size_t kMiB = 1024 * 1024;

class CountingSource final : public BodySource {
 public:
  CountingSource(std::size_t parts, std::string part, std::atomic<std::size_t>& made, std::atomic<bool>& gone, bool fails)
      : left_(parts), part_(std::move(part)), made_(made), gone_(gone), fails_(fails) {}
  ~CountingSource() override { gone_ = true; }
  void next(std::function<void(Part)> done) override {
    if (left_ == 0) return fails_ ? done(Part(Error{Errc::io, "the disk is gone"})) : done(Part(std::nullopt));
    --left_;
    ++made_;
    done(Part(part_));
  }

 private:
  std::size_t left_;
  std::string part_;
  std::atomic<std::size_t>& made_;
  std::atomic<bool>& gone_;
  bool fails_;
};

struct FakeApplication final : Application {
  std::size_t share = 2000;
  std::atomic<std::size_t> handled{0};
  std::atomic<std::size_t> parts_made{0};
  std::atomic<bool> source_gone{false};
  std::atomic<bool> holding{false};
  std::size_t stream_parts = 0;
  std::string stream_part = "part\n";
  bool stream_fails = false;
  Reply held;

  std::size_t connections_for(const access::Actor&) override { return share; }
  std::variant<std::size_t, Response> admit(const access::Actor&, const RequestHead& head) override {
    if (head.target == "/refused") return problem(Error{Errc::permission_denied, "not for you"});
    if (head.target == "/no-body") return std::size_t{0};
    return kMiB;
  }
  void handle(const access::Actor& actor, Request request, Reply reply) override {
    ++handled;
    if (request.head.target == "/throw") throw std::runtime_error("a bug");
    if (request.head.target == "/hold") {
      held = std::move(reply);
      holding = true;
      return;
    }
    Response response;
    if (request.head.target == "/stream") {
      response.stream = std::make_unique<CountingSource>(stream_parts, stream_part, parts_made, source_gone, stream_fails);
    } else {
      response.body = request.head.method + " " + request.head.target + " " + std::to_string(actor.uid) + " " + request.body;
    }
    reply(std::move(response));
  }
};

struct HttpServerTest : ::testing::Test {
  testing::TemporaryDirectory directory;
  std::string path = directory.path("admin.sock");
  boost::asio::io_context io{1};
  FakeApplication application;
  Limits limits;
  std::unique_ptr<HttpServer> server;
  std::thread loop;

  void SetUp() override {
    limits.connections_per_uid = 2000;
    limits.connections_kept_for_root = 0;
  }
  void start() {
    auto listener = listen_unix({path, std::nullopt, 0666});
    ASSERT_TRUE(listener) << listener.error().message;
    server = std::make_unique<HttpServer>(io, std::move(*listener), limits, application);
    server->start();
    loop = std::thread([this] {
      const auto guard = boost::asio::make_work_guard(io);
      io.run();
    });
  }
  void TearDown() override {
    if (!loop.joinable()) return;
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
  HttpCounters counters() {
    HttpCounters copy;
    on_loop([&] { copy = server->counters(); });
    return copy;
  }
  // Waits until the loop says so; the test's own time limit is what ends it otherwise.
  void await(const std::function<bool()>& condition) {
    for (bool done = false; !done;) {
      on_loop([&] { done = condition(); });
      if (!done) std::this_thread::yield();
    }
  }
  RawClient client() { return RawClient(path, ::geteuid()); }
  RawResponse ask(const std::string& request) {
    RawClient one = client();
    one.send(request);
    return one.receive();
  }
};

std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: sanad\r\n\r\n"; }

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  RawClient one = client();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(one.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"));
    const RawResponse response = one.receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "POST /x " + std::to_string(::geteuid()) + " hello");
  }
  EXPECT_EQ(counters().answers[200], 3U);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient one = client();
  one.send(get("/a") + "POST /b HTTP/1.1\r\nHost: sanad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" +
           get("/c"));
  EXPECT_TRUE(one.receive().body.starts_with("GET /a"));
  EXPECT_TRUE(one.receive().body.ends_with(" abcde"));
  EXPECT_TRUE(one.receive().body.starts_with("GET /c"));
}

TEST_F(HttpServerTest, SpeaksHttp10) {
  start();
  application.stream_parts = 2;
  RawClient one = client();
  one.send("GET /stream HTTP/1.0\r\n\r\n");
  const RawResponse response = one.receive();
  EXPECT_EQ(response.body, "part\npart\n");
  EXPECT_EQ(response.fields.at("connection"), "close");
}

TEST_F(HttpServerTest, SaysContinueOnlyToWhomItAdmits) {
  start();
  RawClient admitted = client();
  admitted.send("POST /x HTTP/1.1\r\nHost: sanad\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(admitted.receive().status, 100);
  admitted.send("ok");
  EXPECT_TRUE(admitted.receive().body.ends_with(" ok"));
  RawClient refused = client();
  refused.send("POST /refused HTTP/1.1\r\nHost: sanad\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused.receive().status, 403);
  EXPECT_EQ(application.handled, 1U);
}

TEST_F(HttpServerTest, RefusesForeignHostsOriginsAndWhatIsNotHttp) {
  start();
  const std::pair<std::string, int> cases[] = {
      {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
      {"GET / HTTP/1.1\r\nHost: sanad.evil.example\r\n\r\n", 421},
      {"GET / HTTP/1.1\r\nHost: sanad:80\r\n\r\n", 421},
      {"GET / HTTP/1.1\r\nHost: SANAD\r\n\r\n", 200},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: sanad\r\nHost: localhost\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: sanad\r\nOrigin: http://sanad\r\n\r\n", 403},
      {"GET / HTTP/1.1\r\nHost: sanad\r\nOrigin: null\r\n\r\n", 403},
      {"GET / HTTP/1.1\r\nHost: sanad\r\nExpect: miracles\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: sanad\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: sanad\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: sanad\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: sanad\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: sanad\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400},
      {"GET / HTTP/9.9\r\nHost: sanad\r\n\r\n", 400},
      {"nonsense\r\n\r\n", 400},
      {std::string("\0\0\0\0\r\n\r\n", 8), 400},
      {"GET / HTTP/1.1\r\nHost: sanad\r\nX: " + std::string(17 * 1024, 'x') + "\r\n\r\n", 431},
      {"GET /" + std::string(80 * 1024, 'x') + " HTTP/1.1\r\nHost: sanad\r\n\r\n", 431},
  };
  for (const auto& [request, status] : cases) EXPECT_EQ(ask(request).status, status) << request.substr(0, 120);
  EXPECT_EQ(application.handled, 1U);
}

TEST_F(HttpServerTest, DropsHalfRequestsWithoutAskingAnybody) {
  start();
  for (const std::string& half : {std::string("GE"), std::string("GET / HTTP/1.1\r\nHost: sa"),
                                  std::string("POST / HTTP/1.1\r\nHost: sanad\r\nContent-Length: 10\r\n\r\nhalf"),
                                  std::string("POST / HTTP/1.1\r\nHost: sanad\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")}) {
    RawClient one = client();
    one.send(half);
    one.finish_sending();
    while (!one.receive_some().empty()) {
    }
  }
  EXPECT_EQ(application.handled, 0U);
  EXPECT_EQ(ask(get("/fine")).status, 200);
}

TEST_F(HttpServerTest, TellsSlowRequestsSo) {
  limits.header_timeout = std::chrono::milliseconds{50};
  limits.body_timeout = std::chrono::milliseconds{50};
  start();
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: sa").status, 408);
  limits.body_timeout = std::chrono::milliseconds{50};
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: sanad\r\nContent-Length: 10\r\n\r\nhalf").status, 408);
  EXPECT_EQ(application.handled, 0U);
}

TEST_F(HttpServerTest, ClosesIdleConnections) {
  limits.idle_timeout = std::chrono::milliseconds{50};
  start();
  RawClient never_spoke = client();
  EXPECT_EQ(never_spoke.receive_some(), "");
  RawClient spoke = client();
  spoke.send(get("/"));
  EXPECT_EQ(spoke.receive().status, 200);
  EXPECT_EQ(spoke.receive_some(), "");
}

TEST_F(HttpServerTest, RefusesBodiesOfAHundredMegabytesWithAnAnswerThatArrives) {
  start();
  const std::string block(kMiB, 'x');
  RawClient counted = client();
  ASSERT_TRUE(counted.send("POST / HTTP/1.1\r\nHost: sanad\r\nContent-Length: 104857600\r\n\r\n"));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(counted.send(block)) << i;
  const RawResponse response = counted.receive();
  EXPECT_EQ(response.status, 413);
  EXPECT_TRUE(response.whole);

  RawClient chunked = client();
  ASSERT_TRUE(chunked.send("POST / HTTP/1.1\r\nHost: sanad\r\nTransfer-Encoding: chunked\r\n\r\n"));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(chunked.send("100000\r\n" + block + "\r\n")) << i;
  EXPECT_EQ(chunked.receive().status, 413);

  EXPECT_EQ(ask("POST /no-body HTTP/1.1\r\nHost: sanad\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").status, 413);
  EXPECT_EQ(ask("POST /refused HTTP/1.1\r\nHost: sanad\r\nContent-Length: 5\r\n\r\nhello").status, 403);
  EXPECT_EQ(application.handled, 0U);
}

TEST_F(HttpServerTest, TurnsAnExceptionIntoAnAnswerAndGoesOn) {
  start();
  RawClient one = client();
  one.send(get("/throw"));
  EXPECT_EQ(one.receive().status, 500);
  one.send(get("/"));
  EXPECT_EQ(one.receive().status, 200);
}

TEST_F(HttpServerTest, ServesBesideAThousandIdleConnections) {
  start();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 1000; ++i) idle.push_back(std::make_unique<RawClient>(path, ::geteuid()));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(get("/")).status, 200);
  RecordProperty(
      "answered_us",
      static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - before).count()));
  EXPECT_GE(counters().connections, 1000U);
  idle.clear();
  await([&] { return server->counters().connections == 0; });
}

TEST_F(HttpServerTest, RefusesConnectionsBeyondItsLimitsAndTakesNewOnesAfterwards) {
  limits.connections = 8;
  start();
  std::vector<std::unique_ptr<RawClient>> some;
  for (int i = 0; i < 8; ++i) some.push_back(std::make_unique<RawClient>(path, ::geteuid()));
  RawClient beyond = client();
  EXPECT_EQ(beyond.receive().status, 503);
  some.clear();
  await([&] { return server->counters().connections == 0; });
  EXPECT_EQ(ask(get("/")).status, 200);
  EXPECT_EQ(counters().refused_connections, 1U);
}

TEST_F(HttpServerTest, GivesNoOrdinaryUidMoreThanItsShare) {
  application.share = 4;
  start();
  const uid_t ordinary = testing::ordinary_uid();
  if (::geteuid() != 0) {
    GTEST_LOG_(INFO) << "not root: the share of our own uid is what is tested";
  }
  std::vector<std::unique_ptr<RawClient>> some;
  for (int i = 0; i < 4; ++i) {
    some.push_back(std::make_unique<RawClient>(path, ordinary));
    some.back()->send(get("/"));
    EXPECT_EQ(some.back()->receive().status, 200);
  }
  RawClient beyond(path, ordinary);
  EXPECT_EQ(beyond.receive().status, 503);
  if (::geteuid() == 0) {
    EXPECT_EQ(ask(get("/")).status, 200) << "root is not held to a share";
  }
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(HttpServerTest, StreamsAHundredThousandPartsInFlatMemory) {
  application.stream_parts = 100'000;
  application.stream_part = std::string(1000, 'x') + "\n";
  start();
  RawClient one = client();
  one.send(get("/stream"));
  ASSERT_TRUE(one.receive_until("\r\n\r\n"));
  const std::size_t before = resident_bytes();
  std::size_t received = 0;
  std::string tail;
  std::size_t peak = before;
  while (!tail.ends_with("\r\n0\r\n\r\n")) {
    const std::string some = one.receive_some();
    ASSERT_FALSE(some.empty());
    if ((received / kMiB) != ((received + some.size()) / kMiB)) peak = std::max(peak, resident_bytes());
    received += some.size();
    // What was made and not yet taken is in the socket's buffers at most, in every build.
    ASSERT_LT(application.parts_made * application.stream_part.size(), received + 2 * kMiB);
    tail = (tail + some).substr((tail + some).size() > 16 ? (tail + some).size() - 16 : 0);
  }
  EXPECT_GE(received, 100'000'000U);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these keep freed memory, so the process proves nothing
  EXPECT_LT(peak - before, 8 * kMiB);
#endif
  RecordProperty("growth_kib", static_cast<int>((peak - before) / 1024));
}

TEST_F(HttpServerTest, MakesNoMoreThanASlowReaderTakesAndGivesItUp) {
  application.stream_parts = 1'000'000;
  application.stream_part = std::string(10'000, 'x');
  limits.write_timeout = std::chrono::milliseconds{200};
  start();
  RawClient one = client();
  one.send(get("/stream"));
  await([&] { return application.source_gone.load(); });
  EXPECT_LT(application.parts_made * application.stream_part.size(), 4 * kMiB) << "only what the socket buffers hold";
  await([&] { return server->counters().connections == 0; });
}

TEST_F(HttpServerTest, EndsAnAnswerThatFailsInTheMiddleWithoutItsFinalChunk) {
  application.stream_parts = 3;
  application.stream_fails = true;
  start();
  RawClient one = client();
  one.send(get("/stream"));
  const RawResponse response = one.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "part\npart\npart\n");
  EXPECT_FALSE(response.whole);
}

TEST_F(HttpServerTest, AnswersWhatIsUnderWayWhenItStops) {
  start();
  RawClient idle = client();
  RawClient busy = client();
  busy.send(get("/hold"));
  await([&] { return application.holding.load(); });
  on_loop([&] { server->stop(); });
  EXPECT_EQ(idle.receive_some(), "");
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  on_loop([&] {
    Response response;
    response.body = "late but right";
    application.held(std::move(response));
    application.held = nullptr;
  });
  const RawResponse response = busy.receive();
  EXPECT_EQ(response.body, "late but right");
  EXPECT_EQ(response.fields.at("connection"), "close");
  await([&] { return server->counters().connections == 0; });
}

}  // namespace
}  // namespace sanad::api
