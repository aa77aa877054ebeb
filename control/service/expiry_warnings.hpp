#pragma once

#include "control/audit/ocsf.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::service {

// Records a peer_expiring event for each enabled peer whose end has come within ledger::kExpiryWarning, once: how far it has come
// is kept with the events, so that neither a restart nor an hour of standing still loses or repeats one. At most a thousand a
// call, so that no commit waits long; call it every minute. A peer that is given an end nearer than that is not told of: whoever
// gave it knows. Storage thread, inside one transaction.
Result<void> warn_of_expiry(ledger::Transaction& txn, const audit::Reporter& reporter);

}  // namespace sanad::service
