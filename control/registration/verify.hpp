#pragma once
// Who vouches for a certificate. Trust and dates are two questions: verify() answers only the first, because an expired
// registration still has a level and an issuer, and what expiry means is the standing's decision (standing.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/certificate.hpp"

namespace sanad::registration {

// Rising order of what the confirmation is worth.
enum class Level : std::uint8_t { self, company, association, regulator };
std::string_view to_string(Level level) noexcept;
std::optional<Level> level_from_string(std::string_view text) noexcept;

struct Anchor {
  std::string pem;  // one certificate: a CA's, or a self-declared gateway's own
  Level level = Level::self;
  std::string name;  // shown to people ("P@SHA"); when empty, the certificate's own name
};

struct Verified {
  Certificate certificate;  // the leaf
  Level level = Level::self;
  std::string anchor_name;
  std::vector<std::string> chain_subjects;  // leaf first, anchor last; one entry when the leaf is its own anchor
  std::string issuer_pem;                   // the certificate above the leaf; empty when the leaf is its own anchor
  // The time during which every certificate of the chain, the anchor included, is in date.
  WallTime not_before;
  WallTime not_after;
  std::string ends_first;  // subject of the certificate that sets not_after
};

// `chain_pem`: leaf first, then what is needed to reach an anchor (the anchor itself may be there). Checks signatures, CA and
// path length constraints, key usage, key strength (RSA >= 2048, EC P-256 or stronger, Ed25519/Ed448; no SHA-1 or MD5), the
// registration extension. Does not check dates or revocation.
// Errors (refused_by_policy, message says which): unknown issuer, broken signature, not allowed to issue, wrong usage, weak
// key, weak signature, chain too long, unknown critical extension; invalid_argument: malformed chain or anchor, the same
// anchor given with two levels.
// The anchor nearest to the leaf decides the level.
Result<Verified> verify(std::string_view chain_pem, const std::vector<Anchor>& anchors);

// "not valid before 2026-12-01" / "expired on 2027-11-30": what a client's check needs beyond verify().
// The registration's own end date counts like the certificates'. refused_by_policy.
Result<void> check_dates(const Verified& verified, WallTime now);

}  // namespace sanad::registration
