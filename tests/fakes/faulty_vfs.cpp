#include "tests/fakes/faulty_vfs.hpp"

#include <sqlite3.h>

#include <mutex>

namespace sanad::fakes {
namespace {

Faults& faults() {
  static Faults value;
  return value;
}

sqlite3_vfs* real_vfs() { return sqlite3_vfs_find("unix"); }

// SQLite allocates szOsFile bytes: ours, then the real file's.
struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file)->real; }

bool strikes(std::atomic<int>& left) {
  if (left < 0) return false;
  if (left > 0) {
    --left;
    return false;
  }
  if (!faults().lasting) left = -1;
  ++faults().happened;
  if (faults().on_fault) faults().on_fault();
  return true;
}

int faulty_close(sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); }
int faulty_read(sqlite3_file* f, void* data, int n, sqlite3_int64 at) { return real(f)->pMethods->xRead(real(f), data, n, at); }
int faulty_write(sqlite3_file* f, const void* data, int n, sqlite3_int64 at) {
  if (strikes(faults().writes_left)) {
    // Half of it arrives, as on a disk that fills up.
    real(f)->pMethods->xWrite(real(f), data, n / 2, at);
    return faults().code;
  }
  return real(f)->pMethods->xWrite(real(f), data, n, at);
}
int faulty_truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (strikes(faults().writes_left)) return faults().code;
  return real(f)->pMethods->xTruncate(real(f), size);
}
int faulty_sync(sqlite3_file* f, int flags) {
  if (strikes(faults().syncs_left)) return faults().code;
  return real(f)->pMethods->xSync(real(f), flags);
}
int faulty_size(sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); }
int faulty_lock(sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); }
int faulty_unlock(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
int faulty_check(sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
int faulty_control(sqlite3_file* f, int op, void* arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
int faulty_sector(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int faulty_traits(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
int faulty_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int faulty_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void faulty_shm_barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
int faulty_shm_unmap(sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); }

const sqlite3_io_methods kMethods{2,
                                  faulty_close,
                                  faulty_read,
                                  faulty_write,
                                  faulty_truncate,
                                  faulty_sync,
                                  faulty_size,
                                  faulty_lock,
                                  faulty_unlock,
                                  faulty_check,
                                  faulty_control,
                                  faulty_sector,
                                  faulty_traits,
                                  faulty_shm_map,
                                  faulty_shm_lock,
                                  faulty_shm_barrier,
                                  faulty_shm_unmap,
                                  nullptr,
                                  nullptr};

int faulty_open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  auto* mine = reinterpret_cast<FaultyFile*>(file);
  mine->real = reinterpret_cast<sqlite3_file*>(mine + 1);
  mine->real->pMethods = nullptr;
  const int rc = real_vfs()->xOpen(real_vfs(), name, mine->real, flags, out_flags);
  file->pMethods = mine->real->pMethods == nullptr ? nullptr : &kMethods;
  return rc;
}

}  // namespace

Faults& faulty_vfs() {
  static std::once_flag once;
  std::call_once(once, [] {
    static sqlite3_vfs vfs = *real_vfs();
    vfs.zName = "faulty";
    vfs.szOsFile += static_cast<int>(sizeof(FaultyFile));
    vfs.pNext = nullptr;
    vfs.xOpen = faulty_open;
    sqlite3_vfs_register(&vfs, 0);
  });
  return faults();
}

}  // namespace sanad::fakes
