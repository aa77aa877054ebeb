#pragma once
// A log whose oldest bundles were deleted: which may be missing, and deleting them.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>

#include "control/audit/log_reader.hpp"
#include "control/audit/retention_record.hpp"

namespace sanad::audit {

// What the newest retention record of a log says.
struct PastRetention {
  std::uint64_t first = 0;    // the log's first record (origin.hpp)
  std::uint64_t minimum = 0;  // records below it are past retention
  std::uint64_t record = 0;   // the index of the record that says so
  std::int64_t time_ms = 0;   // when
};

// Looks for it from the end of a log of `size` records that begins with record `first`, down to the first bundle that is missing;
// a record counts only when it has the hash that its tile has. Nothing: there is none. Errors: corrupt, io.
Result<std::optional<PastRetention>> newest_retention(const LogReader& log, std::uint64_t size, std::uint64_t first);

// Asked the first time that a bundle is missing, then remembered. Any thread.
class RetentionLookup final {
 public:
  // `log` outlives it.
  RetentionLookup(const LogReader& log, std::uint64_t size, std::uint64_t first) : log_(log), size_(size), first_(first) {}
  // Whether the bundle may be missing. Errors: those of newest_retention.
  Result<bool> covers(std::uint64_t bundle);
  // What was found, when it was looked for.
  [[nodiscard]] std::optional<PastRetention> found() const;

 private:
  const LogReader& log_;
  std::uint64_t size_;
  std::uint64_t first_;
  mutable std::mutex mutex_;
  std::optional<Result<std::optional<PastRetention>>> answer_;  // guarded by mutex_
};

// "records 0 to 511 are past retention: their bundles were deleted on 2027-11-25 (retention record #48211); tiles still prove
// them".
std::string sentence(const PastRetention& past);

// Deletes the full bundles [from, to) of a log, lowest first, and makes that durable. Those already gone are passed over.
// Errors: io.
Result<void> delete_bundles(const std::filesystem::path& log, std::uint64_t from, std::uint64_t to);

}  // namespace sanad::audit
