#include <fmt/format.h>

#include "control/cli/commands.hpp"
#include "control/cli/text.hpp"

namespace sanad::cli {
namespace {

constexpr const char* kFooter =
    "Exit status:\n"
    "  0  done\n"
    "  1  failed (refused, conflicting, or a check of doctor failed)\n"
    "  2  wrong usage\n"
    "  3  no such thing, or several of that name\n"
    "  4  permission denied\n"
    "  5  sanadd cannot be reached\n"
    "\n"
    "Colours are off when NO_COLOR is set or the output is not a terminal.\n"
    "Example:\n"
    "  sanad peer add \"Ayesha Khan\" --device laptop --profile ayesha.conf";

// The deepest subcommand that was named: whose --help is worth pointing at.
std::string command_path(const CLI::App& app) {
  std::string path = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  return path;
}

}  // namespace

int run_cli(int argc, const char* const* argv, Context context) {
  CLI::App app("Manage a Sanad WireGuard gateway.", "sanad");
  app.footer(kFooter);
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "sanad " SANAD_VERSION);
  app.add_option("--socket", context.socket_path, "The daemon's socket")
      ->envname("SANAD_SOCKET")
      ->type_name("PATH")
      ->capture_default_str();

  Chosen chosen;
  add_init_command(app, chosen);
  add_doctor_command(app, chosen);
  add_status_command(app, chosen);
  add_top_command(app, chosen);
  add_peer_commands(app, chosen);
  add_session_commands(app, chosen);
  add_registration_commands(app, chosen);
  add_registrar_commands(app, chosen);
  add_interface_commands(app, chosen);
  add_log_commands(app, chosen);
  add_custody_commands(app, chosen);
  add_daemon_commands(app, chosen);
  add_profile_commands(app, chosen);
  add_witness_command(app, chosen);
  add_completion_command(app, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help, context.out, context.err);
  } catch (const CLI::ParseError& problem) {
    context.err << "error: " << safe_lines(problem.what()) << "\nSee: " << command_path(app) << " --help\n";
    return static_cast<int>(Exit::usage);
  }
  const auto outcome = chosen(context);
  context.out.flush();
  if (outcome) return static_cast<int>(Exit::ok);
  if (!outcome.error().message.empty()) context.err << render(outcome.error());
  return static_cast<int>(outcome.error().exit);
}

}  // namespace sanad::cli
