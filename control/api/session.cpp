#include "control/api/session.hpp"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <exception>

#include "control/api/bridge.hpp"
#include "control/api/problem.hpp"
#include "gateway/base/log.hpp"

namespace sanad::api {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

namespace {

constexpr std::size_t kReadAhead = 64 * 1024;
constexpr std::size_t kMiB = 1024 * 1024;
// After a refusal the client may still be sending. Closing with its bytes unread would destroy the answer on its way
// (the kernel resets the connection), so this much is read and thrown away first.
constexpr std::size_t kDrainBytes = 256 * kMiB;
constexpr std::chrono::milliseconds kDrainTime{10'000};

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

RequestHead head_of(const Parser& parser) {
  RequestHead head;
  const auto& message = parser.get();
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  for (const auto& field : message) head.fields.emplace_back(lower(field.name_string()), std::string(field.value()));
  head.chunked = message.chunked();
  if (const auto length = parser.content_length()) head.content_length = *length;
  return head;
}

// What no browser page, proxy or confused client should reach. Unset: fine.
std::optional<Response> objection(const RequestHead& head, unsigned version) {
  std::size_t hosts = 0;
  for (const auto& [name, value] : head.fields) {
    if (name == "origin") {
      Error error{Errc::permission_denied, "requests of web pages (Origin: ...) are not answered", "Origin",
                  "Use curl --unix-socket or sanad"};
      return problem(error);
    }
    if (name == "host") ++hosts;
  }
  if (hosts > 1 || (hosts == 0 && version >= 11))
    return http_problem(400, "a request needs exactly one Host field", "Host: sanad");
  if (const std::string host = lower(head.field("host")); hosts == 1 && host != "sanad" && host != "localhost") {
    return http_problem(421, "the host is not \"sanad\" or \"localhost\"",
                        "curl --unix-socket /run/sanad/admin.sock http://sanad/v1/status");
  }
  if (const std::string expect = lower(head.field("expect")); !expect.empty() && expect != "100-continue") {
    return http_problem(400, "only Expect: 100-continue is understood");
  }
  return std::nullopt;
}

bool is_harmless(const boost::system::error_code& error) {
  return error == http::error::end_of_stream || error == asio::error::eof || error == asio::error::connection_reset ||
         error == asio::error::broken_pipe || error == asio::error::operation_aborted || error == http::error::partial_message;
}

std::string start_of(const Response& response, bool chunked, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out.append(http::obsolete_reason(http::int_to_status(response.status)));
  out.append("\r\nServer: sanadd\r\nCache-Control: no-store\r\n");
  if (!response.content_type.empty()) out.append("Content-Type: ").append(response.content_type).append("\r\n");
  for (const auto& [name, value] : response.fields) out.append(name).append(": ").append(value).append("\r\n");
  if (!response.stream) {
    out.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  } else if (chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  out.append(keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  return out;
}

std::string chunk_of(const std::string& part) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string size;
  for (std::size_t rest = part.size(); rest > 0; rest /= 16) size.insert(size.begin(), kDigits[rest % 16]);
  return size + "\r\n" + part + "\r\n";
}

}  // namespace

struct Session::Io {
  boost::beast::flat_buffer buffer{kReadAhead};
};

Session::Session(Socket socket, access::Actor actor, const Limits& limits, Application& application, HttpCounters& counters)
    : socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      actor_(std::move(actor)),
      limits_(limits),
      application_(application),
      counters_(counters),
      io_(std::make_shared<Io>()) {}

void Session::set_deadline(std::chrono::milliseconds after) {
  timed_out_ = false;
  const std::uint64_t number = ++deadline_number_;
  deadline_.expires_after(after);
  // Weak: an expiry may be queued already when the session ends.
  deadline_.async_wait([weak = weak_from_this(), number](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || number != self->deadline_number_) return;
    self->timed_out_ = true;
    boost::system::error_code ignored;
    self->socket_.cancel(ignored);
  });
}

void Session::clear_deadline() {
  ++deadline_number_;
  deadline_.cancel();
}

void Session::stop() {
  stopping_ = true;
  if (phase_ != Phase::busy) close();
}

void Session::close() {
  stopping_ = true;
  clear_deadline();
  if (auto abandon = std::exchange(abandon_, nullptr)) abandon(BodySource::Part(std::nullopt));
  boost::system::error_code ignored;
  socket_.close(ignored);
}

asio::awaitable<void> Session::run(std::shared_ptr<Session> self) {
  while (!self->stopping_ && self->socket_.is_open()) {
    auto serving = serve_one(self);
    if (!co_await std::move(serving)) break;
  }
  self->clear_deadline();
}

asio::awaitable<bool> Session::serve_one(std::shared_ptr<Session> self) {
  auto& buffer = self->io_->buffer;
  self->phase_ = Phase::idle;
  if (buffer.size() == 0) {
    buffer.shrink_to_fit();  // an idle connection holds no buffer
    self->set_deadline(self->limits_.idle_timeout);
    const auto [error] = co_await self->socket_.async_wait(Socket::wait_read, kToken);
    if (error) co_return false;
  }

  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(self->limits_.header_bytes));
  parser.body_limit(boost::none);
  self->set_deadline(self->limits_.header_timeout);
  const auto [header_error, header_size] = co_await http::async_read_header(self->socket_, buffer, parser, kToken);
  (void)header_size;
  self->clear_deadline();
  if (header_error) {
    Response answer;
    if (self->timed_out_) {
      answer = http_problem(408, "the header of the request did not arrive in time");
    } else if (header_error == http::error::header_limit || header_error == http::error::buffer_overflow) {
      answer = http_problem(431, "the header of the request is over " + std::to_string(self->limits_.header_bytes) + " bytes");
    } else if (is_harmless(header_error)) {
      co_return false;
    } else {
      answer = http_problem(400, "the request is not HTTP/1.1: " + header_error.message());
    }
    auto writing = write_and_drain(self, std::move(answer), 11);
    co_await std::move(writing);
    co_return false;
  }

