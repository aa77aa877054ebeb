#pragma once
// What the key of a registration certificate signs about the key of an epoch, so that evidence leads back to the registration;
// and where in a log's directory that is. The text, byte for byte, every line with its newline:
//
//   sanad/log-key/v1
//   <origin>
//   epoch <number>
//   first <index of the epoch's first record>
//   key <vkey>
//
// Files, beside registration.pem (the chain in force, under a line that says from which record on):
//   registrations/<index>.pem              the chain that record <index> installed; in force until the next one's record
//   registrations/<index>.epoch-<n>.txt    the text about the key of epoch n
//   registrations/<index>.epoch-<n>.sig    its signature by the chain's first certificate: Ed25519, or ECDSA (SHA-256, DER)
// Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sanad::audit {

constexpr const char* kRegistrationFile = "registration.pem";
constexpr const char* kRegistrationDirectory = "registrations";

struct KeyStatement {
  std::string origin;
  std::uint64_t epoch = 0;
  std::uint64_t first_index = 0;
  std::string vkey;
};
std::string key_statement_text(const KeyStatement& statement);

// What a statement says is the epoch's first record. Nothing: it says nothing of the kind.
std::optional<std::uint64_t> first_of_statement(std::string_view text);

// Names relative to the log's directory.
std::string registration_chain_file(std::uint64_t index);
std::string key_statement_file(std::uint64_t registration_index, std::uint64_t epoch);
std::string key_signature_file(std::uint64_t registration_index, std::uint64_t epoch);
// What registration.pem says, and the record its first line names.
std::string registration_in_force_text(std::uint64_t index, std::string_view chain_pem);
std::optional<std::uint64_t> registration_in_force_since(std::string_view text);

}  // namespace sanad::audit
