#include "gateway/base/durable_file.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace sanad {
namespace {

namespace fs = std::filesystem;

class DurableFile : public ::testing::Test {
 protected:
  DurableFile() {
    std::string pattern = (fs::temp_directory_path() / "sanad-file-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("couldn't make a temporary directory");
    dir_ = pattern;
  }
  ~DurableFile() override {
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }

  static mode_t mode_of(const fs::path& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777U;
  }
  [[nodiscard]] std::size_t entries() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), {})); }

  fs::path dir_;
};

TEST_F(DurableFile, WritesReadsReplaces) {
  const auto path = dir_ / "a";
  ASSERT_TRUE(write_file_durably(path, "one", 0600));
  EXPECT_EQ(read_file(path, 100).value(), "one");
  ASSERT_TRUE(write_file_durably(path, std::string("t\0wo\n", 5), 0600));
  EXPECT_EQ(read_file(path, 100).value(), std::string("t\0wo\n", 5));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(DurableFile, ModeIsExactWhateverTheUmaskSays) {
  const mode_t before = ::umask(0077);
  for (const mode_t mode : {0600U, 0640U, 0644U, 0400U}) {
    ASSERT_TRUE(write_file_durably(dir_ / "m", "x", mode));
    EXPECT_EQ(mode_of(dir_ / "m"), mode);
  }
  ::umask(before);
}

TEST_F(DurableFile, AReplacedFileTakesTheNewMode) {
  ASSERT_TRUE(write_file_durably(dir_ / "m", "x", 0644));
  ASSERT_TRUE(write_file_durably(dir_ / "m", "secret", 0600));
  EXPECT_EQ(mode_of(dir_ / "m"), 0600U);
}

TEST_F(DurableFile, LeftoverOfAnEarlierDeathIsReplacedNotFollowed) {
  const auto path = dir_ / "a";
  const fs::path leftover = path.string() + ".tmp." + std::to_string(::getpid());
  fs::create_symlink(dir_ / "elsewhere", leftover);  // as somebody with write access might prepare it
  ASSERT_TRUE(write_file_durably(path, "new", 0600));
  EXPECT_EQ(read_file(path, 10).value(), "new");
  EXPECT_FALSE(fs::exists(dir_ / "elsewhere"));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(DurableFile, FailureLeavesTheOldFileAndNoTemporaryOne) {
  // A directory in the way: rename(2) refuses to put a file in its place.
  fs::create_directory(dir_ / "a");
  const auto written = write_file_durably(dir_ / "a", "x", 0600);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find((dir_ / "a").string()), std::string::npos);
  EXPECT_TRUE(fs::is_directory(dir_ / "a"));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(DurableFile, DirectoryThatIsNotThereOrNoDirectory) {
  const auto missing = write_file_durably(dir_ / "no" / "a", "x", 0600);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  ASSERT_TRUE(write_file_durably(dir_ / "file", "x", 0600));
  EXPECT_FALSE(write_file_durably(dir_ / "file" / "a", "x", 0600));
  EXPECT_FALSE(write_file_durably("/proc/sanad-test", "x", 0600));  // a directory nobody can write to, root neither
}

TEST_F(DurableFile, DevicesAreNotFiles) {
  const auto device = read_file("/dev/zero", 10);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code, Errc::invalid_argument);
}

TEST_F(DurableFile, LimitIsExact) {
  ASSERT_TRUE(write_file_durably(dir_ / "a", std::string(20'000, 'x'), 0600));
  EXPECT_TRUE(read_file(dir_ / "a", 20'000));
  const auto refused = read_file(dir_ / "a", 19'999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
}

TEST_F(DurableFile, SecretsMustBeTheOwnersAlone) {
  const auto path = dir_ / "key";
  for (const mode_t open_mode : {0640U, 0604U, 0620U, 0610U, 0601U, 0644U, 0666U}) {
    ASSERT_TRUE(write_file_durably(path, "k", open_mode));
    const auto read = read_secret_file(path, 10);
    ASSERT_FALSE(read) << open_mode;
    EXPECT_EQ(read.error().code, Errc::permission_denied);
    EXPECT_EQ(read.error().hint, "chmod 600 " + path.string());
  }
  for (const mode_t closed : {0600U, 0400U, 0700U}) {
    ASSERT_TRUE(write_file_durably(path, "k", closed));
    EXPECT_TRUE(read_secret_file(path, 10)) << closed;
  }
}

TEST_F(DurableFile, MissingFileIsNotFound) {
  EXPECT_EQ(read_file(dir_ / "none", 1).error().code, Errc::not_found);
  EXPECT_EQ(read_file(dir_, 1).error().code, Errc::invalid_argument);
  EXPECT_EQ(fsync_directory(dir_ / "none").error().code, Errc::not_found);
  EXPECT_TRUE(fsync_directory(dir_));
}

}  // namespace
}  // namespace sanad
