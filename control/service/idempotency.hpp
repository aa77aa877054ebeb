#pragma once
// A POST repeated with its Idempotency-Key finds what it did the first time, in the same transaction that would do it again.

#include <optional>
#include <string>

#include "control/ledger/transaction.hpp"
#include "control/service/request.hpp"

namespace sanad::service {

struct EarlierAnswer {
  std::string target;          // the id of what was made or changed
  std::uint64_t evidence = 0;  // its leaf
};

// Nothing: not repeated (or no key given). conflict: the key was used for another request.
std::optional<Result<EarlierAnswer>> earlier_answer(ledger::Transaction& txn, const Caller& caller);
void remember_answer(ledger::Transaction& txn, const Caller& caller, const std::string& target, std::uint64_t evidence);

}  // namespace sanad::service
