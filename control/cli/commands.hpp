#pragma once
// The command groups. Each adds its subcommands to the parser; parsing only notes what was chosen, run_cli runs it.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "control/cli/context.hpp"
#include "control/cli/failure.hpp"

namespace sanad::cli {

using Chosen = std::function<Outcome<void>(Context&)>;

void add_peer_commands(CLI::App& app, Chosen& chosen);
void add_peer_view_commands(CLI::App& peer, Chosen& chosen);
void add_peer_change_commands(CLI::App& peer, Chosen& chosen);
void add_peer_bulk_commands(CLI::App& peer, Chosen& chosen);
void add_session_commands(CLI::App& app, Chosen& chosen);
void add_status_command(CLI::App& app, Chosen& chosen);
void add_registration_commands(CLI::App& app, Chosen& chosen);
void add_interface_commands(CLI::App& app, Chosen& chosen);
void add_registrar_commands(CLI::App& app, Chosen& chosen);
void add_log_commands(CLI::App& app, Chosen& chosen);
void add_log_verify_command(CLI::App& log, Chosen& chosen);
void add_log_offline_commands(CLI::App& log, Chosen& chosen);
void add_log_export_command(CLI::App& log, Chosen& chosen);
void add_log_recover_command(CLI::App& log, Chosen& chosen);
void add_top_command(CLI::App& app, Chosen& chosen);
void add_custody_commands(CLI::App& app, Chosen& chosen);
void add_daemon_commands(CLI::App& app, Chosen& chosen);
void add_init_command(CLI::App& app, Chosen& chosen);
void add_doctor_command(CLI::App& app, Chosen& chosen);
void add_profile_commands(CLI::App& app, Chosen& chosen);
void add_witness_command(CLI::App& app, Chosen& chosen);
void add_completion_command(CLI::App& app, Chosen& chosen);

// A subcommand with options of type Options, filled by `define` and handed to `run` when it is the one chosen.
template <class Options, class Define, class Run>
CLI::App* add_command(CLI::App& parent, Chosen& chosen, const std::string& name, const std::string& what,
                      const std::string& example, Define define, Run run) {
  CLI::App* command = parent.add_subcommand(name, what);
  // Held by the parser's closures: it must live from parsing until the command runs.
  auto options = std::make_shared<Options>();
  define(*command, *options);
  command->footer("Example:\n  " + example);
  command->callback([&chosen, options, run] { chosen = [options, run](Context& context) { return run(context, *options); }; });
  return command;
}

// The whole program: parse, run, report. Returns the exit status.
int run_cli(int argc, const char* const* argv, Context context);

}  // namespace sanad::cli
