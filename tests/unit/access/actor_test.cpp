#include "control/access/actor.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "gateway/base/unique_fd.hpp"

namespace sanad::access {
namespace {

struct SocketPair {
  SocketPair() {
    int fds[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0) {
      ours = UniqueFd{fds[0]};
      theirs = UniqueFd{fds[1]};
    }
  }
  UniqueFd ours;
  UniqueFd theirs;
};

TEST(Actor, SeesItself) {
  const SocketPair pair;
  ASSERT_TRUE(pair.ours);
  auto actor = read_actor(pair.ours.get());
  ASSERT_TRUE(actor) << actor.error().message;
  EXPECT_EQ(actor->uid, ::geteuid());
  EXPECT_EQ(actor->gid, ::getegid());
  EXPECT_EQ(actor->pid, ::getpid());
  const passwd* entry = ::getpwuid(::geteuid());
  EXPECT_EQ(actor->user_name, entry != nullptr ? entry->pw_name : "");
  EXPECT_EQ(actor->program, std::filesystem::read_symlink("/proc/self/exe").string());
  ASSERT_FALSE(actor->groups.empty());
  EXPECT_EQ(actor->groups[0].gid, ::getegid());
  std::vector<gid_t> expected(static_cast<std::size_t>(::getgroups(0, nullptr)));
  ASSERT_GE(::getgroups(static_cast<int>(expected.size()), expected.data()), 0);
  for (gid_t gid : expected) {
    EXPECT_EQ(std::count_if(actor->groups.begin(), actor->groups.end(), [gid](const Group& g) { return g.gid == gid; }), 1);
  }
}

TEST(Actor, OnlyAUnixSocketHasOne) {
  const UniqueFd file{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  EXPECT_EQ(read_actor(file.get()).error().code, Errc::io);
  const UniqueFd internet{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(read_actor(internet.get()).error().code, Errc::io);
  const UniqueFd unconnected{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(read_actor(unconnected.get()).error().code, Errc::io);
  EXPECT_EQ(read_actor(-1).error().code, Errc::io);
}

// The credentials are those of the moment the pair was made: a child made it under another uid with 100 groups of its own, more
// than the first buffer holds, and gave one end to us. Needs root; elsewhere a process cannot become somebody else.
TEST(Actor, SeesAnotherUserWithManyGroups) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: a process of another uid is started";
  constexpr uid_t kUid = 61234;
  const SocketPair channel;
  ASSERT_TRUE(channel.ours);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::vector<gid_t> gids;
    for (gid_t gid = 62000; gid < 62100; ++gid) gids.push_back(gid);
    int fds[2] = {-1, -1};
    if (::setgroups(gids.size(), gids.data()) != 0 || ::setresgid(kUid, kUid, kUid) != 0 || ::setresuid(kUid, kUid, kUid) != 0 ||
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
      ::_exit(1);
    }
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::copy_n(reinterpret_cast<const char*>(&fds[0]), sizeof(int), reinterpret_cast<char*>(CMSG_DATA(header)));
    if (::sendmsg(channel.theirs.get(), &message, 0) != 1) ::_exit(2);
    // Stay until the parent has looked at /proc.
    ::_exit(::read(channel.theirs.get(), &byte, 1) == 1 ? 0 : 3);
  }
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ASSERT_EQ(::recvmsg(channel.ours.get(), &message, MSG_CMSG_CLOEXEC), 1);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  ASSERT_NE(header, nullptr);
  int fd = -1;
  std::copy_n(reinterpret_cast<const char*>(CMSG_DATA(header)), sizeof(int), reinterpret_cast<char*>(&fd));
  const UniqueFd theirs{fd};
  auto actor = read_actor(theirs.get());
  EXPECT_EQ(::write(channel.ours.get(), "x", 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(actor) << actor.error().message;
  EXPECT_EQ(actor->uid, kUid);
  EXPECT_EQ(actor->gid, kUid);
  EXPECT_EQ(actor->pid, child);
  EXPECT_EQ(actor->user_name, "");
  ASSERT_EQ(actor->groups.size(), 101U);
  EXPECT_EQ(actor->groups.front(), (Group{kUid, ""}));
  EXPECT_EQ(actor->groups.back(), (Group{62099, ""}));
}

}  // namespace
}  // namespace sanad::access
