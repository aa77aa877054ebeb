#pragma once
// Revocation lists, made: the issuer's side of crl.hpp. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/certificate.hpp"

namespace sanad::registration {

// RFC 5280 section 5.3.1, those a registrar has a use for.
enum class RevocationReason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
  privilege_withdrawn = 9
};
std::string_view to_string(RevocationReason reason) noexcept;  // "keyCompromise", as RFC 5280 spells it
std::optional<RevocationReason> revocation_reason_from_string(std::string_view text) noexcept;

struct RevokedCertificate {
  std::string serial;  // hex, as CertificateSummary has it
  WallTime at;
  RevocationReason reason = RevocationReason::unspecified;
};

struct RevocationListDraft {
  std::uint64_t number = 0;  // rises with every list of the issuer
  WallTime this_update;
  WallTime next_update;  // when the next one comes at the latest
  std::vector<RevokedCertificate> revoked;
};

// PEM. invalid_argument: a serial that is none, an end before the beginning, an issuer whose key it is not or that may not sign
// lists.
Result<std::string> make_revocation_list(Issuer issuer, const RevocationListDraft& draft);

}  // namespace sanad::registration
