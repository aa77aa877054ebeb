// An admin hears of a peer's end once, three days before.

#include "control/service/expiry_warnings.hpp"

#include <gtest/gtest.h>

#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using testing::count_containing;
using testing::key_number;
using testing::leaves;
using testing::prefix;

class ExpiryWarnings : public ::testing::Test {
 protected:
  ExpiryWarnings() : ledger_(std::move(ledger::Ledger::open(directory_.path() / "state.db").value())) {}

  std::string add(std::uint8_t n, std::optional<std::chrono::hours> ends_in, bool enabled = true) {
    auto added = testing::change<std::string>(*ledger_, [=](ledger::Transaction& txn) -> Result<std::string> {
      ledger::PeerRecord peer;
      peer.interface = "wg0";
      peer.owner = txn.find_or_create_owner("Ayesha Khan", "a@example.com", "").value();
      peer.device = "device-" + std::to_string(n);
      peer.public_key = key_number(n);
      peer.allowed_ips = {prefix("10.66.0." + std::to_string(n) + "/32")};
      peer.enabled = enabled;
      if (ends_in) peer.expires_at = txn.now().wall + *ends_in;
      return txn.insert_peer(peer).value().id;
    });
    return added.value();
  }
  void end_in(const std::string& id, std::chrono::hours ends_in) {
    testing::change<void>(*ledger_, [=](ledger::Transaction& txn) -> Result<void> {
      auto peer = txn.find_peer(id).value();
      peer.expires_at = txn.now().wall + ends_in;
      return txn.update_peer(peer) ? Result<void>() : Error{Errc::internal, "update"};
    }).value();
  }
  void warn() {
    testing::change<void>(*ledger_, [](ledger::Transaction& txn) { return warn_of_expiry(txn, {}); }).value();
  }
  std::size_t warnings_of(const std::string& id) {
    return count_containing(leaves(*ledger_), "\"name\":\"peer_expiring\",\"peer\":\"" + id + "\"");
  }
  std::size_t warnings() { return count_containing(leaves(*ledger_), "peer_expiring"); }

  testing::TempDirectory directory_;
  std::unique_ptr<ledger::Ledger> ledger_;
};

TEST_F(ExpiryWarnings, TellOfWhoEndsSoonOnceAndOfNobodyElse) {
  const auto soon = add(2, std::chrono::hours{48});
  const auto later = add(3, std::chrono::hours{24 * 30});
  add(4, std::nullopt);
  add(5, std::chrono::hours{12}, false);
  warn();
  warn();
  EXPECT_EQ(warnings_of(soon), 1U);
  EXPECT_EQ(warnings(), 1U);
  end_in(later, std::chrono::hours{71});
  warn();
  EXPECT_EQ(warnings_of(later), 1U);
  EXPECT_EQ(warnings(), 2U);
}

TEST_F(ExpiryWarnings, TellAgainOfWhoWasGivenMoreTime) {
  const auto id = add(2, std::chrono::hours{10});
  warn();
  end_in(id, std::chrono::hours{70});
  warn();
  EXPECT_EQ(warnings_of(id), 2U);
}

TEST_F(ExpiryWarnings, AreSilentOfWhoHasEnded) {
  const auto id = add(2, std::chrono::hours{1});
  end_in(id, std::chrono::hours{-1});
  warn();
  EXPECT_EQ(warnings(), 0U);
}

TEST_F(ExpiryWarnings, TellPeersWithTheSameEndApart) {
  const WallTime end = now().wall + std::chrono::hours{20};
  for (std::uint8_t n = 2; n < 7; ++n) {
    const auto id = add(n, std::chrono::hours{20});
    testing::change<void>(*ledger_, [=](ledger::Transaction& txn) -> Result<void> {
      auto peer = txn.find_peer(id).value();
      peer.expires_at = end;
      return txn.update_peer(peer) ? Result<void>() : Error{Errc::internal, "update"};
    }).value();
  }
  warn();
  warn();
  EXPECT_EQ(warnings(), 5U);
}

}  // namespace
}  // namespace sanad::service
