#pragma once

#include <vector>

#include "gateway/sessions/tracker.hpp"

namespace sanad::service {

// The rows that must be durable together with the events: of every peer an event names, or its removal when the tracker has
// forgotten the peer. A row older than its event would tell the event again after a restart.
void take_rows_of(const sessions::Tracker& tracker, const std::vector<sessions::Event>& events,
                  std::vector<sessions::Baseline>& changed, std::vector<wg::PublicKey>& forgotten);

}  // namespace sanad::service
