#include "control/service/idempotency.hpp"

#include <charconv>

#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::hours kKept{24};

}  // namespace

std::optional<Result<EarlierAnswer>> earlier_answer(ledger::Transaction& txn, const Caller& caller) {
  if (!caller.idempotency) return std::nullopt;
  const auto stored = txn.stored_answer(caller.actor.uid, caller.idempotency->key);
  if (!stored || txn.now().wall - stored->created > kKept) return std::nullopt;
  if (stored->request_digest != sha256(as_bytes(caller.idempotency->request_digest)))
    return Result<EarlierAnswer>(Error{Errc::conflict, "this Idempotency-Key was used for another request", "Idempotency-Key",
                                       "use a new key for a new request"});
  EarlierAnswer out;
  const auto space = stored->body.find(' ');
  out.target = stored->body.substr(0, space);
  const char* const end = stored->body.data() + stored->body.size();
  if (space != std::string::npos) std::from_chars(stored->body.data() + space + 1, end, out.evidence);
  return Result<EarlierAnswer>(std::move(out));
}

void remember_answer(ledger::Transaction& txn, const Caller& caller, const std::string& target, std::uint64_t evidence) {
  if (!caller.idempotency) return;
  txn.store_answer({.uid = caller.actor.uid,
                    .key = caller.idempotency->key,
                    .request_digest = sha256(as_bytes(caller.idempotency->request_digest)),
                    .status = 0,
                    .body = target + " " + std::to_string(evidence),
                    .created = txn.now().wall});
}

}  // namespace sanad::service
