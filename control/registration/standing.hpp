#pragma once
// Whether this gateway stands registered now, and what follows from it. Pure: no clock, file or socket.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/crl.hpp"
#include "control/registration/verify.hpp"

namespace sanad::registration {

// What is installed: the verified certificate, and what the authority's letter added to it later.
struct Installed {
  Verified verified;
  std::optional<std::string> reference;           // entered by the operator; said to be so when the certificate does not have it
  std::optional<WallTime> authority_valid_until;  // can only bring the end forward: an extension is a Grace
};

// The live gateway, gathered by the caller.
struct Facts {
  wg::PublicKey public_key;
  std::uint16_t listen_port = 0;            // 0: the interface is not up; the port is then not judged
  std::vector<IpAddress> public_addresses;  // own interfaces', or configured behind 1:1 NAT; empty: unknown
  bool clock_synchronised = false;
};

enum class Response : std::uint8_t { warn, refuse_new, suspend };
std::optional<Response> response_from_string(std::string_view text) noexcept;

// An extension somebody with authority announced.
struct Grace {
  WallTime until;
  std::string announcement;  // what was announced, where: text or URL
};

struct Policy {
  std::vector<int> warn_before_days{30, 14, 7, 1};
  Response on_expired = Response::refuse_new;
  Response on_mismatch = Response::refuse_new;
  Response on_revoked = Response::suspend;
  std::optional<Grace> grace;
};

// Gravest last. When several apply, `kind` is the gravest, and the action the strictest of all.
enum class StandingKind : std::uint8_t { in_force, expiring, grace, expired, unregistered, mismatch, revoked };
enum class Action : std::uint8_t { serve, refuse_new, suspend };  // rising strictness

enum class FindingCode : std::uint8_t {
  expiring,
  grace,
  expired,
  not_yet_valid,
  key_mismatch,
  port_mismatch,
  address_mismatch,
  address_unregistered,  // a warning: some of the host's addresses are not registered, at least one is
  address_unknown,       // a warning: the host's public addresses could not be found out
  revoked,
  revocation_stale,        // a warning: the list is older than it says it may be
  revocation_unavailable,  // a warning
  clock_unsynchronised,    // a warning: dates were judged by a clock nobody vouches for
  unregistered
};

struct Finding {
  FindingCode code;
  std::string detail;  // for people: what is, what was registered
  bool operator==(const Finding&) const = default;
};

struct Standing {
  StandingKind kind = StandingKind::unregistered;
  Action action = Action::refuse_new;
  std::vector<Finding> findings;
  std::optional<int> threshold_days;  // the smallest of warn_before_days reached; recorded once each
  std::optional<WallTime> ends;       // the earliest end of certificate chain and registration
  bool operator==(const Standing&) const = default;
};

std::string_view to_string(StandingKind kind) noexcept;  // "in_force"
std::string_view to_string(Action action) noexcept;
std::string_view to_string(FindingCode code) noexcept;

// Dates: `now` equal to an end is still inside it. A certificate whose time has not come counts as none
// (unregistered, finding not_yet_valid).
Standing standing(const std::optional<Installed>& installed, const RevocationState& revocation, const Facts& facts,
                  const Policy& policy, WallTime now);

// What of the live gateway is not as it is registered: key_mismatch, port_mismatch, address_mismatch. Asked before a certificate
// is installed.
std::vector<Finding> mismatches(const RegistrationClaims& claims, const Facts& facts);

// Who runs the gateway and who says so, in one honest line; no line break, no full stop:
//   self-declared by X, valid until 2027-11-24, not confirmed by anyone else
//   declared by X, confirmed by P@SHA on 2026-12-01, reference 24-7781, valid until 2027-11-30
// The word "regulator" stands there only when a regulator-level anchor verified the chain.
std::string sentence(const std::optional<Installed>& installed);
// The same as `profile verify` tells it to the employee:
//   run by X, registration confirmed by P@SHA on 2026-12-01, reference 24-7781, valid until 2027-11-30
std::string sentence_for_client(const Verified& verified);

// "2027-11-24", UTC.
std::string to_date(WallTime t);

}  // namespace sanad::registration
