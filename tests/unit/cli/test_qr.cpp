// The code is judged by a reader that is not ours: drawn, turned back into pixels, given to zbarimg.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "control/cli/qr.hpp"
#include "fake_daemon.hpp"

extern char** environ;

namespace sanad::cli {
namespace {

constexpr std::size_t kPixels = 4;  // a module

// What `drawn` shows on a dark terminal, as a PGM (light = 255).
std::string pgm_of(const std::string& drawn) {
  std::vector<std::vector<bool>> rows;
  std::size_t at = 0;
  while (at < drawn.size()) {
    std::vector<bool> upper, lower;
    while (drawn[at] != '\n') {
      const std::string_view rest = std::string_view(drawn).substr(at);
      const bool both = rest.starts_with("█"), top = rest.starts_with("▀"), bottom = rest.starts_with("▄");
      EXPECT_TRUE(both || top || bottom || rest.starts_with(' '));
      upper.push_back(both || top);
      lower.push_back(both || bottom);
      at += rest.starts_with(' ') ? 1U : 3U;
    }
    ++at;
    rows.push_back(upper);
    rows.push_back(lower);
  }
  std::string pixels;
  for (const auto& row : rows) {
    std::string line;
    for (const bool light : row) line += std::string(kPixels, light ? '\xFF' : '\0');
    for (std::size_t i = 0; i < kPixels; ++i) pixels += line;
  }
  return "P5\n" + std::to_string(rows.front().size() * kPixels) + " " + std::to_string(rows.size() * kPixels) + "\n255\n" +
         pixels;
}

std::string read_by_zbar(const std::string& file) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reading(ends[0]), writing(ends[1]);
  ::posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  std::vector<std::string> words{"zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::pid_t pid = 0;
  const int spawned = ::posix_spawnp(&pid, "zbarimg", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(spawned, 0) << "zbarimg is needed (package zbar-tools)";
  writing.reset();
  std::string text;
  std::array<char, 4096> chunk{};
  for (::ssize_t n = 0; (n = ::read(reading.get(), chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(n));
  if (spawned == 0) ::waitpid(pid, nullptr, 0);
  return text;
}

const std::string kProfile =
    "# Example Software (Pvt) Ltd\n[Interface]\nPrivateKey = eHYx0OlqHFk7yvCQVqSa6cV0Dk0yJh7lXb1s0aJvT1E=\nAddress = "
    "10.66.0.2/32, fd66::2/128\n\n"
    "[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\nAllowedIPs = 10.66.0.0/16\nEndpoint = "
    "203.0.113.10:51820\nPersistentKeepalive = 25\n";

TEST(Qr, AReaderReadsWhatWasDrawn) {
  const test::TemporaryDirectory directory;
  for (const std::string& text : {std::string("x"), kProfile, without_comments(kProfile)}) {
    const auto code = make_qr(text);
    ASSERT_TRUE(code);
    std::ofstream(directory.at("qr.pgm"), std::ios::binary) << pgm_of(draw_qr(*code, false));
    std::string read = read_by_zbar(directory.at("qr.pgm"));
    if (read.ends_with('\n') && !text.ends_with('\n')) read.pop_back();
    if (read == text + "\n") read.pop_back();
    EXPECT_EQ(read, text);
  }
}

TEST(Qr, LimitsAndComments) {
  EXPECT_TRUE(make_qr(std::string(kQrMaxBytes, 'a')));
  EXPECT_EQ(make_qr(std::string(kQrMaxBytes + 1, 'a')).error().code, Errc::exhausted);
  EXPECT_FALSE(make_qr(""));
  EXPECT_EQ(without_comments("# a\n\n[Peer]\nA = b # c\n"), "[Peer]\nA = b # c\n");
}

}  // namespace
}  // namespace sanad::cli
