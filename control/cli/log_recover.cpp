// log recover: hands over to sanadd, which alone may write state.db.

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "control/cli/commands.hpp"

namespace sanad::cli {
namespace {

struct Options {
  std::string config = "/etc/sanad/sanad.yaml";
};

// The daemon that was installed with this program; else the one on the path.
std::string daemon_program() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  const auto beside = self.parent_path() / "sanadd";
  if (!failed && ::access(beside.c_str(), X_OK) == 0) return beside.string();
  return "sanadd";
}

Outcome<void> recover(Context& context, const Options& options) {
  context.out.flush();
  std::string program = daemon_program();
  std::string flag = "--recover-log";
  std::string config_flag = "--config";
  std::string config = options.config;
  const std::array<char*, 5> arguments{program.data(), flag.data(), config_flag.data(), config.data(), nullptr};
  ::execvp(program.c_str(), arguments.data());
  return Failure{Exit::failure, "couldn't run " + program + ": " + std::strerror(errno), "is sanadd installed beside sanad?"};
}

}  // namespace

void add_log_recover_command(CLI::App& log, Chosen& chosen) {
  add_command<Options>(
      log, chosen, "recover",
      "When the daemon refuses to start because state.db and the log tell two histories: keep both, record it, go on",
      "systemctl stop sanadd && sanad log recover",
      [](CLI::App& command, Options& o) {
        command.add_option("--config", o.config, "The daemon's configuration")->type_name("FILE")->capture_default_str();
      },
      recover);
}

}  // namespace sanad::cli
