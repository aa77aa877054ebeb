#include "control/registrar/policy.hpp"

#include <algorithm>
#include <array>

#include "control/registration/fields.hpp"

namespace sanad::registrar {
namespace {

using config::Rule;
using registration::Category;
using registration::Field;
using registration::into;
using registration::list_rule;
using registration::RegistrationClaims;
using registration::text_rule;

// What a policy may ask for beyond what every certificate has.
struct Askable {
  std::string_view name;
  bool (*given)(const RegistrationClaims&);
};
constexpr std::array<Askable, 6> kAskable{{
    {"organization_identifier", [](const RegistrationClaims& c) { return !c.organization_identifier.empty(); }},
    {"addresses", [](const RegistrationClaims& c) { return !c.addresses.empty(); }},
    {"dns_names", [](const RegistrationClaims& c) { return !c.dns_names.empty(); }},
    {"reference", [](const RegistrationClaims& c) { return c.reference.has_value(); }},
    {"approved_on", [](const RegistrationClaims& c) { return c.approved_on.has_value(); }},
    {"registration_valid_until", [](const RegistrationClaims& c) { return c.registration_valid_until.has_value(); }},
}};

constexpr std::array<Category, 5> kCategories{Category::company, Category::freelancer, Category::call_centre,
                                              Category::video_conference, Category::licensed_provider};

Rule days(std::int64_t most) {
  Rule rule;
  rule.kind = Rule::Kind::days;
  rule.low = 1;
  rule.high = most;
  return rule;
}

Rule boolean() {
  Rule rule;
  rule.kind = Rule::Kind::boolean;
  return rule;
}

Rule prefixes(std::size_t most) {
  Rule rule;
  rule.kind = Rule::Kind::prefix;
  return list_rule(rule, most);
}

Rule askable() {
  Rule rule;
  rule.kind = Rule::Kind::choice;
  for (const Askable& one : kAskable) rule.words.push_back(one.name);
  return rule;
}

registration::ReadField read_days(std::chrono::seconds& out, std::int64_t most) {
  return [&out, most](const config::Value& value, const std::string& path, std::vector<config::Problem>& problems) {
    config::Input in(value, path, problems);
    if (const auto number = config::read_number(days(most), in)) out = std::chrono::hours(24 * *number);
  };
}

registration::ReadField read_required(Policy& policy) {
  return [&policy](const config::Value& value, const std::string& path, std::vector<config::Problem>& problems) {
    std::vector<Field> fields;
    for (const Category category : kCategories) {
      fields.push_back({registration::to_string(category), [&policy, category](const config::Value& names, const std::string& at,
                                                                               std::vector<config::Problem>& out) {
                          config::Input in(names, at, out);
                          if (!config::check_list(list_rule(askable(), kAskable.size()), in)) return;
                          for (std::size_t i = 0; i < names.items.size(); ++i) {
                            config::Input item = in.item(i);
                            if (const auto index = config::read_choice(askable(), item))
                              policy.required[category].emplace_back(kAskable[*index].name);
                          }
                        }});
    }
    registration::read_fields(value, path, fields, problems);
  };
}

registration::ReadField read_members(Policy& policy) {
  return [&policy](const config::Value& value, const std::string& path, std::vector<config::Problem>& problems) {
    registration::read_items(value, path, kMaxMembers, problems, [&](const config::Value& item, const std::string& at) {
      Member member;
      const std::vector<Field> fields{
          {"legal_name", into(text_rule(registration::kMaxLegalName), member.legal_name), true},
          {"organization_identifier", into(text_rule(registration::kMaxOrganizationIdentifier), member.organization_identifier)},
          {"addresses", into(prefixes(256), member.addresses)}};
      registration::read_fields(item, at, fields, problems);
      policy.members.push_back(std::move(member));
    });
  };
}

bool inside(const IpAddress& address, const std::vector<IpPrefix>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const IpPrefix& range) { return range.contains(address); });
}

