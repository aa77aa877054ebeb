// reload, shutdown.

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"

namespace sanad::cli {
namespace {

struct Options {
  bool json = false;
};

Outcome<void> reload(Context& context, const Options& options) {
  const auto answer = send_json(context.client(), "POST", "/v1/reload", nullptr);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
  } else if (array_at(*answer, "changed").empty()) {
    context.out << "nothing changed   evidence #" << int_at(*answer, "evidence.index") << "\n";
  } else {
    context.out << "changed  " << joined_at(*answer, "changed", ", ") << "   evidence #" << int_at(*answer, "evidence.index")
                << "\n";
  }
  return {};
}

Outcome<void> shutdown(Context& context, const Options& options) {
  const auto answer = send_json(context.client(), "POST", "/v1/shutdown", nullptr);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
  } else {
    context.out << "stopping; tunnels stay up   evidence #" << int_at(*answer, "evidence.index") << "\n";
  }
  return {};
}

void define(CLI::App& command, Options& o) { command.add_flag("--json", o.json, "For programs"); }

}  // namespace

void add_daemon_commands(CLI::App& app, Chosen& chosen) {
  add_command<Options>(app, chosen, "reload", "Read the configuration again; checked whole before anything changes",
                       "sanad reload", define, reload);
  add_command<Options>(app, chosen, "shutdown", "Stop the daemon; the interface stays up", "sanad shutdown", define, shutdown);
}

}  // namespace sanad::cli
