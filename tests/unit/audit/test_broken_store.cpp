// What follows from a failed fsync: a file is written anew; after a directory's nothing is published until a restart, though the
// kernel says yes the next time. fsync() is ours in this program.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "tests/unit/audit/log_fixture.hpp"

namespace {

enum class Kind { none, file, directory };
std::atomic<Kind> g_fail = Kind::none;
std::atomic<int> g_passes = 0;  // calls of that kind that succeed before the one that fails

}  // namespace

extern "C" int fsync(int fd) {
  struct stat st {};
  if (g_fail != Kind::none && ::fstat(fd, &st) == 0) {
    const Kind kind = S_ISDIR(st.st_mode) ? Kind::directory : Kind::file;
    if (kind == g_fail && g_passes-- == 0) {
      g_fail = Kind::none;
      errno = EIO;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace sanad::audit {
namespace {

// Publishes records over a bundle's end with the given call failing; false when there was no such call.
bool publish_failing(TestLog& log, Kind kind, int passes) {
  log.outbox.add(250);
  EXPECT_TRUE(log.publish());
  log.outbox.add(20);
  g_passes = passes;
  g_fail = kind;
  const auto published = log.publish();
  const bool failed = g_fail.exchange(Kind::none) == Kind::none;
  EXPECT_EQ(published.has_value(), !failed);
  return failed;
}

TEST(BrokenStore, AFileIsWrittenAnew) {
  int failures = 0;
  for (int passes = 0;; ++passes, ++failures) {
    TestLog log;
    if (!publish_failing(log, Kind::file, passes)) break;
    EXPECT_FALSE(log.publisher->broken());
    const auto again = log.publish();
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_NO_FATAL_FAILURE(log.check(270));
  }
  EXPECT_GE(failures, 5);  // bundle, tile, the partial ones, the checkpoint
}

TEST(BrokenStore, AfterADirectoryNothingIsPublishedUntilARestart) {
  int failures = 0;
  for (int passes = 0;; ++passes, ++failures) {
    TestLog log;
    if (!publish_failing(log, Kind::directory, passes)) break;
    EXPECT_TRUE(log.publisher->broken());
    const auto notes = log.outbox.notes;
    for (int i = 0; i < 3; ++i) {
      const auto refused = log.publish();
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Errc::io);
      EXPECT_NE(refused.error().hint.find("restarted"), std::string::npos) << refused.error().hint;
    }
    EXPECT_EQ(log.outbox.notes, notes) << "something was signed that may not be there";
    log.restart();
    const auto again = log.publish();
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_NO_FATAL_FAILURE(log.check(270));
  }
  EXPECT_GE(failures, 4);  // of bundles, of tiles, the log's own
}

}  // namespace
}  // namespace sanad::audit
