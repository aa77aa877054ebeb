#pragma once
// What a registration certificate says: who runs the gateway, from where, under which registration. Claims, not truths: how
// much they are worth is the level of the anchor that the certificate's chain ends in (verify.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/result.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::registration {

// The private extension, 2.25.<UUID 36af3376-d220-468a-aa09-644e479f7ece> (ITU-T X.667). README.md has the ASN.1.
inline constexpr const char* kExtensionOid = "2.25.72688007539472885702448925622241558222";

// The applicant categories a regulator asks papers by; the numbers are those in the certificate.
enum class Category : std::uint8_t { company = 0, freelancer = 1, call_centre = 2, video_conference = 3, licensed_provider = 4 };
std::string_view to_string(Category category) noexcept;  // "call-centre"
std::optional<Category> category_from_string(std::string_view text) noexcept;

// Bounds of every field, in bytes or elements. Those of the subject are X.520's upper bounds.
inline constexpr std::size_t kMaxLegalName = 64;
inline constexpr std::size_t kMaxOrganizationIdentifier = 64;
inline constexpr std::size_t kMaxAddresses = 64;
inline constexpr std::size_t kMaxDnsNames = 16;
inline constexpr std::size_t kMaxShortText = 64;  // authority, regime, reference, gateway id
inline constexpr std::size_t kMaxPurpose = 256;
inline constexpr std::size_t kMaxListenPorts = 16;

struct RegistrationClaims {
  std::string legal_name;  // subject O
  std::string
      organization_identifier;  // subject 2.5.4.97, ETSI EN 319 412-1 form ("NTRPK-0123456", "VATPK-1234567-8"); may be empty
  std::string country;          // subject C, ISO 3166-1 alpha-2
  std::vector<IpAddress> addresses;    // SAN iPAddress: the registered static addresses
  std::vector<std::string> dns_names;  // SAN dNSName, lower case
  std::string authority;               // "PTA"
  std::string regime;                  // "pta-self-registration"
  Category category = Category::company;
  std::optional<std::string> reference;              // what the authority gave, in its own spelling
  std::optional<WallTime> approved_on;               // unset: nobody has approved anything yet (a newcomer's self-declaration)
  std::optional<WallTime> registration_valid_until;  // the registration's own end, apart from the certificate's
  std::string purpose;
  wg::PublicKey wireguard_key;
  std::vector<std::uint16_t> listen_ports;  // at least one
  std::string gateway_id;
  bool operator==(const RegistrationClaims&) const = default;
};

// RFC 1123 host name in lower case, no wildcard, no trailing dot.
bool is_dns_name(std::string_view name) noexcept;

// Everything a certificate may not carry: empty or over-long text, control characters, a country that is not two letters, a
// malformed name, a zero key, port 0, a repeat, times off the whole second or before 1970.
// invalid_argument with `field` set; checked both before issuing and after parsing.
Result<void> check_claims(const RegistrationClaims& claims);

}  // namespace sanad::registration
