#include "control/api/listener.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "raw_client.hpp"

namespace sanad::api {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777U : 0;
}

UniqueFd bind_only(const std::string& path, bool listening) {
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  if (listening) {
    EXPECT_EQ(::listen(socket.get(), 1), 0);
  }
  return socket;
}

struct ListenerTest : ::testing::Test {
  testing::TemporaryDirectory directory;
  ListenSettings settings{directory.path("run/admin.sock"), std::nullopt, 0660};
};

TEST_F(ListenerTest, MakesDirectoryAndSocketWithTheRightModes) {
  const mode_t before = ::umask(0077);
  const auto listener = listen_unix(settings);
  ::umask(before);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(mode_of(directory.path("run")), 0750U);
  EXPECT_EQ(mode_of(settings.path), 0660U);
  unlink_socket(*listener);
  EXPECT_EQ(mode_of(settings.path), 0U);
}

TEST_F(ListenerTest, LetsAGroupReachIt) {
  settings.group = ::getegid();
  const auto listener = listen_unix(settings);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(mode_of(directory.path("run")), 0755U);
  struct stat st {};
  ASSERT_EQ(::lstat(settings.path.c_str(), &st), 0);
  EXPECT_EQ(st.st_gid, ::getegid());
}

TEST_F(ListenerTest, RefusesASecondDaemon) {
  const auto first = listen_unix(settings);
  ASSERT_TRUE(first);
  const auto second = listen_unix(settings);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::conflict);
  EXPECT_NE(second.error().message.find("another sanadd is running"), std::string::npos);
  EXPECT_EQ(mode_of(settings.path), 0660U) << "the refused one must not touch the socket of the first";
}

TEST_F(ListenerTest, RemovesTheSocketOfADeadProcessAndKeepsALiveOne) {
  ASSERT_EQ(::mkdir(directory.path("run").c_str(), 0755), 0);
  { const UniqueFd dead = bind_only(settings.path, false); }
  EXPECT_TRUE(listen_unix(settings));
  ::unlink(settings.path.c_str());
  const UniqueFd live = bind_only(settings.path, true);
  const auto refused = listen_unix(settings);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
}

TEST_F(ListenerTest, TouchesNothingThatIsNotASocket) {
  ASSERT_EQ(::mkdir(directory.path("run").c_str(), 0755), 0);
  std::ofstream(settings.path) << "precious";
  const auto refused = listen_unix(settings);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "admin.socket");
  std::string kept;
  std::ifstream(settings.path) >> kept;
  EXPECT_EQ(kept, "precious");
}

TEST_F(ListenerTest, TakesWritePermissionOfOthersFromItsOwnDirectory) {
  ASSERT_EQ(::mkdir(directory.path("run").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(directory.path("run").c_str(), 0777), 0);
  ASSERT_TRUE(listen_unix(settings));
  EXPECT_EQ(mode_of(directory.path("run")), 0755U);
}

TEST_F(ListenerTest, RefusesADirectoryBelowOneThatOthersCanChange) {
  ASSERT_EQ(::mkdir(directory.path("open").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(directory.path("open").c_str(), 0777), 0);
  settings.path = directory.path("open/run/admin.sock");
  const auto refused = listen_unix(settings);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_FALSE(refused.error().hint.empty());
}

TEST_F(ListenerTest, RefusesPathsThatCannotBe) {
  for (const std::string& path : {std::string("admin.sock"), std::string(), "/" + std::string(107, 'x')}) {
    settings.path = path;
    const auto refused = listen_unix(settings);
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace sanad::api
