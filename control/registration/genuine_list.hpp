#pragma once
// The list of the genuine: which gateways a registrar vouches for now. JSON, one gateway a line, and a signature beside it that
// `openssl pkeyutl -verify -rawin` checks. It says more than a revocation list: what is not on it was never confirmed. Pure.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/certificate.hpp"
#include "control/registration/verify.hpp"

namespace sanad::registration {

inline constexpr std::size_t kMaxGenuineList = 64 * 1024 * 1024;  // bytes: some 200,000 gateways
inline constexpr std::size_t kMaxListSignature = 1024;            // bytes

struct GenuineGateway {
  Sha256 fingerprint{};  // of the certificate
  std::string legal_name;
  std::string gateway_id;
  wg::PublicKey wireguard_key;
  std::optional<std::string> reference;
  WallTime valid_until;
};

struct GenuineList {
  std::string issuer;        // the registrar's name as its certificate has it
  std::uint64_t number = 0;  // rises with every list
  WallTime issued;
  WallTime next_update;  // when the next one comes at the latest
  std::vector<GenuineGateway> gateways;
};

std::string write_genuine_list(const GenuineList& list);
// invalid_argument: not such a list.
Result<GenuineList> read_genuine_list(std::string_view text);

// The bytes of the `.sig` file. invalid_argument: not the issuer's key.
Result<Bytes> sign_genuine_list(std::string_view text, Issuer issuer);

// refused_by_policy: not signed by that issuer, or changed since.
Result<void> check_list_signature(std::string_view text, std::span<const std::uint8_t> signature, std::string_view issuer_pem);

// Success when the list is signed by the issuer of `verified`, is not older than it says it may be, and has this certificate.
// refused_by_policy, `field`: "list" (it cannot be used, the message says why) or "list.missing" (the gateway is not on it).
Result<void> check_genuine_list(std::string_view text, std::span<const std::uint8_t> signature, const Verified& verified,
                                WallTime now);

}  // namespace sanad::registration
