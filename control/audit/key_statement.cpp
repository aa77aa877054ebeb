#include "control/audit/key_statement.hpp"

#include "control/audit/decimal.hpp"
#include "control/audit/merkle.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kInForce = "in force from record ";

std::optional<std::uint64_t> number_between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + before.size());
  return parse_decimal(text.substr(0, text.find(after)), kMaxTreeSize);
}

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
  return std::string(kInForce) + std::to_string(index) + " on\n" + std::string(chain_pem);
}

std::optional<std::uint64_t> registration_in_force_since(std::string_view text) {
  return number_between(text, kInForce, " on\n");
}

std::optional<std::uint64_t> first_of_statement(std::string_view text) { return number_between(text, "\nfirst ", "\n"); }

}  // namespace sanad::audit
