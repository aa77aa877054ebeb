#pragma once
// What we do to SQLite's write-ahead log while SQLite has it closed.

#include <cstdint>
#include <filesystem>

#include "gateway/base/result.hpp"

namespace sanad::ledger {

std::filesystem::path wal_path(const std::filesystem::path& database);
std::uint64_t wal_bytes(const std::filesystem::path& database);  // 0 when there is none

// Grows the log to `bytes` with zeros and syncs it. SQLite ends its reading at the first frame whose checksum is wrong, so the
// zeros mean nothing; the blocks are there, and a commit that fits needs no change of the file's size or block map.
Result<void> preallocate_wal(const std::filesystem::path& database, std::uint64_t bytes);

// Writes every byte of the log again and syncs it. After a failed fsync Linux may keep pages as clean that never reached the
// disk: only writing them again makes what we read what is stored.
Result<void> rewrite_wal(const std::filesystem::path& database);

}  // namespace sanad::ledger
