#pragma once
// A log to be witnessed, and a raw TCP peer.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "control/audit/add_checkpoint.hpp"
#include "control/witness/witness.hpp"
#include "gateway/base/unique_fd.hpp"
#include "tests/unit/audit/log_fixture.hpp"
#include "tests/unit/audit/rfc6962.hpp"

namespace sanad::witness::testing {

using audit::test_signer;

struct GrowingLog {
  audit::Signer signer = test_signer(1);
  std::vector<std::string> entries;

  GrowingLog() {
    for (int i = 0; i < 64; ++i) entries.push_back(std::to_string(i));
  }
  [[nodiscard]] std::string request(std::size_t old_size, std::size_t size) const {
    const audit::rfc6962::Data tree(entries.data(), size);
    audit::AddCheckpoint asked{old_size, {}, {}};
    if (old_size != 0 && old_size < size) asked.proof = audit::rfc6962::proof(old_size, tree);
    asked.checkpoint = audit::sign_checkpoint({signer.name, size, audit::rfc6962::mth(tree), {}}, signer).value();
    return audit::add_checkpoint_text(asked);
  }
  [[nodiscard]] std::vector<audit::WitnessedLog> known() const { return {{signer.name, {audit::verifier_of(signer).value()}}}; }
};

inline audit::Signer witness_signer() { return test_signer(9, "witness.example/w1"); }
inline audit::VerifierKey witness_key() { return audit::verifier_of(witness_signer(), audit::KeyType::cosignature_v1).value(); }

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A connection that sends what it is told and waits at most 10 s for anything.
class RawPeer final {
 public:
  explicit RawPeer(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto address = loopback(port);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void send(const std::string& bytes) { (void)::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Everything up to the end of the connection.
  std::string rest() {
    std::string all;
    char part[4096];
    for (;;) {
      const ssize_t n = ::recv(socket_.get(), part, sizeof part, 0);
      if (n <= 0) return all;
      all.append(part, static_cast<std::size_t>(n));
    }
  }
  // Up to and with `end`.
  std::string until(const std::string& end) {
    std::string all;
    char c = 0;
    while (!all.ends_with(end) && ::recv(socket_.get(), &c, 1, 0) == 1) all += c;
    return all;
  }

 private:
  UniqueFd socket_;
};

}  // namespace sanad::witness::testing
