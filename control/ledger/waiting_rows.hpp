#pragma once
// The three tables that a session's opening writes to, as runs of rows that wait to be put in. The order of their columns is that
// of the statements here. Storage thread only.

#include <array>
#include <cstddef>

#include "control/ledger/new_rows.hpp"

namespace sanad::ledger {

struct WaitingRows {
  NewRows sessions{"new_sessions", 23,
                   "INSERT INTO sessions(seq, id, peer_id, owner_id, interface, inner_prefixes, started, started_not_before, "
                   "started_not_after, rx, tx, uncertain_rx, uncertain_tx, handshakes, moves, figures_as_of, "
                   "figures_from_checkpoint, opened_leaf, base_rx, base_tx, incarnation, boot_id, device_identity) "
                   "SELECT * FROM new_sessions"};
  NewRows endpoints{"new_session_endpoints", 5,
                    "INSERT INTO session_endpoints(session, leaf_index, address, port, since) "
                    "SELECT * FROM new_session_endpoints"};
  NewRows disclosures{"new_disclosures", 3, "INSERT INTO disclosures(leaf_index, owner_id, items) SELECT * FROM new_disclosures"};

  [[nodiscard]] std::array<NewRows*, 3> all() { return {&sessions, &endpoints, &disclosures}; }
};

// Columns that the late indexes are made of.
struct SessionColumn {
  static constexpr std::size_t seq = 0, peer_id = 2, started = 6;
};
struct EndpointColumn {
  static constexpr std::size_t session = 0, leaf_index = 1, address = 2;
};
struct DisclosureColumn {
  static constexpr std::size_t leaf_index = 0, owner_id = 1;
};

}  // namespace sanad::ledger
