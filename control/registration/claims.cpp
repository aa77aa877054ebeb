#include "control/registration/claims.hpp"

#include <algorithm>

#include "gateway/base/encoding.hpp"

namespace sanad::registration {
namespace {

constexpr Category kCategories[] = {Category::company, Category::freelancer, Category::call_centre, Category::video_conference,
                                    Category::licensed_provider};

Error refuse(std::string_view field, std::string_view why) {
  return {Errc::invalid_argument, std::string{field} + ": " + std::string{why}, std::string{field}};
}

Result<void> check_text(std::string_view field, std::string_view text, std::size_t limit) {
  if (text.empty()) return refuse(field, "must not be empty");
  if (text.size() > limit) return refuse(field, "longer than " + std::to_string(limit) + " bytes");
  if (!is_plain_text(text)) return refuse(field, "not UTF-8, or with control characters");
  return {};
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// ETSI EN 319 412-1 section 5.1.4: three letters of scheme, two of country, a hyphen, the number.
bool is_organization_identifier(std::string_view text) {
  return text.size() > 6 && std::all_of(text.begin(), text.begin() + 5, is_upper) && text[5] == '-' &&
         std::all_of(text.begin() + 6, text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

template <class T>
bool has_repeats(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return std::adjacent_find(values.begin(), values.end()) != values.end();
}

Result<void> check_time(std::string_view field, const std::optional<WallTime>& time) {
  if (time && (time->ns < 0 || time->ns % 1'000'000'000 != 0)) return refuse(field, "not a whole second since 1970");
  return {};
}

Result<void> check_holder(const RegistrationClaims& claims) {
  if (auto ok = check_text("legal_name", claims.legal_name, kMaxLegalName); !ok) return ok;
  if (!claims.organization_identifier.empty()) {
    if (auto ok = check_text("organization_identifier", claims.organization_identifier, kMaxOrganizationIdentifier); !ok)
      return ok;
    if (!is_organization_identifier(claims.organization_identifier)) {
      return refuse("organization_identifier", "not of the form NTRPK-0123456 (register, country, number)");
    }
  }
  if (claims.country.size() != 2 || !std::all_of(claims.country.begin(), claims.country.end(), is_upper)) {
    return refuse("country", "not two capital letters (ISO 3166-1)");
  }
  return {};
}

Result<void> check_names(const RegistrationClaims& claims) {
  if (claims.addresses.size() > kMaxAddresses) return refuse("addresses", "more than 64");
  for (const IpAddress& address : claims.addresses) {
    const auto bytes = address.bytes();
    if (std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; })) {
      return refuse("addresses", address.to_string() + " is no host's address");
    }
  }
  if (has_repeats(claims.addresses)) return refuse("addresses", "an address is given twice");
  if (claims.dns_names.size() > kMaxDnsNames) return refuse("dns_names", "more than 16");
  for (const std::string& name : claims.dns_names) {
    if (!is_dns_name(name)) return refuse("dns_names", "not a host name in lower case");
  }
  if (has_repeats(claims.dns_names)) return refuse("dns_names", "a name is given twice");
  return {};
}

}  // namespace

std::string_view to_string(Category category) noexcept {
  switch (category) {
    case Category::company:
      return "company";
    case Category::freelancer:
      return "freelancer";
    case Category::call_centre:
      return "call-centre";
    case Category::video_conference:
      return "video-conference";
    case Category::licensed_provider:
      return "licensed-provider";
  }
  return "unknown";
}

std::optional<Category> category_from_string(std::string_view text) noexcept {
  for (Category category : kCategories) {
    if (to_string(category) == text) return category;
  }
  return std::nullopt;
}

bool is_dns_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    const bool good = std::all_of(label.begin(), label.end(),
                                  [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (!good) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

Result<void> check_claims(const RegistrationClaims& claims) {
  if (auto ok = check_holder(claims); !ok) return ok;
  if (auto ok = check_names(claims); !ok) return ok;
  if (auto ok = check_text("authority", claims.authority, kMaxShortText); !ok) return ok;
  if (auto ok = check_text("regime", claims.regime, kMaxShortText); !ok) return ok;
  if (to_string(claims.category) == "unknown") return refuse("category", "not one of the five categories");
  if (claims.reference) {
    if (auto ok = check_text("reference", *claims.reference, kMaxShortText); !ok) return ok;
  }
  if (auto ok = check_time("approved_on", claims.approved_on); !ok) return ok;
  if (auto ok = check_time("registration_valid_until", claims.registration_valid_until); !ok) return ok;
  if (auto ok = check_text("purpose", claims.purpose, kMaxPurpose); !ok) return ok;
  if (claims.wireguard_key.is_zero()) return refuse("wireguard_key", "the zero key is nobody's");
  if (claims.listen_ports.empty() || claims.listen_ports.size() > kMaxListenPorts) {
    return refuse("listen_ports", "1 to 16 ports are needed");
  }
  if (std::find(claims.listen_ports.begin(), claims.listen_ports.end(), 0) != claims.listen_ports.end()) {
    return refuse("listen_ports", "a port is 1 to 65535");
  }
  if (has_repeats(claims.listen_ports)) return refuse("listen_ports", "a port is given twice");
  return check_text("gateway_id", claims.gateway_id, kMaxShortText);
}

}  // namespace sanad::registration
