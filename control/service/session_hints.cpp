#include "control/service/session_hints.hpp"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "gateway/base/log.hpp"

namespace sanad::service {

using State = SessionEventsStatus::State;

SessionHints::SessionHints(boost::asio::io_context& loop, Worker& device, config::SessionEvents wanted, Told told)
    : loop_(loop), device_(device), wanted_(wanted), told_(std::move(told)), readable_(loop) {
  status_.state = wanted == config::SessionEvents::off ? State::off : State::userspace;
}

void SessionHints::backend_is_kernel() {
  if (wanted_ == config::SessionEvents::off || handshakes_ || stopped_ || std::exchange(opening_, true)) return;
  // Shared: std::function wants it copyable. By reference to the loop alone: this may be gone when the worker is done.
  device_.post([this, &loop = loop_] {
    auto opened = std::make_shared<Result<hints::Handshakes>>(hints::Handshakes::open());
    boost::asio::post(loop, [this, opened] { on_opened(std::move(*opened)); });
  });
}

void SessionHints::on_opened(Result<hints::Handshakes> opened) {
  opening_ = false;
  if (stopped_) return;
  if (!opened) {
    const Error& why = opened.error();
    if (status_.problem != why.message) log::info("sessions are seen at polls, not as they begin: {}", why.message);
    status_ = {.state = State::refused, .hook = {}, .problem = why.message, .hint = why.hint};
    return;
  }
  const int copy = ::dup(opened->fd());
  if (copy < 0) return;
  handshakes_.emplace(std::move(*opened));
  readable_.assign(copy);
  status_ = {.state = State::followed, .hook = std::string(hints::to_string(handshakes_->hook())), .problem = {}, .hint = {}};
  log::info("sessions are seen as they begin ({})", status_.hook);
  wait();
}

void SessionHints::wait() {
  readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& ec) {
    if (ec) return;
    told_(handshakes_->drain());
    wait();
  });
}

void SessionHints::stop() {
  stopped_ = true;
  boost::system::error_code ignored;
  readable_.close(ignored);
  handshakes_.reset();
}

}  // namespace sanad::service
