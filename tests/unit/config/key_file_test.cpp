// On real files: modes and credentials as the operating system shows them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "tests/unit/config/fake_files.hpp"

namespace sanad::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KeyFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sanad-config-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    ::unsetenv("CREDENTIALS_DIRECTORY");
    std::filesystem::remove_all(directory_);
  }

  std::filesystem::path write(const char* name, std::string_view content, mode_t mode) {
    const std::filesystem::path path = directory_ / name;
    std::ofstream(path) << content;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  std::filesystem::path write_config(const std::string& key) {
    return write("sanad.yaml", std::string(kSmallest) + "    private_key_file: " + key + "\n", 0644);
  }

  std::filesystem::path directory_;
};

TEST_F(KeyFile, IsReadWhenItIsPrivate) {
  const auto key = write("wg0.key", FakeFiles::kKey, 0600);
  const ReadOutcome outcome = read(write_config(key.string()));
  EXPECT_THAT(outcome.errors, IsEmpty());
  ASSERT_TRUE(outcome.config);
  const auto secret = read_private_key(outcome.config->interfaces[0].private_key);
  ASSERT_TRUE(secret);
  EXPECT_EQ(wg::secret_to_base64(*secret) + "\n", FakeFiles::kKey);
}

TEST_F(KeyFile, IsRefusedWhenOthersMayReadIt) {
  for (const mode_t mode : {0644U, 0640U, 0604U, 0610U}) {
    const auto key = write("wg0.key", FakeFiles::kKey, mode);
    EXPECT_THAT(read(write_config(key.string())).errors, ElementsAre(HasSubstr(":5:5: interfaces[0].private_key_file: ")));
    const auto secret = read_private_key({key.string(), key});
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code, Errc::permission_denied);
  }
}

TEST_F(KeyFile, IsRefusedWhenItIsADirectoryOrTooLong) {
  EXPECT_THAT(read(write_config(directory_.string())).errors, ElementsAre(HasSubstr("interfaces[0].private_key_file: ")));
  const auto key = write("wg0.key", std::string(kMaxKeyFileBytes + 1, 'A'), 0600);
  EXPECT_THAT(read(write_config(key.string())).errors, ElementsAre(HasSubstr("interfaces[0].private_key_file: ")));
}

TEST_F(KeyFile, CanBeACredential) {
  write("wg0", FakeFiles::kKey, 0400);
  ASSERT_EQ(::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1), 0);
  const Result<Config> config = load(write_config("credential:wg0"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->interfaces[0].private_key.path, directory_ / "wg0");
}

TEST_F(KeyFile, IsRefusedByLoadWithEveryLine) {
  const Result<Config> config = load(write("bad.yaml", "gateway: {id: x}\n", 0644));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::invalid_argument);
  EXPECT_THAT(config.error().message, HasSubstr("bad.yaml:1:1: interfaces: missing"));
}

}  // namespace
}  // namespace sanad::config
