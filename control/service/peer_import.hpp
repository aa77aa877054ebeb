#pragma once

#include <vector>

#include "control/service/peers.hpp"

namespace sanad::service {

// Adds many peers in one request: each line stands or falls alone, or (`atomic`) all or nothing. Loop thread; `done` runs there,
// once, when everything is durable. The device has them a little later.
void import_peers(Gateway& gateway, Caller caller, std::vector<ImportLine> lines, bool atomic, Done<ImportReport> done);

}  // namespace sanad::service