  self->phase_ = Phase::busy;
  const unsigned version = parser.get().version();
  const bool keep_alive = parser.keep_alive();
  const bool wants_body = parser.get().method() != http::verb::head;
  RequestHead head = head_of(parser);
  std::optional<Response> refusal = objection(head, version);
  std::size_t body_limit = 0;
  if (!refusal) {
    auto admitted = self->application_.admit(self->actor_, head);
    if (auto* answer = std::get_if<Response>(&admitted)) {
      refusal = std::move(*answer);
    } else {
      body_limit = std::get<std::size_t>(admitted);
    }
  }
  const auto too_large = [body_limit] {
    return http_problem(413, "the body is over the limit of " + std::to_string(body_limit) + " bytes for this path");
  };
  if (!refusal && head.content_length.value_or(0) > body_limit) refusal = too_large();
  if (refusal) {
    if (!wants_body) refusal->body.clear();  // RFC 9110 section 9.3.2: the next bytes would be taken for the next answer
    // Without a body the connection is in step and can go on.
    const bool in_step = !head.has_body();
    auto writing =
        in_step ? write(self, std::move(*refusal), version, keep_alive) : write_and_drain(self, std::move(*refusal), version);
    const After after = co_await std::move(writing);
    co_return after == After::keep;
  }

  if (head.has_body()) {
    if (version >= 11 && !head.field("expect").empty()) {
      std::string go_ahead = "HTTP/1.1 100 Continue\r\n\r\n";
      auto writing = write_bytes(self, std::move(go_ahead));
      if (!co_await std::move(writing)) co_return false;
    }
    // Zero would mean no limit to a chunked body that the application wants empty.
    parser.body_limit(static_cast<std::uint64_t>(body_limit));
    self->set_deadline(self->limits_.body_timeout + std::chrono::seconds{body_limit / kMiB});
    const auto [body_error, body_size] = co_await http::async_read(self->socket_, buffer, parser, kToken);
    (void)body_size;
    self->clear_deadline();
    if (body_error) {
      Response answer;
      if (self->timed_out_) {
        answer = http_problem(408, "the body of the request did not arrive in time");
      } else if (body_error == http::error::body_limit) {
        answer = too_large();
      } else if (is_harmless(body_error)) {
        co_return false;  // half a request: nothing was done
      } else {
        answer = http_problem(400, "the body of the request is not well formed: " + body_error.message());
      }
      auto writing = write_and_drain(self, std::move(answer), 11);
      co_await std::move(writing);
      co_return false;
    }
  }

