#include "control/cli/log_source.hpp"

#include <utility>

#include "control/audit/key_following.hpp"
#include "control/audit/log_reader.hpp"
#include "control/cli/humane.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {

void define_keys(CLI::App& command, LogSource& source) {
  command
      .add_option("--key", source.keys, "The log's verifier key, from somebody you trust (repeatable); else the directory's own")
      ->type_name("VKEY")
      ->allow_extra_args(false);
}

void define_source(CLI::App& command, LogSource& source) {
  command.add_option("--dir", source.directory, "The log's directory")->type_name("DIR")->capture_default_str();
  define_keys(command, source);
}

Failure audit_failure(Error error) {
  error.field.clear();
  return failure_of(std::move(error));
}

Outcome<std::vector<audit::VerifierKey>> given_keys(const LogSource& source) {
  std::vector<audit::VerifierKey> keys;
  for (const auto& text : source.keys) {
    auto key = audit::parse_vkey(text);
    if (!key) return Failure{Exit::usage, key.error().message, "print it on the gateway: sanad log key", "--key"};
    keys.push_back(*std::move(key));
  }
  return keys;
}

Outcome<std::vector<audit::VerifierKey>> keys_of(const LogSource& source) {
  auto keys = given_keys(source);
  if (!keys) return keys;
  if (!keys->empty()) return audit::follow_keys(audit::LogReader(source.directory), *std::move(keys));
  auto own = audit::LogReader(source.directory).keys();
  if (!own) return audit_failure(std::move(own).error());
  for (auto& epoch : *own) keys->push_back(std::move(epoch.key));
  return keys;
}

Outcome<std::string> read_text_file(const std::string& path, std::size_t limit) {
  auto text = read_file(path, limit);
  if (!text) return failure_of(std::move(text).error());
  return *std::move(text);
}

std::string counted_records(std::uint64_t count) {
  return with_thousands(static_cast<std::int64_t>(count)) + (count == 1 ? " record" : " records");
}

}  // namespace sanad::cli
