// status: the gateway at a glance.

#include <fmt/format.h>

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/status_view.hpp"

namespace sanad::cli {
namespace {

struct Options {
  bool json = false;
};

Outcome<void> status(Context& context, const Options& options) {
  const auto answer = get_json(context.client(), "/v1/status");
  if (!answer) return answer.error();
  context.out << (options.json ? to_line(*answer) + "\n" : status_text(context, *answer));
  return {};
}

}  // namespace

void add_status_command(CLI::App& app, Chosen& chosen) {
  add_command<Options>(
      app, chosen, "status", "The gateway at a glance", "sanad status",
      [](CLI::App& command, Options& o) { command.add_flag("--json", o.json, "For programs"); }, status);
}

}  // namespace sanad::cli
