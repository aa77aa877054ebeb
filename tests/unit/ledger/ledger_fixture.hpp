#pragma once
// A ledger in a directory of its own, blocking calls for tests, and the invariants every ledger keeps.

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>

#include "control/audit/ocsf.hpp"
#include "control/ledger/ledger.hpp"

namespace sanad::ledger {

// Removed with everything in it.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] std::filesystem::path path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Submits and waits for the durable answer.
template <class T>
Result<T> change(Ledger& ledger, std::function<Result<T>(Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.submit<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

template <class T>
Result<T> ask(Ledger& ledger, std::function<Result<T>(Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.query<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

wg::PublicKey key_number(std::uint64_t n);
// A peer "Owner <n>"/laptop with key n; no allowed IPs.
Result<PeerRecord> add_peer(Transaction& tx, std::uint64_t n, std::vector<IpPrefix> allowed_ips = {});
// The evidence of a change to a peer, as the service writes it.
audit::EventDraft peer_event(const PeerRecord& peer, audit::EntityVerb verb);

// Reads the closed or open database with a connection of its own and checks what must hold at any moment:
// leaf indices dense (from 0, or from what the signed log covers) and equal to the "i" inside; every leaf canonical and with
// exactly the digests its disclosures make; claims = the allowed IPs of live peers, disjoint; each peer's version = the number of
// leaves about it (for peers changed through peer_event()); SQLite's own integrity and foreign keys.
void check_ledger(const std::filesystem::path& database, bool peers_have_leaves = false);

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void TearDown() override {
    ledger_.reset();
    check_ledger(database());
  }
  void reopen(LedgerOptions options = {});
  [[nodiscard]] std::filesystem::path database() const { return directory_.path() / "state.db"; }
  Ledger& ledger() { return *ledger_; }

  // Runs `job` for its effects; fails the test when it returns an error.
  void must(const std::function<void(Transaction&)>& job);

  TempDirectory directory_;
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace sanad::ledger
