#pragma once
// Certificates made on the spot, and the openssl program as a judge that shares no code of ours.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/certificate.hpp"

namespace sanad::registration::testing {

inline const WallTime kNow = *parse_rfc3339("2026-11-24T12:00:00Z");
inline const Validity kYear{*parse_rfc3339("2026-11-01T00:00:00Z"), *parse_rfc3339("2027-11-30T00:00:00Z")};

RegistrationClaims example_claims();

struct Authority {
  PrivateKeyPem key;
  std::string pem;
  [[nodiscard]] Issuer issuer() const { return {pem, key}; }
};
Authority make_authority(std::string_view name = "P@SHA", int path_length = 1, KeyAlgorithm algorithm = KeyAlgorithm::ed25519);
Authority below(const Authority& above, std::string_view name, int path_length = 0);

struct Gateway {
  PrivateKeyPem key;
  std::string pem;
};
Gateway self_declared(const RegistrationClaims& claims = example_claims(), KeyAlgorithm algorithm = KeyAlgorithm::ed25519,
                      Validity validity = kYear);
Gateway confirmed_by(const Authority& authority, const RegistrationClaims& claims = example_claims(),
                     KeyAlgorithm algorithm = KeyAlgorithm::ed25519, Validity validity = kYear);

struct Output {
  int status = -1;
  std::string text;  // stdout and stderr together
};
// Runs a program by its arguments, no shell; waits for its end.
Output run(const std::vector<std::string>& arguments, const std::filesystem::path& directory);

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void write(std::string_view name, std::string_view content) const;
  [[nodiscard]] std::string read(std::string_view name) const;

 private:
  std::filesystem::path path_;
};

}  // namespace sanad::registration::testing
