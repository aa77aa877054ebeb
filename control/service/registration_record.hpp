#pragma once
// A certificate that was sent to be taken into use: what is said of it, and its row.

#include <string>

#include "control/ledger/transaction.hpp"
#include "control/registration/verify.hpp"
#include "control/service/queries.hpp"

namespace sanad::service {

// The error as the sender of `certificate_pem` is told it: field "certificate_pem.<fault>", without a fault for
// what is wrong with its text.
Error about_certificate(Error error);

// refused_by_policy when it is not in date: it would put an end to the one in force. Clocks may differ by minutes.
Result<void> check_in_date(const registration::Verified& verified, WallTime now);

// The row of a certificate that is taken into use by the transaction's next leaf. Storage thread.
ledger::RegistrationRecord record_of(const InstallRegistration& input, const std::string& fingerprint,
                                     const ledger::Transaction& txn);

}  // namespace sanad::service
