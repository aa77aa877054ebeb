#pragma once
// The ledger as the publisher needs it. The publisher's thread; blocks.

#include <string>
#include <vector>

#include "control/audit/publisher.hpp"
#include "control/ledger/ledger.hpp"

namespace sanad::service {

class LedgerOutbox final : public audit::Outbox {
 public:
  // `ledger` outlives it. `first_record`: the leaf that is the tree's first.
  LedgerOutbox(ledger::Ledger& ledger, std::uint64_t first_record) : ledger_(ledger), first_record_(first_record) {}

  Result<std::string> signed_checkpoint() override;
  Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) override;
  Result<void> store_signed(const std::string& note, std::uint64_t size) override;
  Result<void> drop_below(std::uint64_t index) override;

 private:
  ledger::Ledger& ledger_;
  std::uint64_t first_record_;
};

}  // namespace sanad::service
