#pragma once
// Certificate revocation lists, as an issuer publishes them in a file.

#include <optional>
#include <string>
#include <string_view>

#include "control/registration/verify.hpp"

namespace sanad::registration {

inline constexpr std::size_t kMaxCrl = 8 * 1024 * 1024;  // bytes

struct RevocationState {
  enum class Status : std::uint8_t {
    not_checked,  // no list is configured
    good,
    revoked,
    unavailable,  // a list is configured and could not be used: `detail` says why
  };
  Status status = Status::not_checked;
  bool stale = false;  // the list's next update is past; what it says of revocations still holds
  std::optional<WallTime> revoked_at;
  std::string reason;                   // RFC 5280 name ("keyCompromise"), empty when the list gives none
  std::optional<WallTime> this_update;  // when the list was issued
  std::optional<WallTime> next_update;
  std::string detail;  // what is wrong with the list, or why an older one is used
};

std::string_view to_string(RevocationState::Status status) noexcept;  // "not_checked"

// Looks `verified`'s leaf up in a CRL (PEM or DER, whole file) signed by the certificate above it. A list that is malformed,
// too large, signed by another, partial (delta or issuing distribution point) or without a next update comes back as
// `unavailable`: the caller keeps to what the last good list said. A self-declared leaf has no issuer to ask: not_checked.
RevocationState check_crl(std::string_view crl, const Verified& verified, WallTime now);

}  // namespace sanad::registration
