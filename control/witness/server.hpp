#pragma once
// A witness on a TCP port: HTTP/1.1, with TLS when a certificate is given. Serves strangers: every size, time and number is
// bounded.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "control/audit/add_checkpoint.hpp"
#include "control/witness/witness.hpp"
#include "gateway/base/result.hpp"

namespace sanad::witness {

struct ServerLimits {
  std::size_t connections = 256;             // beyond: closed at once
  std::size_t connections_per_address = 16;  // of these; loopback, where a proxy sits, is exempt
  std::size_t header_bytes = 8 * 1024;
  std::size_t body_bytes = audit::kMaxAddCheckpointBytes;
  std::chrono::milliseconds request_timeout{10'000};  // for a handshake, a whole request, or an answer
  std::chrono::milliseconds idle_timeout{60'000};     // between two requests of one connection
};

struct TlsFiles {
  std::filesystem::path certificate;  // PEM, the server's own first
  std::filesystem::path private_key;  // PEM
};

class Server final {
 public:
  // Binds and listens. `witness` outlives it. Errors: invalid_argument (the TLS files), io (the address is in use, ...).
  static Result<std::unique_ptr<Server>> open(boost::asio::io_context& loop, const boost::asio::ip::tcp::endpoint& endpoint,
                                              const std::optional<TlsFiles>& tls, Witness& witness, ServerLimits limits = {});
  ~Server();  // as stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();
  // No new connections; idle ones are closed, an answer under way is finished. The loop then runs out of work.
  void stop();
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct State;
  explicit Server(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // shared with the coroutines of the connections
};

}  // namespace sanad::witness
