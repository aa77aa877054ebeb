#include "control/service/list_fetcher.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "control/registration/crl.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::service {
namespace {

// Answers each connection with the same bytes, as far as the other side takes them; with none it says nothing and holds on.
class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    ::sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const ::sockaddr*>(&here), sizeof here), 0);
    EXPECT_EQ(::listen(socket_.get(), 4), 0);
    ::socklen_t size = sizeof here;
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<::sockaddr*>(&here), &size), 0);
    port_ = ntohs(here.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ending_ = true;
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/crl.pem"; }
  [[nodiscard]] bool was_asked() const { return asked_; }

 private:
  void serve() {
    while (!ending_) {
      const UniqueFd one(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!one) return;
      char request[1024];
      (void)::recv(one.get(), request, sizeof request, 0);
      asked_ = true;
      std::string_view rest = answer_;
      while (!rest.empty()) {
        const auto sent = ::send(one.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
      // Until the other side goes.
      if (answer_.empty()) (void)::recv(one.get(), request, sizeof request, 0);
    }
  }

  std::string answer_;
  UniqueFd socket_;
  std::uint16_t port_ = 0;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> asked_ = false;
  std::thread thread_;
};

FetchedList fetch(const std::string& url) {
  std::promise<FetchedList> delivered;
  ListFetcher fetcher([&delivered](FetchedList list) { delivered.set_value(std::move(list)); });
  fetcher.fetch(url);
  auto future = delivered.get_future();
  if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) return {url, {}, "nothing was delivered"};
  return future.get();
}

TEST(ListFetcher, DeliversWhatTheServerHas) {
  const Server server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlist");
  const FetchedList list = fetch(server.url());
  EXPECT_EQ(list.problem, "");
  EXPECT_EQ(list.text, "list");
  EXPECT_EQ(list.url, server.url());
}

TEST(ListFetcher, NobodyThereIsAProblemInPlainWords) {
  std::string url;
  {
    const Server gone("x");
    url = gone.url();
  }
  const FetchedList list = fetch(url);
  EXPECT_NE(list.problem.find("connect"), std::string::npos) << list.problem;
  EXPECT_EQ(list.text, "");
}

TEST(ListFetcher, AnErrorPageIsNoList) {
  const Server server("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\noops");
  const FetchedList list = fetch(server.url());
  EXPECT_NE(list.problem.find("404"), std::string::npos) << list.problem;
  EXPECT_EQ(list.text, "");
}

TEST(ListFetcher, AHugeListIsBrokenOffWhetherAnnouncedOrNot) {
  const std::string body(registration::kMaxCrl + 1, 'x');
  for (const std::string& head : {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n",
                                  std::string("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")}) {
    const Server server(head + body);
    const FetchedList list = fetch(server.url());
    EXPECT_EQ(list.problem, "the revocation list is larger than 8 MiB");
    EXPECT_EQ(list.text, "");
  }
}

TEST(ListFetcher, OnlyHttpIsSpoken) {
  EXPECT_NE(fetch("file:///etc/hostname").problem, "");
  const Server redirecting("HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\n\r\n");
  EXPECT_NE(fetch(redirecting.url()).problem, "");
}

TEST(ListFetcher, ASilentServerDelaysNoEnd) {
  const Server server("");
  bool delivered = false;
  const auto began = std::chrono::steady_clock::now();
  {
    ListFetcher fetcher([&delivered](FetchedList) { delivered = true; });
    fetcher.fetch(server.url());
    while (!server.was_asked()) std::this_thread::yield();
  }
  EXPECT_FALSE(delivered);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

}  // namespace
}  // namespace sanad::service
