#include "control/cli/init_plan.hpp"

#include <fmt/format.h>

namespace sanad::cli {
namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(", ");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    parts.push_back(text.substr(0, text.find_first_of(", ")));
    text.remove_prefix(parts.back().size());
  }
  return parts;
}

std::string joined(const std::vector<std::string>& texts) { return fmt::format("[{}]", fmt::join(texts, ", ")); }

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text); }

}  // namespace

Result<std::vector<IpPrefix>> parse_networks(std::string_view text) {
  std::vector<IpPrefix> networks;
  for (const std::string_view part : split(text)) {
    const auto prefix = IpPrefix::parse(part);
    if (!prefix) return Error{Errc::invalid_argument, prefix.error().message, "--network", "As in 10.66.0.0/16, fd66::/64"};
    if (prefix->length() + 2 > prefix->address().max_prefix() || prefix->length() < 8) {
      return Error{Errc::invalid_argument, fmt::format("{} is no network to give peers addresses from", prefix->to_string()),
                   "--network", "As in 10.66.0.0/16, fd66::/64"};
    }
    for (const auto& other : networks) {
      if (other.address().family() == prefix->address().family()) {
        return Error{Errc::invalid_argument, "two networks of one family", "--network",
                     "One IPv4 and one IPv6; more can be added in the configuration"};
      }
    }
    networks.push_back(*prefix);
  }
  if (networks.empty()) return Error{Errc::invalid_argument, "no network", "--network", "As in 10.66.0.0/16, fd66::/64"};
  return networks;
}

Result<std::string> config_text(const InitAnswers& answers) {
  std::vector<std::string> addresses;
  for (const auto& network : answers.networks) {
    addresses.push_back(quoted(InterfaceAddress{network.address().plus(1), network.length()}.to_string()));
  }
  std::string routes;
  if (answers.routes == "full") {
    routes = "      routes: full\n";
  } else if (answers.routes != "tunnel") {
    std::vector<std::string> prefixes;
    for (const auto& network : answers.networks) prefixes.push_back(quoted(network.to_string()));
    for (const std::string_view part : split(answers.routes)) {
      const auto prefix = IpPrefix::parse(part);
      if (!prefix)
        return Error{Errc::invalid_argument, prefix.error().message, "--routes",
                     "tunnel, full, or prefixes as in 192.0.2.0/24,198.51.100.0/24"};
      prefixes.push_back(quoted(prefix->to_string()));
    }
    routes = "      routes: " + joined(prefixes) + "\n";
  }
  std::string text =
      "# Sanad's configuration, made by sanad init. Every other key and its default: config/reference.md.\n"
      "# Check a change with: sanadd --check; apply it with: sanad reload.\n\n";
  text += fmt::format("gateway:\n  id: {}\n  state_dir: {}\n  run_dir: {}\n\n", quoted(answers.gateway_id),
                      quoted(answers.state_dir), quoted(answers.run_dir));
  text += fmt::format("interfaces:\n  - name: {}\n    backend: {}\n    listen_port: {}\n    addresses: {}\n", answers.interface,
                      answers.backend, answers.port, joined(addresses));
  if (!routes.empty())
    text += "    nat:\n      # What peers send beyond the tunnel leaves with this host's own address.\n      masquerade: true\n";
  text += fmt::format("    client:\n      endpoint: {}\n{}", quoted(Endpoint{answers.public_address, answers.port}.to_string()),
                      routes);
  if (!answers.address_is_here) {
    text += fmt::format("\nregistration:\n  # Not on an interface of this host (1:1 NAT).\n  public_addresses: [{}]\n",
                        quoted(answers.public_address.to_string()));
  }
  return text;
}

Result<registration::RegistrationClaims> claims_of(const InitAnswers& answers, const wg::PublicKey& key) {
  registration::RegistrationClaims claims;
  const auto category = registration::category_from_string(answers.category);
  if (!category) {
    return Error{Errc::invalid_argument, fmt::format("no such category: \"{}\"", answers.category), "--category",
                 "One of company, freelancer, call-centre, video-conference, licensed-provider"};
  }
  claims.legal_name = answers.company;
  claims.country = answers.country;
  claims.addresses = {answers.public_address};
  // A self-declaration claims no authority's act: it names the regime it will be registered under where that is known.
  claims.authority = answers.country == "PK" ? "PTA" : "none";
  claims.regime = answers.country == "PK" ? "pta-self-registration" : "none";
  claims.category = *category;
  claims.purpose = "Secure access of staff to the company's network";
  claims.wireguard_key = key;
  claims.listen_ports = {answers.port};
  claims.gateway_id = answers.gateway_id;
  if (auto checked = registration::check_claims(claims); !checked) return checked.error();
  return claims;
}

std::string short_name(std::string_view company) {
  for (const std::string_view tail : {" Private Limited", " Limited", " Ltd.", " Ltd", " LLC", " Inc.", " Inc", " GmbH",
                                      " (SMC-Private)", " (Private)", " (Pvt.)", " (Pvt)", " Pvt.", " Pvt"}) {
    if (company.size() > tail.size() && company.ends_with(tail)) company.remove_suffix(tail.size());
  }
  return std::string(company);
}

}  // namespace sanad::cli
