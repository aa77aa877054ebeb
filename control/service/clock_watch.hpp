#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

struct ClockChange {
  bool stepped = false;      // the wall clock was set; else: synchronisation came or went
  std::int64_t step_ms = 0;  // how far it jumped, positive = forward
  ClockSync sync;
};

// Tells when somebody sets the wall clock: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET. It opens and closes no session; it is
// recorded because every time in the evidence is read by that clock. Loop thread.
class ClockWatch {
 public:
  ClockWatch(boost::asio::io_context& loop, std::function<void(ClockChange)> changed);
  Result<void> start();
  void stop();
  // Once a minute, by the owner: whether NTP lost or found its time since the last look.
  void look_at_sync();

 private:
  Result<void> arm();
  void wait();

  boost::asio::posix::stream_descriptor timer_;
  std::function<void(ClockChange)> changed_;
  Instant before_;
  bool synchronised_ = false;
};

}  // namespace sanad::service
