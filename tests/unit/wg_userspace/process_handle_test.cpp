#include "gateway/wg/userspace/process_handle.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sanad::wg {
namespace {

pid_t start_sleeper() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  return child;
}

TEST(ProcessHandle, DeathIsSeenBeforeAnybodyCollectsTheStatus) {
  const pid_t child = start_sleeper();
  ASSERT_GT(child, 0);
  const auto handle = read_process(child).value();
  EXPECT_EQ(handle.pid, child);
  EXPECT_GE(handle.start_ticks, read_process(::getpid()).value().start_ticks);
  const auto pidfd = open_pidfd(handle).value();
  pollfd entry{pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
  EXPECT_EQ(read_process(child).error().code, Errc::not_found);  // a zombie
  EXPECT_EQ(open_pidfd(handle).error().code, Errc::not_found);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(read_process(child).error().code, Errc::not_found);
}

TEST(ProcessHandle, ALaterProcessWithTheSameNumberIsAnotherOne) {
  auto handle = read_process(::getpid()).value();
  handle.start_ticks -= 1;
  EXPECT_EQ(open_pidfd(handle).error().code, Errc::not_found);
}

}  // namespace
}  // namespace sanad::wg
