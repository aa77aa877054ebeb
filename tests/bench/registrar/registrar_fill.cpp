// registrar_fill DIR COUNT REVOKED: a registrar with so many certificates, issued over the year before now, and the first ones
// revoked. Beside it, OUT.csr files for one more. Every certificate is made as an ordinary one is.

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "control/registrar/registrar.hpp"
#include "control/registration/profile.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad {
namespace {

constexpr std::chrono::hours kDay{24};
constexpr std::size_t kAtOnce = 2'000;

registration::RegistrationClaims claims_for(std::uint32_t number) {
  registration::RegistrationClaims claims;
  claims.legal_name = "Company " + std::to_string(number) + " (Pvt) Ltd";
  claims.country = "PK";
  claims.addresses = {IpAddress::parse("20.0.0.0")->plus(number)};
  claims.authority = "PTA";
  claims.regime = "pta-self-registration";
  claims.purpose = "Secure access of staff to the company's network";
  std::array<std::uint8_t, 32> key{};
  for (std::size_t i = 0; i < 4; ++i) key[i] = static_cast<std::uint8_t>(number >> (8 * i));
  key[31] = 1;
  claims.wireguard_key = wg::PublicKey{key};
  claims.listen_ports = {51820};
  claims.gateway_id = "gateway-" + std::to_string(number);
  return claims;
}

std::string request_for(std::uint32_t number) {
  const auto key = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
  return registration::make_request(claims_for(number), key).value();
}

// A client's profile of one more gateway, as its daemon would sign it.
Result<void> write_profile(const std::filesystem::path& directory, registrar::Registrar& registrar,
                           const registration::PrivateKeyPem& ca_key, WallTime today) {
  const auto key = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
  const auto claims = claims_for(4'000'000);
  const std::string request = registration::make_request(claims, key).value();
  auto issued = registrar.issue({request, {}, {}, {}, {}}, ca_key, false, today - kDay);
  if (!issued) return issued.error();
  registration::ProfileInput input;
  input.gateway_name = claims.gateway_id;
  input.addresses = {InterfaceAddress::parse("10.66.0.2/32").value()};
  input.gateway_key = claims.wireguard_key;
  input.networks = {IpPrefix::parse("10.66.0.0/16").value()};
  input.endpoint_host = claims.addresses.front().to_string();
  input.endpoint_port = claims.listen_ports.front();
  input.issued_at = today;
  input.sequence = 1;
  input.issuer = registration::ProfileIssuer{"run by " + claims.legal_name, issued->chain, {}};
  auto text = registration::write_profile(input);
  if (!text) return text.error();
  auto profile = registration::sign_profile(*text, key);
  if (!profile) return profile.error();
  return write_file_durably(directory / "profile.conf", *profile, 0644);
}

Result<void> fill(const std::filesystem::path& directory, std::uint32_t count, std::uint32_t revoked) {
  const audit::Actor actor{0, 0, 1, "bench", "", ""};
  const WallTime today = now().wall;
  const registrar::Beginning beginning{"Bench Association", "PK", 3650, {}, {}, {}, {}};
  if (auto begun = registrar::Registrar::begin(directory, beginning, actor, today - kDay * 365); !begun) return begun;
  auto opened = registrar::Registrar::open(directory, actor);
  if (!opened) return opened.error();
  auto key = opened->key({});
  if (!key) return key.error();
  // One registration key for all of them, despite the policy: making 100,000 keys is no registrar's work.
  const auto applicant = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
  std::vector<std::string> serials;
  for (std::uint32_t done = 0; done < count;) {
    std::vector<registrar::Application> some;
    while (some.size() < kAtOnce && done < count)
      some.push_back({registration::make_request(claims_for(done++), applicant).value(), {}, {}, {}, {}});
    // From 364 days ago to today: a thirtieth of them or so is due within the next days.
    const WallTime when = today - kDay * 364 + std::chrono::hours(24 * 364) / count * done;
    auto issued = opened->issue_all(some, *key, true, when);
    if (!issued) return issued.error();
    for (const auto& one : *issued) serials.push_back(one.certificate.serial);
  }
  auto& store = opened->store();
  auto changed = store.transact([&]() -> Result<void> {
    // The last ones: they stay on the list until their own end.
    for (std::uint32_t i = 0; i < revoked && i < serials.size(); ++i)
      store.revoke(serials[serials.size() - 1 - i], today, registration::RevocationReason::superseded);
    return {};
  });
  if (!changed) return changed;
  for (std::uint32_t i = 0; i < 20; ++i) {
    const auto file = directory / ("more-" + std::to_string(i) + ".csr");
    if (auto written = write_file_durably(file, request_for(count + i), 0644); !written) return written;
  }
  if (auto written = write_profile(directory, *opened, *key, today); !written) return written;
  return opened->publish_log(today);
}

}  // namespace
}  // namespace sanad

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: registrar_fill DIR COUNT REVOKED\n";
    return 2;
  }
  const auto count = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
  const auto revoked = static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10));
  if (auto filled = sanad::fill(argv[1], count, revoked); !filled) {
    std::cerr << "registrar_fill: " << filled.error().message << "\n";
    return 1;
  }
  return 0;
}
