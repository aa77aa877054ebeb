#include "raw_client.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace sanad::api::testing {

uid_t ordinary_uid() { return ::geteuid() == 0 ? 65534 : ::geteuid(); }

RawClient::RawClient(const std::string& path, uid_t uid) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  socket_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto connect = [&] {
    ASSERT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0) << std::strerror(errno);
  };
  if (uid == ::geteuid()) {
    connect();
  } else {
    // The bare system call changes this thread alone, which is then thrown away.
    std::thread([&] {
      ASSERT_EQ(::syscall(SYS_setresuid, uid, uid, uid), 0);
      connect();
    }).join();
  }
  const timeval timeout{20, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

bool RawClient::send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

void RawClient::finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

bool RawClient::fill() {
  char buffer[65536];
  const ssize_t n = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
  if (n <= 0) return false;
  pending_.append(buffer, static_cast<std::size_t>(n));
  return true;
}

std::string RawClient::receive_some() {
  if (pending_.empty() && !fill()) return {};
  return std::exchange(pending_, {});
}

bool RawClient::receive_until(const std::string& text) {
  while (pending_.find(text) == std::string::npos) {
    if (!fill()) return false;
  }
  return true;
}

RawResponse RawClient::receive() {
  RawResponse response;
  if (!receive_until("\r\n\r\n")) return response;
  const std::size_t end = pending_.find("\r\n\r\n");
  std::string head = pending_.substr(0, end + 2);
  pending_.erase(0, end + 4);
  response.status = std::stoi(head.substr(9, 3));
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t line_end = head.find("\r\n", at);
    const std::string line = head.substr(at, line_end - at);
    std::string name = line.substr(0, line.find(": "));
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    response.fields[name] = line.substr(line.find(": ") + 2);
    at = line_end + 2;
  }
  if (response.status == 100) return response;
  if (response.fields.contains("content-length")) {
    const std::size_t length = std::stoul(response.fields["content-length"]);
    while (pending_.size() < length && fill()) {
    }
    response.whole = pending_.size() >= length;
    response.body = pending_.substr(0, length);
    pending_.erase(0, length);
    return response;
  }
  if (!response.fields.contains("transfer-encoding")) {
    while (fill()) {
    }
    response.body = std::exchange(pending_, {});
    response.whole = true;
    return response;
  }
  for (;;) {
    if (!receive_until("\r\n")) return response;
    const std::size_t size = std::stoul(pending_.substr(0, pending_.find("\r\n")), nullptr, 16);
    pending_.erase(0, pending_.find("\r\n") + 2);
    while (pending_.size() < size + 2 && fill()) {
    }
    if (pending_.size() < size + 2) return response;
    response.body += pending_.substr(0, size);
    pending_.erase(0, size + 2);
    if (size == 0) {
      response.whole = true;
      return response;
    }
  }
}

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/sanad-api-test-XXXXXX";
  path_ = ::mkdtemp(name);
  ::chmod(path_.c_str(), 0755);
}

TemporaryDirectory::~TemporaryDirectory() { std::filesystem::remove_all(path_); }

}  // namespace sanad::api::testing
