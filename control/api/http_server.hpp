#pragma once
// HTTP/1.1 on a listening Unix socket: connections, limits, requests in, answers out. Knows nothing of routes.
// One thread: the io_context's.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>

#include "control/api/listener.hpp"
#include "control/api/message.hpp"

namespace sanad::api {

struct Limits {
  std::size_t connections = 1024;              // beyond: 503 and close
  std::size_t connections_kept_for_root = 16;  // of these
  // No uid but 0 gets more, whatever the application says; asked first, because that costs a look into the user database.
  std::size_t connections_per_uid = 64;
  std::size_t header_bytes = 16 * 1024;
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a request to the end of its header
  // For the whole body; and one second more for each MiB that the application admits.
  std::chrono::milliseconds body_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};   // without a first byte
  std::chrono::milliseconds write_timeout{30'000};  // for an answer, or for one part of a streamed one
};

struct HttpCounters {
  std::map<unsigned, std::uint64_t> answers;  // by status
  std::size_t connections = 0;                // open now
  std::uint64_t refused_connections = 0;      // over a limit
};

class HttpServer {
 public:
  // `application` must outlive the io_context's last handler. Raises the soft limit on open files to what
  // limits.connections needs, as far as the hard limit allows; serves fewer connections when it does not.
  HttpServer(boost::asio::io_context& io, Listener listener, Limits limits, Application& application);
  ~HttpServer();  // closes everything at once
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  // No new connections or requests; idle connections and endless answers (event streams) are closed, a request that is being
  // answered gets its answer. Done when counters().connections is 0.
  void stop();
  [[nodiscard]] const HttpCounters& counters() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the coroutines of the connections
};

}  // namespace sanad::api
