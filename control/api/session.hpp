#pragma once
// One connection: read a request, have it answered, write the answer, until one side has had enough.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "control/api/http_server.hpp"
#include "control/api/message.hpp"

namespace sanad::api {

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  Session(Socket socket, access::Actor actor, const Limits& limits, Application& application, HttpCounters& counters);

  // Runs until the connection is over. The session must be kept alive (held by `self`) that long.
  static boost::asio::awaitable<void> run(std::shared_ptr<Session> self);
  // See HttpServer::stop().
  void stop();
  void close();

  [[nodiscard]] const access::Actor& actor() const { return actor_; }

 private:
  struct Io;  // the parts that need Beast
  enum class After { keep, close, drain };
  enum class Phase { idle, busy, streaming };

  static boost::asio::awaitable<bool> serve_one(std::shared_ptr<Session> self);
  static boost::asio::awaitable<After> write(std::shared_ptr<Session> self, Response response, unsigned version, bool keep_alive);
  static boost::asio::awaitable<bool> write_bytes(std::shared_ptr<Session> self, std::string bytes);
  static boost::asio::awaitable<After> write_and_drain(std::shared_ptr<Session> self, Response response, unsigned version);
  static boost::asio::awaitable<void> drain(std::shared_ptr<Session> self);
  void set_deadline(std::chrono::milliseconds after);
  void clear_deadline();

  Socket socket_;
  boost::asio::steady_timer deadline_;
  std::uint64_t deadline_number_ = 0;  // an expiry that was already queued when the deadline moved is told apart by this
  bool timed_out_ = false;
  bool stopping_ = false;
  Phase phase_ = Phase::idle;
  std::function<void(BodySource::Part)> abandon_;  // set while the next part of a stream is awaited: ends the waiting
  access::Actor actor_;
  const Limits& limits_;
  Application& application_;
  HttpCounters& counters_;
  std::shared_ptr<Io> io_;  // shared_ptr: deletes an incomplete type
};

}  // namespace sanad::api
