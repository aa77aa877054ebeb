#include "tests/unit/registration/support.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

extern char** environ;

namespace sanad::registration::testing {

RegistrationClaims example_claims() {
  RegistrationClaims claims;
  claims.legal_name = "Example Software (Pvt) Ltd";
  claims.organization_identifier = "NTRPK-0123456";
  claims.country = "PK";
  claims.addresses = {*IpAddress::parse("203.0.113.10"), *IpAddress::parse("2001:db8::10")};
  claims.dns_names = {"vpn.example.com"};
  claims.authority = "PTA";
  claims.regime = "pta-self-registration";
  claims.category = Category::call_centre;
  claims.reference = "24-7781";
  claims.approved_on = *parse_rfc3339("2026-10-15T00:00:00Z");
  claims.registration_valid_until = *parse_rfc3339("2027-11-30T00:00:00Z");
  claims.purpose = "Remote work of our own staff";
  claims.wireguard_key = *wg::PublicKey::from_base64("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=");
  claims.listen_ports = {51820, 443};
  claims.gateway_id = "example-khi-1";
  return claims;
}

Authority make_authority(std::string_view name, int path_length, KeyAlgorithm algorithm) {
  Authority authority;
  authority.key = generate_key(algorithm).value();
  authority.pem = make_root(name, "PK", authority.key, kYear, path_length).value();
  return authority;
}

Authority below(const Authority& above, std::string_view name, int path_length) {
  Authority authority;
  authority.key = generate_key(KeyAlgorithm::ed25519).value();
  const std::string public_key = public_key_of(authority.key).value();
  authority.pem = make_intermediate(above.issuer(), name, "PK", public_key, kYear, path_length).value();
  return authority;
}

Gateway self_declared(const RegistrationClaims& claims, KeyAlgorithm algorithm, Validity validity) {
  Gateway gateway;
  gateway.key = generate_key(algorithm).value();
  gateway.pem = issue_self(claims, gateway.key, validity).value();
  return gateway;
}

Gateway confirmed_by(const Authority& authority, const RegistrationClaims& claims, KeyAlgorithm algorithm, Validity validity) {
  Gateway gateway;
  gateway.key = generate_key(algorithm).value();
  gateway.pem = issue_by(authority.issuer(), claims, public_key_of(gateway.key).value(), validity).value();
  return gateway;
}

Output run(const std::vector<std::string>& arguments, const std::filesystem::path& directory) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::filesystem::path out = directory / "output";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  pid_t child = -1;
  const int err = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  Output output;
  if (err != 0) {
    ADD_FAILURE() << "couldn't start " << arguments[0] << ": error " << err;
    return output;
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ostringstream text;
  text << std::ifstream{out}.rdbuf();
  output.text = text.str();
  return output;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "sanad-registration-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("couldn't make a temporary directory");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryDirectory::write(std::string_view name, std::string_view content) const {
  std::ofstream file{path_ / name, std::ios::binary};
  file << content;
  if (!file) throw std::runtime_error("couldn't write a test file");
}

std::string TemporaryDirectory::read(std::string_view name) const {
  std::ostringstream text;
  text << std::ifstream{path_ / name, std::ios::binary}.rdbuf();
  return text.str();
}

}  // namespace sanad::registration::testing
