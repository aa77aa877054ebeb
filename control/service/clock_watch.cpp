#include "control/service/clock_watch.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "gateway/base/log.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::service {

ClockWatch::ClockWatch(boost::asio::io_context& loop, std::function<void(ClockChange)> changed)
    : timer_(loop), changed_(std::move(changed)) {}

Result<void> ClockWatch::start() {
  UniqueFd fd{::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)};
  if (!fd) return from_errno(errno, "couldn't watch the wall clock");
  timer_.assign(fd.release());
  synchronised_ = read_clock_sync().synchronised;
  if (auto armed = arm(); !armed) return armed.error();
  wait();
  return {};
}

void ClockWatch::stop() {
  boost::system::error_code ignored;
  timer_.close(ignored);
}

// The timer itself is set so far ahead that it never fires: only the cancellation is of interest.
Result<void> ClockWatch::arm() {
  before_ = now();
  constexpr std::int64_t kFarAhead_s = std::int64_t{100} * 365 * 86400;
  itimerspec spec{};
  spec.it_value.tv_sec = before_.wall.ns / 1'000'000'000 + kFarAhead_s;
  if (::timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, nullptr) != 0)
    return from_errno(errno, "couldn't watch the wall clock");
  return {};
}

void ClockWatch::wait() {
  timer_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& ec) {
    if (ec) return;
    std::uint64_t ticks = 0;
    const ssize_t n = ::read(timer_.native_handle(), &ticks, sizeof ticks);
    if (n < 0 && errno == ECANCELED) {
      const Instant after = now();
      const auto step = (after.wall - before_.wall) - (after.boot - before_.boot);
      changed_(ClockChange{true, std::chrono::duration_cast<std::chrono::milliseconds>(step).count(), read_clock_sync()});
      if (auto armed = arm(); !armed) return log::warn("{}", armed.error().message);
    }
    wait();
  });
}

void ClockWatch::look_at_sync() {
  const ClockSync sync = read_clock_sync();
  if (std::exchange(synchronised_, sync.synchronised) != sync.synchronised) changed_(ClockChange{false, 0, sync});
}

}  // namespace sanad::service
