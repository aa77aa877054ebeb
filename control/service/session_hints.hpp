#pragma once
// Hints of the kernel that sessions begin, from the program that tells them to the interfaces. Loop thread; what blocks is done
// on the device worker. Without it, or when it fails, polls see everything a little later.

#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "config/config.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/hints/handshakes.hpp"

namespace sanad::service {

class SessionHints {
 public:
  using Told = std::function<void(const hints::Drained&)>;
  SessionHints(boost::asio::io_context& loop, Worker& device, config::SessionEvents wanted, Told told);
  SessionHints(const SessionHints&) = delete;
  SessionHints& operator=(const SessionHints&) = delete;

  // The kernel's WireGuard carries an interface: from now on there is something to hear. Again: tries again what was refused.
  void backend_is_kernel();
  void stop();
  [[nodiscard]] const SessionEventsStatus& status() const { return status_; }

 private:
  void on_opened(Result<hints::Handshakes> opened);
  void wait();

  boost::asio::io_context& loop_;
  Worker& device_;
  config::SessionEvents wanted_;
  Told told_;
  bool opening_ = false;
  bool stopped_ = false;
  std::optional<hints::Handshakes> handshakes_;
  boost::asio::posix::stream_descriptor readable_;
  SessionEventsStatus status_;
};

}  // namespace sanad::service
