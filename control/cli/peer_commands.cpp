#include "control/cli/commands.hpp"

namespace sanad::cli {

void add_peer_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* peer = app.add_subcommand("peer", "Who may connect: add, look at, change, revoke");
  peer->require_subcommand(1);
  peer->footer(
      "Example:\n  sanad peer list\n\nA peer is named by its name, its id, or the beginning of its name where only one begins "
      "so.");
  add_peer_change_commands(*peer, chosen);
  add_peer_view_commands(*peer, chosen);
  add_peer_bulk_commands(*peer, chosen);
}

}  // namespace sanad::cli
