#include "control/audit/key_statement.hpp"

namespace sanad::audit {
namespace {

std::string stem(std::uint64_t index) { return std::string(kRegistrationDirectory) + "/" + std::to_string(index); }

std::string about_epoch(std::uint64_t index, std::uint64_t epoch) { return stem(index) + ".epoch-" + std::to_string(epoch); }

}  // namespace

std::string key_statement_text(const KeyStatement& statement) {
  return "sanad/log-key/v1\n" + statement.origin + "\nepoch " + std::to_string(statement.epoch) + "\nfirst " +
         std::to_string(statement.first_index) + "\nkey " + statement.vkey + "\n";
}

std::string registration_chain_file(std::uint64_t index) { return stem(index) + ".pem"; }
std::string key_statement_file(std::uint64_t index, std::uint64_t epoch) { return about_epoch(index, epoch) + ".txt"; }
std::string key_signature_file(std::uint64_t index, std::uint64_t epoch) { return about_epoch(index, epoch) + ".sig"; }

std::string registration_in_force_text(std::uint64_t index, std::string_view chain_pem) {
  return "in force from record " + std::to_string(index) + " on\n" + std::string(chain_pem);
}

}  // namespace sanad::audit