  std::function<void(Reply)> ask =
      [self, request = std::make_shared<Request>(Request{std::move(head), std::move(parser.get().body())})](Reply reply) {
        try {
          self->application_.handle(self->actor_, std::move(*request), reply);
        } catch (const std::exception& bug) {
          log::error("a request of uid {} failed: {}", self->actor_.uid, bug.what());
          Error error{Errc::internal, "the request hit an internal error; it is in the daemon's log"};
          reply(problem(error));
        }
      };
  auto answering = await_callback<Response>(std::move(ask));
  Response response = co_await std::move(answering);
  auto writing = write(self, std::move(response), version, keep_alive && !self->stopping_);
  const After after = co_await std::move(writing);
  co_return after == After::keep && !self->stopping_;
}

asio::awaitable<bool> Session::write_bytes(std::shared_ptr<Session> self, std::string bytes) {
  self->set_deadline(self->limits_.write_timeout);
  const auto buffer = asio::buffer(bytes);
  const auto [error, size] = co_await asio::async_write(self->socket_, buffer, kToken);
  (void)size;
  self->clear_deadline();
  co_return !error;
}

asio::awaitable<Session::After> Session::write(std::shared_ptr<Session> self, Response response, unsigned version,
                                               bool keep_alive) {
  ++self->counters_.answers[response.status];
  const bool chunked = version >= 11;
  if (response.stream && !chunked) keep_alive = false;  // HTTP/1.0: the end of the connection is the end of the body
  std::string start = start_of(response, chunked, keep_alive);
  if (!response.stream) {
    start.append(response.body);
    auto writing = write_bytes(self, std::move(start));
    const bool written = co_await std::move(writing);
    co_return written&& keep_alive ? After::keep : After::close;
  }

  self->phase_ = Phase::streaming;
  auto writing_start = write_bytes(self, std::move(start));
  if (!co_await std::move(writing_start)) co_return After::close;
  while (!self->stopping_) {
    std::function<void(std::function<void(BodySource::Part)>)> ask =
        [self, source = response.stream.get()](std::function<void(BodySource::Part)> done) {
          self->abandon_ = done;
          source->next(std::move(done));
        };
    auto making = await_callback<BodySource::Part>(std::move(ask));
    BodySource::Part part = co_await std::move(making);
    self->abandon_ = nullptr;
    if (self->stopping_) break;
    if (!part) {
      log::warn("a streamed answer to uid {} was cut short: {}", self->actor_.uid, part.error().message);
      co_return After::close;
    }
    std::string bytes = !*part ? std::string(chunked ? "0\r\n\r\n" : "") : chunked ? chunk_of(**part) : std::move(**part);
    auto writing = write_bytes(self, std::move(bytes));
    if (!co_await std::move(writing)) co_return After::close;
    if (!*part) co_return keep_alive ? After::keep : After::close;
  }
  co_return After::close;
}

asio::awaitable<Session::After> Session::write_and_drain(std::shared_ptr<Session> self, Response response, unsigned version) {
  auto writing = write(self, std::move(response), version, false);
  const After after = co_await std::move(writing);
  auto draining = drain(self);
  co_await std::move(draining);
  co_return after;
}

asio::awaitable<void> Session::drain(std::shared_ptr<Session> self) {
  boost::system::error_code ignored;
  self->socket_.shutdown(Socket::shutdown_send, ignored);
  self->phase_ = Phase::idle;
  self->set_deadline(kDrainTime);
  auto& buffer = self->io_->buffer;
  for (std::size_t drained = 0; drained < kDrainBytes && !self->stopping_;) {
    buffer.clear();
    const auto space = buffer.prepare(kReadAhead);
    const auto [error, size] = co_await self->socket_.async_read_some(space, kToken);
    if (error) break;
    drained += size;
  }
  self->clear_deadline();
}

}  // namespace sanad::api
