#include "control/witness/server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "gateway/base/log.hpp"

namespace sanad::witness {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Parser = http::request_parser<http::string_body>;
using Reply = http::response<http::string_body>;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::size_t kReadAhead = 16 * 1024;
// After a refusal the client may still be sending; closing with its bytes unread would destroy the answer on its way.
constexpr std::size_t kDrainBytes = 4U << 20;
constexpr std::string_view kAddCheckpoint = "/add-checkpoint";
constexpr std::string_view kCheckpoint = "/checkpoint";

Answer plain(unsigned status, const std::string& text) { return {status, "text/plain; charset=utf-8", text + "\n"}; }

}  // namespace

struct Server::State {
  State(asio::io_context& io, Witness& who, ServerLimits given)
      : loop(io), witness(who), limits(given), acceptor(io), pause(io) {}

  // One open connection, as stop() needs it.
  struct Link {
    beast::tcp_stream* stream = nullptr;
    asio::ip::address address;
    bool answering = false;
  };

  asio::io_context& loop;
  Witness& witness;
  ServerLimits limits;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::optional<asio::ssl::context> tls;
  std::set<Link*> links;
  std::map<asio::ip::address, std::size_t> by_address;
  bool stopped = false;

  static asio::awaitable<void> accept(std::shared_ptr<State> self);
  static asio::awaitable<void> serve(std::shared_ptr<State> self, tcp::socket socket);
  static asio::awaitable<void> serve_tls(std::shared_ptr<State> self, beast::tcp_stream& stream, Link& link);
  template <class Stream>
  static asio::awaitable<void> converse(std::shared_ptr<State> self, Stream& stream, Link& link);
  template <class Stream>
  static asio::awaitable<bool> send(std::shared_ptr<State> self, Stream& stream, Reply reply);
  template <class Stream>
  static asio::awaitable<void> drain(std::shared_ptr<State> self, Stream& stream, beast::flat_buffer& buffer);

  bool admits(const tcp::socket& socket) const;
  Answer answer(const http::request<http::string_body>& request);
};

bool Server::State::admits(const tcp::socket& socket) const {
  if (links.size() >= limits.connections) return false;
  boost::system::error_code gone;
  const auto address = socket.remote_endpoint(gone).address();
  if (gone) return false;
  const auto held = by_address.find(address);
  return address.is_loopback() || held == by_address.end() || held->second < limits.connections_per_address;
}

asio::awaitable<void> Server::State::accept(std::shared_ptr<State> self) {
  while (!self->stopped) {
    tcp::socket socket{self->loop};
    const auto [error] = co_await self->acceptor.async_accept(socket, kToken);
    if (self->stopped) co_return;
    if (error) {
      // Out of descriptors: the connection stays in the backlog, so asking again at once would spin.
      self->pause.expires_after(kAcceptPause);
      const auto [ignored] = co_await self->pause.async_wait(kToken);
      (void)ignored;
      continue;
    }
    if (!self->admits(socket)) continue;
    auto serving = serve(self, std::move(socket));
    asio::co_spawn(self->loop, std::move(serving), asio::detached);
  }
}

asio::awaitable<void> Server::State::serve(std::shared_ptr<State> self, tcp::socket socket) {
  boost::system::error_code ignored;
  Link link{nullptr, socket.remote_endpoint(ignored).address()};
  beast::tcp_stream stream(std::move(socket));
  link.stream = &stream;
  self->links.insert(&link);
  ++self->by_address[link.address];
  try {
    if (self->tls) {
      auto serving = serve_tls(self, stream, link);
      co_await std::move(serving);
    } else {
      auto talking = converse(self, stream, link);
      co_await std::move(talking);
    }
  } catch (const std::exception& bug) {
    log::error("a connection was closed by an internal error: {}", bug.what());
  }
  self->links.erase(&link);
  if (--self->by_address[link.address] == 0) self->by_address.erase(link.address);
}

asio::awaitable<void> Server::State::serve_tls(std::shared_ptr<State> self, beast::tcp_stream& stream, Link& link) {
  TlsStream secured(std::move(stream), *self->tls);
  link.stream = &secured.next_layer();
  link.stream->expires_after(self->limits.request_timeout);
  const auto [error] = co_await secured.async_handshake(asio::ssl::stream_base::server, kToken);
  if (!error) {
    auto talking = converse(self, secured, link);
    co_await std::move(talking);
    link.stream->expires_after(self->limits.request_timeout);
    const auto [ignored] = co_await secured.async_shutdown(kToken);
    (void)ignored;
  }
  link.stream = &stream;
}

