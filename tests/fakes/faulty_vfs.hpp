#pragma once
// The system's SQLite VFS with a disk that fails when told to.

#include <atomic>
#include <functional>

namespace sanad::fakes {

struct Faults {
  std::atomic<int> syncs_left{-1};   // that many syncs succeed, then one fails; negative = none fails
  std::atomic<int> writes_left{-1};  // the same for writes and truncations
  std::atomic<int> code{0};          // what the failing call returns: SQLITE_IOERR_FSYNC, SQLITE_FULL, ...
  std::atomic<bool> lasting{false};  // every call after the first failure fails, too
  std::atomic<int> happened{0};
  std::function<void()> on_fault;  // runs inside the failing call
  void clear() {
    syncs_left = writes_left = -1;
    lasting = false;
    happened = 0;
    on_fault = nullptr;
  }
};

// Registers the VFS "faulty" (once a process) and gives its switches. One database at a time.
Faults& faulty_vfs();

}  // namespace sanad::fakes
