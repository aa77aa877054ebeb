#pragma once
// What SQLite's secure_delete leaves behind: a cell that moved to a neighbouring page when a page was split still stands in the
// unused middle of the page it came from, also after the row was deleted.

#include <cstdint>
#include <span>

#include "gateway/base/result.hpp"

namespace sanad::ledger {

// The bytes of a b-tree page that belong to nothing: between the array of cell pointers and the first cell
// (sqlite.org/fileformat2 section 1.6). Empty for every other page, and for one that contradicts itself. Pure. `first_page`: the
// one with the file's header.
std::span<std::uint8_t> unused_of(std::span<std::uint8_t> page, bool first_page);

// Zeros those bytes in every page of the database file and syncs it. Only unused bytes are ever written: a kill or power cut in
// the middle harms nothing. The caller keeps SQLite from writing meanwhile, holds no page in its cache, and has emptied the
// write-ahead log. Errors: io, corrupt (not a database of 4,096-byte pages).
Result<void> scrub_unused(int fd);

}  // namespace sanad::ledger
