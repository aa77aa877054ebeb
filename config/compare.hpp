#pragma once
// What differs between two configurations, and a digest for the record of a reload. Pure.

#include <string>
#include <vector>

#include "config/config.hpp"

namespace sanad::config {

// Dotted keys whose effective values differ ("sessions.poll_interval", "interfaces[wg0].mtu"; an interface is known by its name),
// sorted. An interface that came or went is one entry, "interfaces[wg1]".
std::vector<std::string> difference(const Config& before, const Config& after);

// Those of difference() that a running daemon cannot take (state_dir, run_dir, socket.path, an interface's name or backend):
// a reload with any of them is refused as a whole.
std::vector<std::string> needing_restart(const Config& before, const Config& after);

// SHA-256 of the canonical form, 64 hex digits: equal for files that mean the same. Secrets are in it by location only.
std::string digest(const Config& config);

}  // namespace sanad::config
