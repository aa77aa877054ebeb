#pragma once
// A process that cannot be mistaken for a later one with the same number.

#include <sys/types.h>

#include <cstdint>

#include "gateway/base/result.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::wg {

struct ProcessHandle {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // clock ticks since boot, field 22 of /proc/PID/stat (proc(5))
  bool operator==(const ProcessHandle&) const = default;
};

// The handle of a living process. Error: not_found (no such process, or only its remains: a zombie).
Result<ProcessHandle> read_process(pid_t pid);

// Readable (POLLIN) once the process has ended, even when nobody collects its status. Error: not_found (ended already).
Result<UniqueFd> open_pidfd(const ProcessHandle& handle);

}  // namespace sanad::wg
