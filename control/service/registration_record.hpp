#pragma once

#include <string>

#include "control/ledger/transaction.hpp"
#include "control/service/queries.hpp"

namespace sanad::service {

// The row of a certificate that is taken into use by the transaction's next leaf. Storage thread.
ledger::RegistrationRecord record_of(const InstallRegistration& input, const std::string& fingerprint,
                                     const ledger::Transaction& txn);

}  // namespace sanad::service
