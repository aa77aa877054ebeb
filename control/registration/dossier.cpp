#include "control/registration/dossier.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "control/registration/fields.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::registration {
namespace {

using config::Rule;

constexpr std::size_t kFeeFrom = 5;  // addresses, those registered before included (the portal's FAQ)

Rule rule_of(Rule::Kind kind, std::int64_t low = 0, std::int64_t high = 0) {
  Rule rule;
  rule.kind = kind;
  rule.low = low;
  rule.high = high;
  return rule;
}

ReadField read_category(Category& out) {
  return [&out](const config::Value& value, const std::string& path, std::vector<config::Problem>& problems) {
    config::Input in(value, path, problems);
    Rule rule = rule_of(Rule::Kind::choice);
    for (int i = 0; i <= static_cast<int>(Category::licensed_provider); ++i)
      rule.words.push_back(to_string(static_cast<Category>(i)));
    if (const auto index = config::read_choice(rule, in)) out = static_cast<Category>(*index);
  };
}

ReadField read_representative(Answers::Representative& out) {
  return [&out](const config::Value& value, const std::string& path, std::vector<config::Problem>& problems) {
    read_fields(value, path,
                {{"name", into(text_rule(128), out.name), true},
                 {"position", into(text_rule(128), out.position)},
                 {"identity_number", into(text_rule(32), out.identity_number), true},
                 {"telephone", into(text_rule(32), out.telephone)},
                 {"email", into(text_rule(128), out.email)}},
                problems);
  };
}

ReadField read_documents(std::map<std::string, std::filesystem::path>& out) {
  return [&out](const config::Value& value, const std::string& path, std::vector<config::Problem>& problems) {
    std::map<std::string_view, std::string> files;
    std::vector<Field> fields;
    for (const DocumentKind& kind : document_kinds()) fields.push_back({kind.name, into(text_rule(1024), files[kind.name])});
    read_fields(value, path, fields, problems);
    for (auto& [kind, file] : files) {
      if (!file.empty()) out.emplace(kind, std::move(file));
    }
  };
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string listed(std::string_view text) {
  std::string out = "[";
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) out += (out.size() > 1 ? ", " : "") + in_quotes(item);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out + "]";
}

}  // namespace

const std::vector<DocumentKind>& document_kinds() {
  static const std::vector<DocumentKind> kKinds{
      {"cnic_front", "CNIC of the applicant, front"},
      {"cnic_back", "CNIC of the applicant, back"},
      {"incorporation", "Letter of incorporation"},
      {"active_taxpayer", "Proof of active taxpayer"},
      {"employer_letter", "Letter of authentication from the employer or business concern"},
      {"organization_letter", "Letter from the government organization or company"},
      {"pseb_certificate", "PSEB call centre certificate"},
      {"fee_receipt", "Receipt of the fee"},
      {"licence", "Licence of the provider"},
      {"undertaking", "Undertaking on letterhead"},
  };
  return kKinds;
}

std::vector<std::vector<std::string_view>> needed_documents(Category category, std::size_t addresses) {
  std::vector<std::vector<std::string_view>> needed{{"cnic_front"}, {"cnic_back"}};
  switch (category) {
    case Category::company:
      needed.push_back({"incorporation", "active_taxpayer"});
      break;
    case Category::freelancer:
      needed.push_back({"employer_letter"});
      break;
    case Category::call_centre:
      needed.push_back({"incorporation", "active_taxpayer"});
      needed.push_back({"pseb_certificate"});
      break;
    case Category::video_conference:
      needed.push_back({"incorporation", "organization_letter"});
      break;
    case Category::licensed_provider:
      needed.push_back({"incorporation"});
      needed.push_back({"licence"});
      break;
  }
  const bool whitelisting = category == Category::call_centre || category == Category::video_conference;
  if (whitelisting && addresses >= kFeeFrom) needed.push_back({"fee_receipt"});
  return needed;
}

