#pragma once
// An SQLite VFS whose write-ahead log goes to the kernel in one piece a commit. SQLite itself makes two calls a page (24 bytes of
// frame header, 4,096 of page), some thirty for an admin's change: they cost as much as the sync that follows.
//
// Durability is SQLite's own: what is held back is written before every sync, read, truncation and question for the size, and a
// commit with synchronous = FULL syncs before it tells anyone, this process or another. What a close still finds held back
// belongs to no commit. A failed write is told by the call that had to make it: for a commit, its sync.

#include <string>

#include "gateway/base/result.hpp"

namespace sanad::ledger {

// The name to open a database with; `base`: the VFS that does the work, empty = the system's. Registers it once. Any thread.
// Errors: not_found (no such base).
Result<std::string> joined_wal_vfs(const std::string& base);

}  // namespace sanad::ledger
