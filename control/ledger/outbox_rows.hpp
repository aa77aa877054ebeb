#pragma once
// Leaves on their way to the published log, as rows of the `outbox` table: those of one commit together, so that a thousand cost
// little more than one to keep and to drop. Storage thread only; throw SQLite::Exception on storage trouble.

#include <cstdint>
#include <string>
#include <vector>

#include "control/ledger/leaf_run.hpp"
#include "control/ledger/records.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {

// Leaves in one row at most: what is dropped, and read, at once.
constexpr std::size_t kOutboxRowLeaves = 1024;
constexpr std::size_t kOutboxRowBytes = 1U << 20;  // and a row longer than this takes no further leaf

// `first`: the index of leaves[0].
void write_outbox(Store& store, std::uint64_t first, const LeafRun& leaves);
// Without disclosures; at most `limit` from `from` on.
std::vector<StoredLeaf> read_outbox(Store& store, std::uint64_t from, std::size_t limit);

}  // namespace sanad::ledger