std::vector<Question> questions_for(Category category, std::size_t addresses) {
  std::vector<Question> questions{
      {"service_provider", "Service provider (ISP)", "Example Internet"},
      {"subscriber_id", "Subscriber ID, as the service provider issued it", "EI-20417"},
      {"legal_name", "Legal name of who runs the gateway", "Example Software (Pvt) Ltd"},
      {"organization_identifier", "Company or tax number", "NTRPK-0123456", true},
      {"country", "Country", "PK"},
      {"authority", "Authority", "PTA"},
      {"regime", "Regime", "pta-self-registration"},
      {"purpose", "Purpose", "Secure access of staff to the company's network"},
      {"addresses", "Static addresses of the gateway", "203.0.113.10", false, true},
      {"dns_names", "Names of the gateway", "vpn.example.com", true, true},
      {"software", "VPN software", "Sanad, WireGuard over UDP", true},
      {"reference", "Reference of the registration, when this renews one", "24-7781", true},
      {"representative.name", "Representative: name", "Ayesha Khan"},
      {"representative.position", "Representative: position", "Director", true},
      {"representative.identity_number", "Representative: CNIC, NICOP or passport", "42101-0000000-0"},
      {"representative.telephone", "Representative: telephone", "+92 300 0000000", true},
      {"representative.email", "Representative: e-mail", "ayesha@example.com", true},
  };
  for (const auto& choice : needed_documents(category, addresses)) {
    for (const std::string_view name : choice) {
      const auto& kinds = document_kinds();
      const auto kind = std::find_if(kinds.begin(), kinds.end(), [name](const DocumentKind& k) { return k.name == name; });
      questions.push_back({name, kind->title, "file", choice.size() > 1});
    }
  }
  return questions;
}

std::string answers_text(const std::map<std::string, std::string>& by_key) {
  std::string top;
  std::string representative;
  std::string documents;
  for (const auto& [key, value] : by_key) {
    if (value.empty()) continue;
    constexpr std::string_view kRepresentative = "representative.";
    const bool list = key == "addresses" || key == "dns_names";
    const auto& kinds = document_kinds();
    const bool document =
        std::any_of(kinds.begin(), kinds.end(), [&name = key](const DocumentKind& kind) { return kind.name == name; });
    if (key.starts_with(kRepresentative))
      representative += "  " + key.substr(kRepresentative.size()) + ": " + in_quotes(value) + "\n";
    else if (document)
      documents += "  " + key + ": " + in_quotes(value) + "\n";
    else
      top += key + ": " + (list ? listed(value) : in_quotes(value)) + "\n";
  }
  if (!representative.empty()) top += "representative:\n" + representative;
  if (!documents.empty()) top += "documents:\n" + documents;
  return top;
}

Result<Answers> parse_answers(std::string_view text, std::string_view filename) {
  Answers answers;
  std::string reference;
  const std::vector<Field> fields{
      {"category", read_category(answers.category), true},
      {"legal_name", into(text_rule(kMaxLegalName), answers.legal_name), true},
      {"organization_identifier", into(text_rule(kMaxOrganizationIdentifier), answers.organization_identifier)},
      {"country", into(text_rule(2), answers.country), true},
      {"authority", into(text_rule(kMaxShortText), answers.authority), true},
      {"regime", into(text_rule(kMaxShortText), answers.regime), true},
      {"reference", into(text_rule(kMaxShortText), reference)},
      {"purpose", into(text_rule(kMaxPurpose), answers.purpose), true},
      {"service_provider", into(text_rule(128), answers.service_provider), true},
      {"subscriber_id", into(text_rule(128), answers.subscriber_id), true},
      {"addresses", into(list_rule(rule_of(Rule::Kind::address), kMaxAddresses), answers.addresses), true},
      {"dns_names", into(list_rule(rule_of(Rule::Kind::domain), kMaxDnsNames), answers.dns_names)},
      {"listen_ports", into(list_rule(rule_of(Rule::Kind::integer, 1, 65535), kMaxListenPorts), answers.listen_ports)},
      {"gateway_id", into(text_rule(kMaxShortText), answers.gateway_id)},
      {"software", into(text_rule(256), answers.software)},
      {"representative", read_representative(answers.representative), true},
      {"documents", read_documents(answers.documents), true}};
  if (auto read = read_fields_of(text, filename, fields); !read) return read.error();
  if (!reference.empty()) answers.reference = reference;
  return answers;
}

