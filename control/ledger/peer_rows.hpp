#pragma once
// The columns of a peer and how a row becomes a PeerRecord.

#include <string>

#include "control/ledger/records.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {

// "SELECT <columns> FROM peers p JOIN owners o ... " without WHERE. read_peer() reads from column 0; column 0 is p.seq.
extern const std::string kSelectPeer;
PeerRecord read_peer(const Query& row);

}  // namespace sanad::ledger
