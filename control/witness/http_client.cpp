#include "control/witness/http_client.hpp"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>
#include <utility>

namespace sanad::witness {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kHeaderBytes = 8 * 1024;

// What one exchange shares between its coroutine and its timer.
struct Exchange {
  Exchange(asio::io_context& loop, HttpUrl to, PostLimits given, std::shared_ptr<asio::ssl::context> context)
      : url(std::move(to)), limits(given), tls(std::move(context)), timer(loop), resolver(loop), plain(loop) {}

  HttpUrl url;
  PostLimits limits;
  std::shared_ptr<asio::ssl::context> tls;
  asio::steady_timer timer;
  tcp::resolver resolver;
  beast::tcp_stream plain;
  std::optional<beast::ssl_stream<beast::tcp_stream&>> secured{};
  http::request<http::string_body> request{};
  std::function<void(Result<HttpAnswer>)> done{};

  void finish(Result<HttpAnswer> result) {
    if (!done) return;
    timer.cancel();
    plain.close();
    const auto call = std::exchange(done, nullptr);
    call(std::move(result));
  }
  void fail(Errc code, const char* what, const error_code& ec) { finish(Error{code, std::string(what) + ": " + ec.message()}); }
};

template <class Stream>
asio::awaitable<void> converse(std::shared_ptr<Exchange> self, Stream& stream) {
  const auto [write_error, written] = co_await http::async_write(stream, self->request, kToken);
  (void)written;
  // A server that has refused the request before its end may have said why.
  if (write_error && write_error != asio::error::broken_pipe && write_error != asio::error::connection_reset)
    co_return self->fail(Errc::unavailable, "couldn't send the request", write_error);
  http::response_parser<http::string_body> parser;
  parser.header_limit(kHeaderBytes);
  parser.body_limit(self->limits.answer_bytes);
  beast::flat_buffer buffer(kHeaderBytes + self->limits.answer_bytes);
  const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kToken);
  (void)read;
  if (read_error) {
    const bool broken = read_error.category() == make_error_code(http::error::bad_version).category() &&
                        read_error != http::error::end_of_stream && read_error != http::error::partial_message;
    co_return self->fail(broken ? Errc::corrupt : Errc::unavailable, "couldn't read the answer", read_error);
  }
  auto& answer = parser.get();
  HttpAnswer given{answer.result_int(), std::string(answer[http::field::content_type]), std::move(answer.body())};
  self->finish(std::move(given));
}

asio::awaitable<void> run(std::shared_ptr<Exchange> self) {
  error_code not_an_address;
  const auto address = asio::ip::make_address(self->url.host, not_an_address);
  if (not_an_address) {
    const std::string service = std::to_string(self->url.port);
    const auto [error, found] = co_await self->resolver.async_resolve(self->url.host, service, kToken);
    if (error) co_return self->fail(Errc::unavailable, "couldn't look up the host", error);
    if (!self->done) co_return;
    const auto [connect_error, endpoint] = co_await self->plain.async_connect(found, kToken);
    (void)endpoint;
    if (connect_error) co_return self->fail(Errc::unavailable, "couldn't connect", connect_error);
  } else {
    const tcp::endpoint endpoint(address, self->url.port);
    const auto [error] = co_await self->plain.async_connect(endpoint, kToken);
    if (error) co_return self->fail(Errc::unavailable, "couldn't connect", error);
  }
  if (!self->done) co_return;
  if (self->tls == nullptr) {
    auto talking = converse(self, self->plain);
    co_await std::move(talking);
    co_return;
  }
  auto& stream = self->secured.emplace(self->plain, *self->tls);
  // RFC 6066 section 3: a name, never an address.
  if (not_an_address) ::SSL_set_tlsext_host_name(stream.native_handle(), self->url.host.c_str());
  stream.set_verify_callback(asio::ssl::host_name_verification(self->url.host));
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, kToken);
  if (error) co_return self->fail(Errc::permission_denied, "TLS failed", error);
  auto talking = converse(self, stream);
  co_await std::move(talking);
}

std::shared_ptr<asio::ssl::context> make_context() {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
  context->set_default_verify_paths();
  context->set_verify_mode(asio::ssl::verify_peer);
  return context;
}

}  // namespace

void HttpClient::post(const HttpUrl& url, std::string body, std::function<void(Result<HttpAnswer>)> done) {
  if (url.tls && tls_ == nullptr) tls_ = make_context();
  auto exchange =
      std::make_shared<Exchange>(loop_, url, limits_, url.tls ? std::static_pointer_cast<asio::ssl::context>(tls_) : nullptr);
  exchange->done = std::move(done);
  auto& request = exchange->request;
  request.method(http::verb::post);
  request.version(11);
  request.target(url.path.empty() ? "/" : url.path);
  request.set(http::field::host, host_field(url));
  request.set(http::field::user_agent, "sanad/" SANAD_VERSION);
  request.set(http::field::content_type, "text/plain; charset=utf-8");
  request.keep_alive(false);
  request.body() = std::move(body);
  request.prepare_payload();
  exchange->timer.expires_after(limits_.timeout);
  exchange->timer.async_wait([weak = std::weak_ptr(exchange)](const error_code& ec) {
    const auto self = weak.lock();
    if (ec || self == nullptr) return;
    self->resolver.cancel();
    self->finish(Error{Errc::timeout, "no answer within " + std::to_string(self->limits.timeout.count() / 1000) + " s"});
  });
  auto running = run(std::move(exchange));
  asio::co_spawn(loop_, std::move(running), asio::detached);
}

}  // namespace sanad::witness
