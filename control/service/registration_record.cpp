#include "control/service/registration_record.hpp"

namespace sanad::service {

ledger::RegistrationRecord record_of(const InstallRegistration& input, const std::string& fingerprint,
                                     const ledger::Transaction& txn) {
  return {.certificate_pem = input.certificate_pem,
          .fingerprint = fingerprint,
          .reference = input.reference.value_or(""),
          .authority_valid_until = input.authority_valid_until,
          .note = input.note,
          .installed = txn.now().wall,
          .from_index = txn.next_index()};
}

}  // namespace sanad::service
