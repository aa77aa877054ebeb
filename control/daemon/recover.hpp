#pragma once
// sanadd --recover-log: brings a state directory back into use whose log and state.db tell two histories. Run by `sanad log
// recover`.

#include <filesystem>

#include "config/config.hpp"

namespace sanad::daemon {

// Says on standard output what was found and done. Returns the exit status.
int recover_log(const config::Config& config);

}  // namespace sanad::daemon
