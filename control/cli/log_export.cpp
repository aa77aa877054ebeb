// log export: a copy of the log that anybody can verify, or some of its records as lines.

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "control/audit/log_export.hpp"
#include "control/audit/verifier.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/log_disclosures.hpp"
#include "control/cli/text.hpp"

namespace sanad::cli {
namespace {

struct Options {
  std::string directory = "/var/lib/sanad/log";
  std::string out;
  std::optional<std::uint64_t> from, to;  // the first record wanted, and the first that is not
  std::string disclosures;                // a file: the daemon is asked
};

std::string records(std::uint64_t count) {
  return with_thousands(static_cast<std::int64_t>(count)) + (count == 1 ? " record" : " records");
}

class Bar final {
 public:
  Bar(Context& context, std::string what) : context_(context), what_(std::move(what)) {}
  void at(std::uint64_t done, std::uint64_t total) {
    if (!progress_) progress_.emplace(context_, what_, total);
    progress_->at(done);
  }

 private:
  Context& context_;
  std::string what_;
  std::optional<Progress> progress_;
};

Outcome<audit::VerifiedLog> verified(Context& context, const std::string& directory) {
  audit::VerifyOptions how;
  Bar bar(context, "verifying");
  how.progress = [&](std::uint64_t done, std::uint64_t total) { bar.at(done, total); };
  auto log = audit::verify_log(audit::LogReader(directory), how);
  if (log) return *std::move(log);
  Error error = std::move(log).error();
  error.field.clear();  // the message names the file
  return failure_of(std::move(error));
}

Outcome<void> export_copy(Context& context, const Options& options) {
  {
    Bar bar(context, "copying");
    const auto copied =
        audit::export_log(options.directory, options.out, [&](std::uint64_t done, std::uint64_t total) { bar.at(done, total); });
    if (!copied) return failure_of(copied.error());
  }
  const auto log = verified(context, options.out);
  if (!log) return log.error();
  context.out << records(log->checkpoint.size) << " of " << safe(log->checkpoint.origin) << " copied to " << safe(options.out)
              << ", and verified there.\nNothing in it is personal; it can be given to anyone. Give the key by another way: "
              << safe(audit::to_vkey(log->epochs.front().key)) << "\n";
  return {};
}

Outcome<void> open_file(std::ofstream& file, const std::string& path, const char* option) {
  file.open(path, std::ios::binary | std::ios::trunc);
  if (!file) return Failure{Exit::failure, "couldn't write " + path, {}, option};
  return {};
}

// Apart from the records: they can be given to anyone, this cannot.
Outcome<void> export_disclosures(Context& context, const Options& options, std::uint64_t from, std::uint64_t to) {
  const mode_t before = ::umask(0077);
  std::ofstream file;
  const auto opened = open_file(file, options.disclosures, "--disclosures");
  ::umask(before);
  if (!opened) return opened;
  const auto written = write_disclosures(context.client(), from, to, file);
  if (!written) return written.error();
  file.flush();
  if (!file) return Failure{Exit::failure, "couldn't write all of " + options.disclosures, {}, "--disclosures"};
  if (!options.out.empty()) {
    context.out << "what the daemon still knows of " << records(*written) << " written to " << safe(options.disclosures)
                << ": personal data, and on record that you have read it\n";
  }
  return {};
}

// Verified as a whole before the first line: a line that was exported is one that the signed tree has.
Outcome<void> export_lines(Context& context, const Options& options) {
  const auto log = verified(context, options.directory);
  if (!log) return log.error();
  const std::uint64_t end = log->first_record + log->checkpoint.size;
  const std::uint64_t from = std::max(options.from.value_or(0), log->first_record);
  const std::uint64_t to = std::min(options.to.value_or(end), end);
  if (from >= to) {
    return Failure{
        Exit::not_found, "the log has records " + std::to_string(log->first_record) + " to " + std::to_string(end - 1), {}, {}};
  }
  std::ofstream file;
  if (!options.out.empty()) {
    if (auto opened = open_file(file, options.out, "--out"); !opened) return opened;
  }
  std::ostream& out = options.out.empty() ? context.out : file;
  const audit::LogReader reader(options.directory);
  audit::Bundle bundle;
  for (std::uint64_t record = from; record < to;) {
    const std::uint64_t index = record - log->first_record;
    const std::uint64_t number = index / audit::kTileWidth;
    const auto width =
        static_cast<unsigned>(std::min<std::uint64_t>(audit::kTileWidth, log->checkpoint.size - number * audit::kTileWidth));
    if (auto read = reader.entries(number, width, bundle); !read) return failure_of(std::move(read).error());
    for (std::uint64_t at = index % audit::kTileWidth; at < width && record < to; ++at, ++record) {
      const auto entry = bundle.entries[at];
      out.write(reinterpret_cast<const char*>(entry.data()), static_cast<std::streamsize>(entry.size())) << "\n";
    }
  }
  out.flush();
  if (!out) return Failure{Exit::failure, "couldn't write all of the records", {}, {}};
  if (!options.out.empty()) context.out << records(to - from) << " written to " << safe(options.out) << "\n";
  return options.disclosures.empty() ? Outcome<void>() : export_disclosures(context, options, from, to);
}

Outcome<void> run(Context& context, const Options& options) {
  if (options.from || options.to) return export_lines(context, options);
  if (!options.disclosures.empty())
    return Failure{Exit::usage, "--disclosures: of which records? --from, --to", {}, "--disclosures"};
  if (options.out.empty()) return Failure{Exit::usage, "--out: where to, as a directory that is not there yet", {}, "--out"};
  return export_copy(context, options);
}

}  // namespace

void add_log_export_command(CLI::App& log, Chosen& chosen) {
  add_command<Options>(
      log, chosen, "export", "Copy the log so that anybody can verify it; or some records, a line each",
      "sanad log export --out /mnt/usb/log",
      [](CLI::App& command, Options& o) {
        command.add_option("--dir", o.directory, "The log's directory")->type_name("DIR")->capture_default_str();
        command.add_option("--out", o.out, "The copy's directory; with --from or --to a file, else standard output")
            ->type_name("PATH");
        command.add_option("--from", o.from, "First record: then lines of JSON are written, not a copy")->type_name("INDEX");
        command.add_option("--to", o.to, "The record after the last")->type_name("INDEX");
        command
            .add_option("--disclosures", o.disclosures,
                        "Also write the personal values behind these records here: the daemon is asked and records it")
            ->type_name("FILE");
      },
      run);
}

}  // namespace sanad::cli
