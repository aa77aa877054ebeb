#include "control/service/registration_record.hpp"

#include <algorithm>
#include <utility>

namespace sanad::service {
namespace {

constexpr std::chrono::minutes kClocksApart{5};

}  // namespace

Error about_certificate(Error error) {
  constexpr std::string_view kPrefix = "certificate.";
  if (error.field.starts_with("anchors")) return error;  // the configuration's fault
  error.field = "certificate_pem" + (error.field.starts_with(kPrefix) ? error.field.substr(kPrefix.size() - 1) : "");
  return error;
}

Result<void> check_in_date(const registration::Verified& verified, WallTime now) {
  const WallTime soon = std::min(verified.not_before, now + kClocksApart);
  auto in_date = registration::check_dates(verified, std::max(now, soon));
  if (in_date) return {};
  Error error = about_certificate(in_date.error());
  error.hint = "--despite-differences installs it all the same";
  return error;
}

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
