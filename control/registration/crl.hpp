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
  std::string reason;  // RFC 5280 name ("keyCompromise"), empty when the list gives none
  std::optional<WallTime> next_update;
  std::string detail;
};

// Looks `verified`'s leaf up in a CRL (PEM or DER, whole file) that its issuer signed; `chain_pem` and `anchors` as given to
// verify(). A list that is malformed, too large, signed by another, or without a next update comes back as `unavailable`:
// the caller keeps serving what the last good list said. A self-declared leaf has no issuer to ask: not_checked.
RevocationState check_crl(std::string_view crl, std::string_view chain_pem, const std::vector<Anchor>& anchors, WallTime now);

}  // namespace sanad::registration
