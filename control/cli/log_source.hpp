#pragma once
// What the auditor's commands begin with: a log's directory, and the keys to believe.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "control/audit/note.hpp"
#include "control/cli/failure.hpp"

namespace sanad::cli {

struct LogSource {
  std::string directory = "/var/lib/sanad/log";
  std::vector<std::string> keys;  // vkeys; none: the directory's own
};

void define_keys(CLI::App& command, LogSource& source);    // --key
void define_source(CLI::App& command, LogSource& source);  // --dir, --key

// Those given, and nothing else.
Outcome<std::vector<audit::VerifierKey>> given_keys(const LogSource& source);
// Those given and those that the log's records lead to from them; else the directory's own.
Outcome<std::vector<audit::VerifierKey>> keys_of(const LogSource& source);

// Of an error whose message names the file already.
Failure audit_failure(Error error);
Outcome<std::string> read_text_file(const std::string& path, std::size_t limit);
std::string counted_records(std::uint64_t count);  // "1 record", "1,204,331 records"

}  // namespace sanad::cli
