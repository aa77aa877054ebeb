#include "control/api/http_server.hpp"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <unordered_map>
#include <unordered_set>

#include "control/api/problem.hpp"
#include "control/api/session.hpp"
#include "gateway/base/log.hpp"

namespace sanad::api {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr rlim_t kFilesForTheRest = 256;  // databases, backends, tunnels: what the process needs beside connections

// systemd and login shells give 1,024 open files as soft limit and far more as hard one.
std::size_t affordable_connections(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t needed = wanted + kFilesForTheRest;
  if (limit.rlim_cur < needed) {
    rlimit raised = limit;
    raised.rlim_cur = std::min(needed, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur >= needed) return wanted;
  return limit.rlim_cur > 2 * kFilesForTheRest ? limit.rlim_cur - kFilesForTheRest : limit.rlim_cur / 2;
}

Result<uid_t> uid_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return from_errno(errno, "couldn't read SO_PEERCRED");
  return credentials.uid;
}

// Best effort, without waiting: whoever floods us must not cost us a coroutine.
void refuse(Local::socket& socket, std::string why, std::string hint) {
  const Response answer = http_problem(503, why, hint);
  const std::string bytes =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 5\r\nConnection: "
      "close\r\nContent-Length: " +
      std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
  (void)::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  boost::system::error_code ignored;
  socket.close(ignored);
}

}  // namespace

struct HttpServer::State {
  State(asio::io_context& context, Listener listen, Limits given, Application& app)
      : io(context), listener(std::move(listen)), limits(given), application(app), acceptor(io), pause(io) {
    limits.connections = affordable_connections(limits.connections);
    limits.connections_kept_for_root = std::min(limits.connections_kept_for_root, limits.connections / 2);
    // The acceptor closes its descriptor itself.
    acceptor.assign(Local{}, listener.socket.release());
  }

  asio::io_context& io;
  Listener listener;
  Limits limits;
  Application& application;
  Local::acceptor acceptor;
  asio::steady_timer pause;
  HttpCounters counters;
  std::unordered_map<uid_t, std::size_t> by_uid;
  std::unordered_set<std::shared_ptr<Session>> sessions;
  bool stopped = false;

  static asio::awaitable<void> accept(std::shared_ptr<State> self);
  static asio::awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<Session> session);
  void take(std::shared_ptr<State> self, Local::socket socket);
};

asio::awaitable<void> HttpServer::State::accept(std::shared_ptr<State> self) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!self->stopped) {
    Local::socket socket{self->io};
    const auto [error] = co_await self->acceptor.async_accept(socket, token);
    if (self->stopped) co_return;
    if (error) {
      // Out of descriptors or memory: the connection stays in the backlog, so asking again at once would spin.
      log::warn("couldn't accept a connection on the admin socket: {}", error.message());
      self->pause.expires_after(kAcceptPause);
      const auto [ignored] = co_await self->pause.async_wait(token);
      (void)ignored;
      continue;
    }
    self->take(self, std::move(socket));
  }
}

void HttpServer::State::take(std::shared_ptr<State> self, Local::socket socket) {
  const auto uid = uid_of(socket.native_handle());
  if (!uid) return log::warn("dropped a connection on the admin socket: {}", uid.error().message);
  const auto held = [this](uid_t who) {
    const auto it = by_uid.find(who);
    return it == by_uid.end() ? std::size_t{0} : it->second;
  };
  const std::size_t room = *uid == 0 ? limits.connections : limits.connections - limits.connections_kept_for_root;
  if (counters.connections >= room) {
    ++counters.refused_connections;
    return refuse(socket, "the admin socket has " + std::to_string(counters.connections) + " connections, its limit",
                  "Close idle ones, or try again in a few seconds");
  }
  const auto refuse_share = [&](std::size_t share) {
    ++counters.refused_connections;
    refuse(socket,
           "uid " + std::to_string(*uid) + " holds " + std::to_string(share) + " connections to the admin socket, all it may",
           "Close some of them");
  };
  if (*uid != 0 && held(*uid) >= limits.connections_per_uid) return refuse_share(limits.connections_per_uid);
  auto actor = access::read_actor(socket.native_handle());
  if (!actor) return log::warn("dropped a connection on the admin socket: {}", actor.error().message);
  const std::size_t share = application.connections_for(*actor);
  if (*uid != 0 && held(*uid) >= share) return refuse_share(share);

  auto session = std::make_shared<Session>(std::move(socket), std::move(*actor), limits, application, counters);
  sessions.insert(session);
  ++by_uid[*uid];
  ++counters.connections;
  auto serving = serve(std::move(self), std::move(session));
  asio::co_spawn(io, std::move(serving), asio::detached);
}

asio::awaitable<void> HttpServer::State::serve(std::shared_ptr<State> self, std::shared_ptr<Session> session) {
  try {
    auto running = Session::run(session);
    co_await std::move(running);
  } catch (const std::exception& bug) {
    log::error("a connection of uid {} was closed by an internal error: {}", session->actor().uid, bug.what());
  }
  session->close();
  self->sessions.erase(session);
  --self->counters.connections;
  const auto count = self->by_uid.find(session->actor().uid);
  if (count != self->by_uid.end() && --count->second == 0) self->by_uid.erase(count);
}

HttpServer::HttpServer(asio::io_context& io, Listener listener, Limits limits, Application& application)
    : state_(std::make_shared<State>(io, std::move(listener), limits, application)) {}

HttpServer::~HttpServer() {
  stop();
  const auto open = state_->sessions;
  for (const auto& session : open) session->close();
}

void HttpServer::start() { asio::co_spawn(state_->io, State::accept(state_), asio::detached); }

void HttpServer::stop() {
  if (std::exchange(state_->stopped, true)) return;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->pause.cancel();
  unlink_socket(state_->listener);
  state_->listener.lock.reset();
  const auto open = state_->sessions;
  for (const auto& session : open) session->stop();
}

const HttpCounters& HttpServer::counters() const { return state_->counters; }

}  // namespace sanad::api