std::vector<std::string> shortcomings(const Answers& answers) {
  std::vector<std::string> out;
  for (const auto& choice : needed_documents(answers.category, answers.addresses.size())) {
    const bool there = std::any_of(choice.begin(), choice.end(),
                                   [&](std::string_view name) { return answers.documents.contains(std::string{name}); });
    if (there) continue;
    std::string names;
    for (const std::string_view name : choice) names += (names.empty() ? "" : " or ") + std::string{name};
    out.push_back("documents: " + names + " is needed of the category " + std::string{to_string(answers.category)});
  }
  static const std::vector<IpPrefix> kUnregistrable = [] {
    std::vector<IpPrefix> list;
    for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
                             "224.0.0.0/3", "fc00::/7", "fe80::/10", "ff00::/8", "::1/128"}) {
      list.push_back(IpPrefix::parse(text).value());
    }
    return list;
  }();
  for (const IpAddress& address : answers.addresses) {
    const bool unreachable =
        std::any_of(kUnregistrable.begin(), kUnregistrable.end(), [&](const IpPrefix& p) { return p.contains(address); });
    if (unreachable)
      out.push_back("addresses: " + address.to_string() + " cannot be reached from the Internet: give the public static address");
  }
  return out;
}

Result<RegistrationClaims> claims_from(const Answers& answers, const wg::PublicKey& wireguard_key) {
  RegistrationClaims claims;
  claims.legal_name = answers.legal_name;
  claims.organization_identifier = answers.organization_identifier;
  claims.country = answers.country;
  claims.addresses = answers.addresses;
  claims.dns_names = answers.dns_names;
  claims.authority = answers.authority;
  claims.regime = answers.regime;
  claims.category = answers.category;
  claims.reference = answers.reference;
  claims.purpose = answers.purpose;
  claims.wireguard_key = wireguard_key;
  claims.listen_ports = answers.listen_ports;
  claims.gateway_id = answers.gateway_id;
  if (auto good = check_claims(claims); !good) return good.error();
  return claims;
}

std::string index_json(const RegistrationClaims& claims, const std::vector<Document>& documents, const Sha256& request,
                       WallTime now) {
  boost::json::array list;
  for (const Document& document : documents) {
    list.push_back(boost::json::object{
        {"kind", document.kind}, {"file", document.filename}, {"bytes", document.size}, {"sha256", hex_encode(document.sha256)}});
  }
  const boost::json::object index{{"kind", "sanad-dossier"},
                                  {"version", 1},
                                  {"made", to_rfc3339(now)},
                                  {"legal_name", claims.legal_name},
                                  {"gateway_id", claims.gateway_id},
                                  {"category", to_string(claims.category)},
                                  {"request_sha256", hex_encode(request)},
                                  {"documents", std::move(list)}};
  return boost::json::serialize(index) + "\n";
}

std::vector<std::string> differences(const RegistrationClaims& asked, const RegistrationClaims& certified) {
  std::vector<std::string> out;
  const auto compare = [&](std::string_view name, const auto& a, const auto& b) {
    if (a != b) out.push_back(std::string{name} + " is not what was asked for");
  };
  const auto sorted = [](auto values) {
    std::sort(values.begin(), values.end());
    return values;
  };
  compare("legal_name", asked.legal_name, certified.legal_name);
  compare("organization_identifier", asked.organization_identifier, certified.organization_identifier);
  compare("country", asked.country, certified.country);
  compare("addresses", sorted(asked.addresses), sorted(certified.addresses));
  compare("dns_names", sorted(asked.dns_names), sorted(certified.dns_names));
  compare("authority", asked.authority, certified.authority);
  compare("regime", asked.regime, certified.regime);
  compare("category", asked.category, certified.category);
  compare("purpose", asked.purpose, certified.purpose);
  compare("wireguard_key", asked.wireguard_key, certified.wireguard_key);
  compare("listen_ports", sorted(asked.listen_ports), sorted(certified.listen_ports));
  compare("gateway_id", asked.gateway_id, certified.gateway_id);
  return out;
}

}  // namespace sanad::registration
