#pragma once
// What a registrar confirms, and what it refuses: read from policy.yaml, applied to an application. Pure.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/certificate.hpp"
#include "control/registration/claims.hpp"

namespace sanad::registrar {

inline constexpr std::size_t kMaxPolicyFile = 4 * 1024 * 1024;  // bytes
inline constexpr std::size_t kMaxMembers = 20'000;

struct Member {
  std::string legal_name;               // as the application must spell it
  std::string organization_identifier;  // empty: not compared
  std::vector<IpPrefix> addresses;      // empty: those of the policy
};

struct Policy {
  std::chrono::seconds longest_validity = std::chrono::hours(24 * 366);
  std::chrono::seconds crl_lifetime = std::chrono::hours(24 * 7);       // a revocation list's next update
  std::chrono::seconds list_lifetime = std::chrono::hours(24 * 7);      // the same of the list of the genuine
  bool unique_key = true;                                               // no two gateways with one WireGuard or registration key
  bool unique_reference = true;                                         // no two holders with one reference
  std::map<registration::Category, std::vector<std::string>> required;  // fields that must be there, by category
  std::vector<IpPrefix> addresses;                                      // what may be registered at all; empty: anything
  bool members_only = false;                                            // only those named below
  std::vector<Member> members;
};

// The file that `init` writes: every key, with what it means.
std::string example_policy();

// invalid_argument: every error of the file, "file:line:column: path: message".
Result<Policy> parse_policy(std::string_view text, std::string_view filename);

// What the registrar's own records say about an application.
struct Known {
  std::optional<std::string> key_holder;        // another gateway that has a current certificate for one of its keys
  std::optional<std::string> reference_holder;  // another holder of a current certificate with its reference
};

struct Objection {
  std::string field;    // the claim at fault
  std::string message;  // why, in plain words
};

// All of them; none: it may be confirmed.
std::vector<Objection> objections(const Policy& policy, const registration::RegistrationClaims& claims,
                                  const registration::Validity& validity, const Known& known);

}  // namespace sanad::registrar
