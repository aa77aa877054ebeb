#pragma once

#include "control/cli/commands.hpp"

namespace sanad::cli {

void add_registration_request_commands(CLI::App& registration, Chosen& chosen);

}  // namespace sanad::cli
