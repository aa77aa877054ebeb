#pragma once
// A copy of a log that anybody can verify, of the size its checkpoint has now; also while the log is being written.

#include <cstdint>
#include <filesystem>
#include <functional>

#include "control/audit/checkpoint.hpp"
#include "control/audit/log_reader.hpp"

namespace sanad::audit {

using ExportProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;  // records

// Copies checkpoint, archive, keys, registrations and policy, every bundle and every tile of that size into `target`, which must
// not exist. Durable when it returns. Nothing is checked but sizes: verify_log() the copy. Returns what the checkpoint says.
// Errors: those of LogReader, conflict (the target exists), io.
Result<Checkpoint> export_log(const std::filesystem::path& source, const std::filesystem::path& target,
                              const ExportProgress& progress);

}  // namespace sanad::audit
