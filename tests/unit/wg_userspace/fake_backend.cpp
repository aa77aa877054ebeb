#include "fake_backend.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace sanad::wg {

FakeBackend::FakeBackend(const std::string& interface_name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "sanad-uapi-XXXXXX").native();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = pattern;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (directory_ / (interface_name + ".sock")).native();
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_.get(), 8) != 0)
    throw std::runtime_error("bind");
  stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread([this] { serve(); });
}

FakeBackend::~FakeBackend() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  std::filesystem::remove_all(directory_);
}

void FakeBackend::answer_always(std::string bytes) {
  const std::lock_guard lock(mutex_);
  fixed_answer_ = std::move(bytes);
}

void FakeBackend::stay_silent() {
  const std::lock_guard lock(mutex_);
  silent_ = true;
}

void FakeBackend::refuse_set(std::size_t index, int code) {
  const std::lock_guard lock(mutex_);
  refusal_ = {sets_.size() + index, code};
}

std::vector<std::string> FakeBackend::sets() const {
  const std::lock_guard lock(mutex_);
  return sets_;
}

void FakeBackend::serve() {
  while (true) {
    std::array<pollfd, 2> fds{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents != 0) return;
    const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) serve_connection(connection.get());
  }
}

void FakeBackend::serve_connection(int fd) {
  std::string pending;
  std::array<char, 65536> buffer{};
  while (true) {
    std::array<pollfd, 2> fds{pollfd{fd, POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents != 0) return;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return;
    pending.append(buffer.data(), static_cast<std::size_t>(got));
    for (auto end = pending.find("\n\n"); end != std::string::npos; end = pending.find("\n\n")) {
      const std::string block = pending.substr(0, end + 1);
      pending.erase(0, end + 2);
      std::string answer;
      bool fixed = false;
      {
        const std::lock_guard lock(mutex_);
        if (silent_) continue;
        fixed = fixed_answer_.has_value();
        answer = fixed ? *fixed_answer_ : block.starts_with("get=1") ? describe() : take_set(block);
      }
      for (std::size_t at = 0; at < answer.size();) {
        const ssize_t sent = ::send(fd, answer.data() + at, answer.size() - at, MSG_NOSIGNAL);
        if (sent <= 0) return;
        at += static_cast<std::size_t>(sent);
      }
      if (fixed) return;
    }
  }
}

std::string FakeBackend::take_set(const std::string& block) {
  const std::size_t index = sets_.size();
  sets_.push_back(block);
  if (refusal_ && refusal_->first == index) return "errno=" + std::to_string(refusal_->second) + "\n\n";
  std::istringstream lines(block);
  std::string line;
  std::string peer;
  while (std::getline(lines, line)) {
    const auto equals = line.find('=');
    const std::string key = line.substr(0, equals);
    const std::string value = line.substr(equals + 1);
    if (key == "public_key") {
      peer = value;
      peers_[peer];
    } else if (key == "update_only" || key == "set") {
    } else if (peer.empty()) {
      device_[key] = value;
    } else if (key == "remove") {
      peers_.erase(peer);
    } else if (key == "preshared_key") {
      peers_[peer].preshared_key = value;
    } else if (key == "persistent_keepalive_interval") {
      peers_[peer].keepalive = value;
    } else if (key == "replace_allowed_ips") {
      peers_[peer].allowed_ips.clear();
    } else if (key == "allowed_ip") {
      peers_[peer].allowed_ips.push_back(value);
    } else {
      return "errno=-22\n\n";
    }
  }
  return "errno=0\n\n";
}

std::string FakeBackend::describe() const {
  std::string text;
  for (const auto& [key, value] : device_) text += key + "=" + value + "\n";
  for (const auto& [key, peer] : peers_) {
    text += "public_key=" + key + "\npreshared_key=" + peer.preshared_key + "\nprotocol_version=1\n";
    text += "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n";
    text += "persistent_keepalive_interval=" + peer.keepalive + "\n";
    for (const auto& prefix : peer.allowed_ips) text += "allowed_ip=" + prefix + "\n";
  }
  return text + "errno=0\n\n";
}

}  // namespace sanad::wg
