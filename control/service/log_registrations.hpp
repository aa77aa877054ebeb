#pragma once
// The registration's word for the log's keys, as files in the log's directory (control/audit/key_statement.hpp says which).

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "control/ledger/records.hpp"
#include "control/registration/certificate.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

struct LogRegistrations {
  std::filesystem::path log;
  std::vector<ledger::RegistrationRecord> installed;  // oldest first; the last is in force
  std::shared_ptr<const registration::PrivateKeyPem>
      key;                             // null: chains are written, nothing is signed; shared as in the material
  std::vector<ledger::LogKey> epochs;  // ascending
};

// Writes what is not there yet: every chain, and for each epoch that a registration was in force in, that registration's
// statement, where `key` is its certificate's. What is there is left alone, but for registration.pem. Returns how many keys were
// signed. Blocking; durable. Errors: io, internal; what was written before stays.
Result<std::size_t> write_log_registrations(const LogRegistrations& what);

}  // namespace sanad::service
