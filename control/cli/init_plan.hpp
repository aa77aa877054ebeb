#pragma once
// What `sanad init` decides before it touches anything. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/claims.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/result.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::cli {

inline constexpr int kSelfValidDays = 365;

struct InitAnswers {
  IpAddress public_address;
  bool address_is_here = true;     // on one of this host's interfaces; false: behind 1:1 NAT
  std::vector<IpPrefix> networks;  // of the tunnel; the first address of each is the gateway's
  std::string company;             // legal name
  std::string country = "PK";      // ISO 3166-1 alpha-2
  std::string category = "company";
  std::string gateway_id;
  std::string interface = "wg0";
  std::string backend = "auto";
  std::uint16_t port = 51820;
  std::string routes = "tunnel";  // what clients send through it: tunnel, full, or prefixes separated by commas
  std::string state_dir = "/var/lib/sanad";
  std::string run_dir = "/run/sanad";
};

// "10.66.0.0/16, fd66::/64": one IPv4, one IPv6, or both; room for the gateway and a peer. invalid_argument.
Result<std::vector<IpPrefix>> parse_networks(std::string_view text);

// The configuration file. invalid_argument when the routes are none.
Result<std::string> config_text(const InitAnswers& answers);

// What the self-declared certificate will say. invalid_argument, checked by registration::check_claims.
Result<registration::RegistrationClaims> claims_of(const InitAnswers& answers, const wg::PublicKey& key);

// "Example Software (Pvt) Ltd" -> "Example Software": how people call it.
std::string short_name(std::string_view company);

}  // namespace sanad::cli