void judge_addresses(const Policy& policy, const Member* member, const RegistrationClaims& claims, std::vector<Objection>& out) {
  const bool own = member != nullptr && !member->addresses.empty();
  const std::vector<IpPrefix>& ranges = own ? member->addresses : policy.addresses;
  if (ranges.empty()) return;
  for (const IpAddress& address : claims.addresses) {
    if (inside(address, ranges)) continue;
    out.push_back({"addresses", address.to_string() +
                                    (own ? " is in none of this member's ranges" : " is in none of the registrar's ranges")});
  }
}

}  // namespace

std::string example_policy() {
  return R"(# What this registrar confirms. Checked at every application; a change counts from the next one on.

# The longest a certificate may be valid.
longest_validity: 366d

# How long a revocation list, and the list of genuine gateways, may be used: publish again before that.
crl_lifetime: 7d
list_lifetime: 7d

# No two gateways with one key, no two holders with one reference.
unique_key: true
unique_reference: true

# What an application must have, by category: organization_identifier, addresses, dns_names, reference, approved_on,
# registration_valid_until.
required:
  company: [addresses]

# What may be registered at all; without it, any address.
#addresses: [203.0.113.0/24]

# Whether only these may be confirmed. A member's own ranges count instead of the ones above.
members_only: false
#members:
#  - legal_name: Example Software (Pvt) Ltd
#    organization_identifier: NTRPK-0123456
#    addresses: [203.0.113.8/29]
)";
}

Result<Policy> parse_policy(std::string_view text, std::string_view filename) {
  Policy policy;
  constexpr std::int64_t kLongest = 3660;
  const std::vector<Field> fields{{"longest_validity", read_days(policy.longest_validity, kLongest)},
                                  {"crl_lifetime", read_days(policy.crl_lifetime, 366)},
                                  {"list_lifetime", read_days(policy.list_lifetime, 366)},
                                  {"unique_key", into(boolean(), policy.unique_key)},
                                  {"unique_reference", into(boolean(), policy.unique_reference)},
                                  {"required", read_required(policy)},
                                  {"addresses", into(prefixes(4096), policy.addresses)},
                                  {"members_only", into(boolean(), policy.members_only)},
                                  {"members", read_members(policy)}};
  if (auto read = registration::read_fields_of(text, filename, fields); !read) return read.error();
  return policy;
}

std::vector<Objection> objections(const Policy& policy, const RegistrationClaims& claims, const registration::Validity& validity,
                                  const Known& known) {
  std::vector<Objection> out;
  const auto found = std::find_if(policy.members.begin(), policy.members.end(),
                                  [&](const Member& one) { return one.legal_name == claims.legal_name; });
  const Member* member = found == policy.members.end() ? nullptr : &*found;
  if (policy.members_only && member == nullptr)
    out.push_back({"legal_name", "\"" + claims.legal_name + "\" is not among the members"});
  if (member != nullptr && !member->organization_identifier.empty() &&
      member->organization_identifier != claims.organization_identifier) {
    out.push_back({"organization_identifier", "not this member's, which is " + member->organization_identifier});
  }
  if (const auto required = policy.required.find(claims.category); required != policy.required.end()) {
    for (const std::string& name : required->second) {
      const auto askable = std::find_if(kAskable.begin(), kAskable.end(), [&](const Askable& one) { return one.name == name; });
      if (askable != kAskable.end() && !askable->given(claims))
        out.push_back({name, "needed of the category " + std::string{to_string(claims.category)} + ", and not there"});
    }
  }
  judge_addresses(policy, member, claims, out);
  if (policy.unique_key && known.key_holder)
    out.push_back({"wireguard_key", "a key of this gateway is already certified for " + *known.key_holder});
  if (policy.unique_reference && known.reference_holder)
    out.push_back({"reference", "already certified for " + *known.reference_holder});
  if (validity.not_after - validity.not_before > policy.longest_validity) {
    out.push_back(
        {"valid_until", "longer than the policy allows: " +
                            std::to_string(std::chrono::duration_cast<std::chrono::hours>(policy.longest_validity).count() / 24) +
                            " days"});
  }
  return out;
}

}  // namespace sanad::registrar