template <class Stream>
asio::awaitable<void> Server::State::converse(std::shared_ptr<State> self, Stream& stream, Link& link) {
  beast::flat_buffer buffer(self->limits.header_bytes + self->limits.body_bytes + kReadAhead);
  auto patience = self->limits.request_timeout;
  while (!self->stopped) {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(self->limits.header_bytes));
    parser.body_limit(self->limits.body_bytes);
    beast::get_lowest_layer(stream).expires_after(patience);
    const auto [head_error, head_size] = co_await http::async_read_header(stream, buffer, parser, kToken);
    (void)head_size;
    if (head_error == http::error::end_of_stream || head_error == beast::error::timeout || self->stopped) co_return;
    link.answering = true;
    beast::get_lowest_layer(stream).expires_after(self->limits.request_timeout);
    auto broken = head_error;
    if (!broken) {
      const auto [body_error, body_size] = co_await http::async_read(stream, buffer, parser, kToken);
      (void)body_size;
      broken = body_error;
    }
    if (broken == beast::error::timeout || broken == http::error::partial_message || broken == asio::error::eof ||
        broken == asio::error::connection_reset || broken == asio::error::operation_aborted) {
      co_return;
    }
    const bool too_large = broken == http::error::body_limit;
    const Answer given = too_large ? plain(413, "a request has at most " + std::to_string(self->limits.body_bytes) + " bytes")
                         : broken  ? plain(400, "not an HTTP request: " + broken.message())
                                   : self->answer(parser.get());
    Reply reply{static_cast<http::status>(given.status), 11, given.body};
    reply.set(http::field::content_type, given.content_type);
    if (given.status == 405) reply.set(http::field::allow, parser.get().target() == kAddCheckpoint ? "POST" : "GET, HEAD");
    reply.keep_alive(!broken && parser.get().keep_alive() && !self->stopped);
    reply.prepare_payload();
    if (!broken && parser.get().method() == http::verb::head) reply.body().clear();
    const bool keep = reply.keep_alive();
    auto sending = send(self, stream, std::move(reply));
    const bool sent = co_await std::move(sending);
    link.answering = false;
    if (sent && broken) {
      auto draining = drain(self, stream, buffer);
      co_await std::move(draining);
    }
    if (!sent || !keep) co_return;
    patience = self->limits.idle_timeout;
  }
}

template <class Stream>
asio::awaitable<bool> Server::State::send(std::shared_ptr<State> self, Stream& stream, Reply reply) {
  beast::get_lowest_layer(stream).expires_after(self->limits.request_timeout);
  const auto [error, size] = co_await http::async_write(stream, reply, kToken);
  (void)size;
  co_return !error;
}

template <class Stream>
asio::awaitable<void> Server::State::drain(std::shared_ptr<State> self, Stream& stream, beast::flat_buffer& buffer) {
  boost::system::error_code ignored;
  beast::get_lowest_layer(stream).socket().shutdown(tcp::socket::shutdown_send, ignored);
  beast::get_lowest_layer(stream).expires_after(self->limits.request_timeout);
  for (std::size_t drained = 0; drained < kDrainBytes && !self->stopped;) {
    buffer.clear();
    const auto room = buffer.prepare(kReadAhead);
    const auto [error, size] = co_await stream.async_read_some(room, kToken);
    if (error) co_return;
    drained += size;
  }
}

Answer Server::State::answer(const http::request<http::string_body>& request) {
  const std::string_view target(request.target().data(), request.target().size());
  if (target == kAddCheckpoint) {
    if (request.method() != http::verb::post) return plain(405, "add-checkpoint is a POST");
    return witness.add_checkpoint(request.body(), now().wall);
  }
  if (target.starts_with('/') && target.ends_with(kCheckpoint) && target.size() > kCheckpoint.size() + 1) {
    if (request.method() != http::verb::get && request.method() != http::verb::head)
      return plain(405, "a checkpoint is read with GET");
    return witness.checkpoint(target.substr(1, target.size() - 1 - kCheckpoint.size()));
  }
  return plain(404, "this is a witness: POST /add-checkpoint, GET /<SHA-256 of an origin>/checkpoint");
}

Result<std::unique_ptr<Server>> Server::open(asio::io_context& loop, const tcp::endpoint& endpoint,
                                             const std::optional<TlsFiles>& tls, Witness& witness, ServerLimits limits) {
  auto state = std::make_shared<State>(loop, witness, limits);
  boost::system::error_code error;
  if (tls) {
    auto& context = state->tls.emplace(asio::ssl::context::tls_server);
    context.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
    context.use_certificate_chain_file(tls->certificate.string(), error);
    if (error) return Error{Errc::invalid_argument, "couldn't use " + tls->certificate.string() + ": " + error.message()};
    context.use_private_key_file(tls->private_key.string(), asio::ssl::context::pem, error);
    if (error) return Error{Errc::invalid_argument, "couldn't use " + tls->private_key.string() + ": " + error.message()};
  }
  const auto failed = [&endpoint](const boost::system::error_code& ec) {
    return Error{Errc::io, "couldn't listen on " + endpoint.address().to_string() + " port " + std::to_string(endpoint.port()) +
                               ": " + ec.message()};
  };
  auto& acceptor = state->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed(error);
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor.bind(endpoint, error);
  if (error) return failed(error);
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error);
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::~Server() { stop(); }

void Server::start() {
  auto accepting = State::accept(state_);
  asio::co_spawn(state_->loop, std::move(accepting), asio::detached);
}

void Server::stop() {
  if (std::exchange(state_->stopped, true)) return;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->pause.cancel();
  for (State::Link* link : state_->links) {
    if (!link->answering) link->stream->close();
  }
}

std::uint16_t Server::port() const {
  boost::system::error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

}  // namespace sanad::witness
