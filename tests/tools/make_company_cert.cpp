// sanad_test_certs: a company's root, and a registration certificate for one gateway under it. What `sanad registrar` does
// with policy, records and revocation; here only so that demo and tests have a certificate that somebody else than the gateway
// signed.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>

#include "control/registration/certificate.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad {
namespace {

struct Wanted {
  std::filesystem::path directory, registration_key;
  std::string root_name, legal_name, gateway_id, wireguard_key, address, country = "PK";
  std::uint16_t port = 51820;
  int days = 365;
};

constexpr std::size_t kMaxKeyFile = 16 * 1024;

Result<void> make(const Wanted& wanted) {
  auto gateway_key = read_secret_file(wanted.registration_key, kMaxKeyFile);
  if (!gateway_key) return gateway_key.error();
  auto subject = registration::public_key_of(registration::PrivateKeyPem(*gateway_key));
  if (!subject) return subject.error();
  auto wireguard_key = wg::PublicKey::from_base64(wanted.wireguard_key);
  if (!wireguard_key) return wireguard_key.error();
  auto address = IpAddress::parse(wanted.address);
  if (!address) return address.error();

  const WallTime now{sanad::now().wall.ns / 1'000'000'000 * 1'000'000'000};
  const registration::Validity validity{now, now + std::chrono::hours(24 * wanted.days)};
  auto root_key = registration::generate_key(registration::KeyAlgorithm::ed25519);
  if (!root_key) return root_key.error();
  auto root = registration::make_root(wanted.root_name, wanted.country, *root_key, validity);
  if (!root) return root.error();

  registration::RegistrationClaims claims;
  claims.legal_name = wanted.legal_name;
  claims.country = wanted.country;
  claims.addresses = {*address};
  claims.authority = "PTA";
  claims.regime = "pta-self-registration";
  claims.purpose = "Secure access of staff to the company's network";
  claims.wireguard_key = *wireguard_key;
  claims.listen_ports = {wanted.port};
  claims.gateway_id = wanted.gateway_id;
  auto certificate = registration::issue_by({*root, *root_key}, claims, *subject, validity);
  if (!certificate) return certificate.error();

  if (auto written = write_file_durably(wanted.directory / "trust.pem", *root, 0644); !written) return written;
  return write_file_durably(wanted.directory / "certificate.pem", *certificate + *root, 0644);
}

}  // namespace
}  // namespace sanad

int main(int argc, char** argv) {
  CLI::App app{"Makes DIR/trust.pem, a company's root, and DIR/certificate.pem, a gateway's registration under it",
               "sanad_test_certs"};
  sanad::Wanted wanted;
  app.add_option("--out", wanted.directory, "an existing directory")->required();
  app.add_option("--registration-key", wanted.registration_key, "the gateway's, PEM, mode 0600")->required();
  app.add_option("--root-name", wanted.root_name, "who confirms")->required();
  app.add_option("--legal-name", wanted.legal_name, "who runs the gateway")->required();
  app.add_option("--gateway-id", wanted.gateway_id)->required();
  app.add_option("--wireguard-key", wanted.wireguard_key, "the gateway's public key, base64")->required();
  app.add_option("--address", wanted.address, "where clients reach it")->required();
  app.add_option("--port", wanted.port)->capture_default_str();
  app.add_option("--days", wanted.days)->capture_default_str()->check(CLI::Range(1, 3650));
  CLI11_PARSE(app, argc, argv);
  if (auto made = sanad::make(wanted); !made) {
    std::cerr << "sanad_test_certs: " << made.error().message << '\n';
    return 1;
  }
  return 0;
}
