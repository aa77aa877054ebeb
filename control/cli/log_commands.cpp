// log cat: the evidence as it stands in the log.

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/leaf_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/watch.hpp"

namespace sanad::cli {
namespace {

struct Options {
  std::int64_t from = 0;
  bool follow = false, json = false;
};

Outcome<void> cat(Context& context, const Options& options) {
  std::int64_t next = options.from;
  for (;;) {
    const auto page =
        get_json(context.client(), with_query("/v1/log/entries", {{"from", std::to_string(next)}, {"limit", "1000"}}));
    if (!page) return page.error();
    const auto& entries = array_at(*page, "entries");
    if (!entries.empty() && int_at(entries.front(), "index") > next) {
      context.err << "records " << next << " to " << int_at(entries.front(), "index") - 1
                  << " are past retention: they were deleted. Which record says so: sanad log verify\n";
    }
    for (const auto& entry : entries) {
      const auto* leaf = find(entry, "leaf");
      if (options.json) {
        context.out << to_line(entry) << "\n";
      } else if (leaf != nullptr) {
        const auto* disclosures = find(entry, "disclosures");
        context.out << leaf_line(int_at(entry, "index"), *leaf, disclosures == nullptr ? json::value() : *disclosures,
                                 context.now())
                    << "\n";
      }
      next = int_at(entry, "index") + 1;
    }
    context.out.flush();
    if (entries.empty() || find(*page, "next") == nullptr || !context.out.good()) break;
  }
  if (!options.follow) return {};
  return watch_events(context, {.from = std::to_string(next), .json = options.json});
}

struct RotateOptions {
  bool json = false;
};

Outcome<void> rotate_key(Context& context, const RotateOptions& options) {
  const auto answer = send_json(context.client(), "POST", "/v1/log/rotate-key", nullptr);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
    return {};
  }
  context.out << "epoch " << int_at(*answer, "epoch") << " begins with record " << int_at(*answer, "first_index")
              << "   evidence #" << int_at(*answer, "evidence.index") << "\nkey   " << shown(*answer, "key")
              << "\nThe key before signs up to that record, for the last time, and is then destroyed.\n";
  return {};
}

}  // namespace

void add_log_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* log = app.add_subcommand("log", "The evidence: everything that was recorded");
  log->require_subcommand(1);
  log->footer("Example:\n  sanad log cat --follow\n\nReading the log is itself recorded.");
  add_command<Options>(
      *log, chosen, "cat", "Print the records", "sanad log cat --from 48000 --follow",
      [](CLI::App& command, Options& o) {
        command.add_option("--from", o.from, "First record")
            ->type_name("INDEX")
            ->check(CLI::NonNegativeNumber)
            ->capture_default_str();
        command.add_flag("--follow", o.follow, "Stay, and print new ones as they come");
        command.add_flag("--json", o.json, "An entry a line, for programs");
      },
      cat);
  add_command<RotateOptions>(
      *log, chosen, "rotate-key", "Sign with a new key from now on, announced under the one before", "sanad log rotate-key",
      [](CLI::App& command, RotateOptions& o) { command.add_flag("--json", o.json, "For programs"); }, rotate_key);
  add_log_verify_command(*log, chosen);
  add_log_offline_commands(*log, chosen);
  add_log_export_command(*log, chosen);
  add_log_recover_command(*log, chosen);
}

}  // namespace sanad::cli
