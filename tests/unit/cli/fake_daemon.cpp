#include "fake_daemon.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace sanad::cli::test {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "sanad-cli-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

FakeDaemon::FakeDaemon() {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  stop_read_ = UniqueFd(ends[0]);
  stop_write_ = UniqueFd(ends[1]);
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket().c_str(), sizeof address.sun_path - 1);
  if (::bind(listener_.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_.get(), 16) != 0) {
    throw std::runtime_error("no socket");
  }
  thread_ = std::thread([this] { serve(); });
}

FakeDaemon::~FakeDaemon() {
  stop_write_.reset();
  thread_.join();
}

void FakeDaemon::on(const std::string& line, Canned answer) {
  const std::lock_guard lock(mutex_);
  answers_[line] = std::move(answer);
}

std::vector<Got> FakeDaemon::got() const {
  const std::lock_guard lock(mutex_);
  return got_;
}

void FakeDaemon::serve() {
  for (;;) {
    ::pollfd fds[] = {{listener_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) return;
    if (fds[1].revents != 0) return;
    const UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) answer(fd.get());
  }
}

void FakeDaemon::answer(int fd) {
  std::string text;
  std::size_t needed = std::string::npos;
  while (needed == std::string::npos || text.size() < needed) {
    std::array<char, 65536> chunk{};
    const ::ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n <= 0) return;
    text.append(chunk.data(), static_cast<std::size_t>(n));
    const std::size_t end = text.find("\r\n\r\n");
    if (needed != std::string::npos || end == std::string::npos) continue;
    const std::size_t length = text.find("Content-Length: ");
    needed = end + 4 + (length < end ? std::stoul(text.substr(length + 16)) : 0);
  }
  const std::size_t head = text.find("\r\n\r\n");
  Got got{text.substr(0, text.find(" HTTP/1.1")), text.substr(0, head), text.substr(head + 4)};
  Canned canned{404, R"({"type":"urn:sanad:problem:not_found","title":"not found","status":404,"detail":"no such thing"})",
                "application/problem+json"};
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = answers_.find(got.line); known != answers_.end()) canned = known->second;
    got_.push_back(std::move(got));
  }
  const std::string reply = fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                                        canned.status, canned.content_type, canned.body.size(), canned.body);
  std::string_view rest = reply;
  while (!rest.empty()) {
    const ::ssize_t n = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

Ran run(const std::string& socket, std::vector<std::string> arguments, Terminal terminal, std::string input) {
  std::vector<const char*> argv{"sanad"};
  for (const auto& argument : arguments) argv.push_back(argument.c_str());
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  Ran ran;
  ran.exit = run_cli(static_cast<int>(argv.size()), argv.data(), Context{in, out, err, terminal, [] { return kRunAt; }, socket});
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

}  // namespace sanad::cli::test
