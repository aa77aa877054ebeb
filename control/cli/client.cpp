#include "control/cli/client.hpp"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/optional.hpp>
#include <chrono>
#include <optional>

namespace sanad::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr auto kSilence = std::chrono::seconds(60);  // four of the daemon's keep-alive intervals
constexpr std::size_t kMaxBody = 256U << 20U;
constexpr std::size_t kMaxLine = 16U << 20U;
constexpr std::size_t kMaxProblem = 1U << 20U;

struct Head {
  int status = 0;
  std::string etag;
};
// Returns false to stop reading.
using OnChunk = std::function<bool(const Head&, std::string_view)>;

Failure unreachable(const std::string& path, const error_code& ec) {
  if (ec == asio::error::access_denied) {
    return {Exit::denied, "permission denied: " + path,
            "Run it as root, or have an admin put you into the socket's group and give you a role (socket.group, access.roles in "
            "/etc/sanad/sanad.yaml)"};
  }
  if (ec == boost::system::errc::no_such_file_or_directory || ec == asio::error::connection_refused) {
    const std::string why = ec == asio::error::connection_refused ? "nobody listens on " + path : "no " + path;
    return {Exit::unreachable, "sanadd is not running here (" + why + ")", "Start it: systemctl start sanadd"};
  }
  return {Exit::unreachable, "couldn't reach sanadd at " + path + ": " + ec.message()};
}

// One request and its answer. Writing and reading run side by side, so that a daemon which answers a long import line by
// line never waits for us while we wait for it.
class Exchange final {
 public:
  Exchange(const Request& request, const OnChunk& on_chunk) : on_chunk_(on_chunk) {
    message_.version(11);
    message_.method_string(request.method);
    message_.target(request.target);
    message_.set(http::field::host, "sanad");
    message_.set(http::field::user_agent, "sanad/" SANAD_VERSION);
    message_.set(http::field::connection, "close");
    if (!request.content_type.empty()) message_.set(http::field::content_type, request.content_type);
    for (const auto& [name, value] : request.headers) message_.set(name, value);
    message_.body() = request.body;
    message_.prepare_payload();
    parser_.body_limit(boost::none);
  }

  Outcome<Head> run(const std::string& path) {
    error_code ec;
    if (path.size() >= 108) return Failure{Exit::usage, "the socket's path is too long: " + path};
    socket_.connect(asio::local::stream_protocol::endpoint(path), ec);
    if (ec) return unreachable(path, ec);
    // A failed write is not the last word: the daemon may have answered (413) before it stopped reading.
    http::async_write(socket_, message_, [](const error_code&, std::size_t) {});
    watch();
    http::async_read_header(socket_, buffer_, parser_, [this](const error_code& e, std::size_t) { on_header(e); });
    loop_.run();
    if (silent_) return Failure{Exit::unreachable, "sanadd did not answer for 60 s", "Is it well? journalctl -u sanadd"};
    if (error_ && !stopped_) {
      if (!parser_.is_header_done())
        return Failure{Exit::unreachable, "sanadd closed the connection without an answer", "Is it well? journalctl -u sanadd"};
      return Failure{Exit::unreachable, "the answer was cut short: " + error_.message(), "Is sanadd well? journalctl -u sanadd"};
    }
    return head_;
  }

 private:
  void watch() {
    timer_.expires_after(kSilence);
    timer_.async_wait([this](const error_code& e) {
      if (e) return;
      silent_ = true;
      close();
    });
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

  void on_header(const error_code& e) {
    if (e) return finish(e);
    head_.status = static_cast<int>(parser_.get().result_int());
    head_.etag = std::string(parser_.get()[http::field::etag]);
    next();
  }

  void next() {
    if (parser_.is_done()) return finish({});
    watch();
    parser_.get().body().data = chunk_.data();
    parser_.get().body().size = chunk_.size();
    http::async_read_some(socket_, buffer_, parser_, [this](const error_code& e, std::size_t) { on_some(e); });
  }

  void on_some(const error_code& e) {
    const std::size_t got = chunk_.size() - parser_.get().body().size;
    if (got != 0 && !on_chunk_(head_, {chunk_.data(), got})) {
      stopped_ = true;
      return finish({});
    }
    if (e && e != http::error::need_buffer) return finish(e);
    next();
  }

  void finish(const error_code& e) {
    error_ = e;
    close();
  }

  const OnChunk& on_chunk_;
  asio::io_context loop_{1};
  asio::local::stream_protocol::socket socket_{loop_};
  asio::steady_timer timer_{loop_};
  http::request<http::string_body> message_;
  http::response_parser<http::buffer_body> parser_;
  beast::flat_buffer buffer_;
  std::array<char, 32 * 1024> chunk_{};
  Head head_;
  error_code error_;
  bool silent_ = false;
  bool stopped_ = false;
};

}  // namespace

std::string with_query(std::string_view path, const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string target(path);
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    target += separator + name + "=";
    separator = '&';
    for (const char c : value) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                         c == '_' || c == '~';
      constexpr char kHex[] = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      target += plain ? std::string(1, c) : std::string("%") + kHex[byte >> 4U] + kHex[byte & 0xFU];
    }
  }
  return target;
}

Outcome<Response> Client::send(const Request& request) const {
  std::string body;
  bool too_long = false;
  const OnChunk collect = [&body, &too_long](const Head&, std::string_view chunk) {
    too_long = body.size() + chunk.size() > kMaxBody;
    if (!too_long) body += chunk;
    return !too_long;
  };
  const auto exchange = std::make_unique<Exchange>(request, collect);
  const auto head = exchange->run(socket_path_);
  if (!head) return head.error();
  if (too_long) return Failure{Exit::failure, "the daemon's answer is longer than 256 MiB"};
  if (head->status >= 400) return failure_of_problem(head->status, body);
  return Response{head->status, head->etag, std::move(body)};
}

Outcome<void> Client::stream(const Request& request, const std::function<bool(std::string_view)>& on_line) const {
  std::string rest;
  bool too_long = false;
  const OnChunk split = [&rest, &too_long, &on_line](const Head& head, std::string_view chunk) {
    const bool problem = head.status >= 400;
    std::size_t searched = rest.size();
    rest += chunk;
    too_long = rest.size() > (problem ? kMaxProblem : kMaxLine + chunk.size());
    if (too_long || problem) return !too_long;
    std::size_t start = 0;
    for (std::size_t end = rest.find('\n', searched); end != std::string::npos; end = rest.find('\n', start)) {
      std::string_view line = std::string_view(rest).substr(start, end - start);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!on_line(line)) return false;
      start = end + 1;
    }
    rest.erase(0, start);
    return true;
  };
  const auto exchange = std::make_unique<Exchange>(request, split);
  const auto head = exchange->run(socket_path_);
  if (!head) return head.error();
  if (head->status >= 400) return failure_of_problem(head->status, rest);
  if (too_long) return Failure{Exit::failure, "a line of the daemon's answer is longer than 16 MiB"};
  if (!rest.empty()) on_line(rest);
  return {};
}

}  // namespace sanad::cli
