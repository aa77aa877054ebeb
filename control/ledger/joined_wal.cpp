#include "control/ledger/joined_wal.hpp"

#include <sqlite3.h>

#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <new>

namespace sanad::ledger {
namespace {

// SQLite's unix VFS writes at most 17 bits of length in one call (seekAndWriteFd in os_unix.c). An admin's change needs half of
// it; longer commits go out in pieces of this size.
constexpr std::size_t kHeldBytes = 0x1FFFF;

// SQLite allocates szOsFile bytes and knows the first member alone; the base VFS's own file stands behind ours.
struct JoinedFile {
  sqlite3_file base;
  sqlite3_file* real;
  char* held;  // kHeldBytes
  std::size_t size;
  sqlite3_int64 offset;  // of the first byte held, in the file
};

JoinedFile& joined(sqlite3_file* file) { return *reinterpret_cast<JoinedFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return joined(file).real; }

int write_out(JoinedFile& file) {
  if (file.size == 0) return SQLITE_OK;
  const auto size = static_cast<int>(file.size);
  file.size = 0;  // a failed write is never repeated: the commit it belongs to fails
  return file.real->pMethods->xWrite(file.real, file.held, size, file.offset);
}

int close_file(sqlite3_file* f) {
  delete[] joined(f).held;
  return real(f)->pMethods->xClose(real(f));
}

int write_file(sqlite3_file* f, const void* data, int size, sqlite3_int64 at) {
  JoinedFile& file = joined(f);
  const auto bytes = static_cast<std::size_t>(size);
  const bool continues = at == file.offset + static_cast<sqlite3_int64>(file.size);
  if (!continues || file.size + bytes > kHeldBytes) {
    if (const int rc = write_out(file); rc != SQLITE_OK) return rc;
    if (bytes > kHeldBytes) return file.real->pMethods->xWrite(file.real, data, size, at);
    file.offset = at;
  }
  std::memcpy(file.held + file.size, data, bytes);
  file.size += bytes;
  return SQLITE_OK;
}

// For every call that sees the file as a whole.
template <class Call>
int after_writing(sqlite3_file* f, Call call) {
  if (const int rc = write_out(joined(f)); rc != SQLITE_OK) return rc;
  return call(real(f));
}

int read_file(sqlite3_file* f, void* data, int size, sqlite3_int64 at) {
  return after_writing(f, [=](sqlite3_file* file) { return file->pMethods->xRead(file, data, size, at); });
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  return after_writing(f, [=](sqlite3_file* file) { return file->pMethods->xTruncate(file, size); });
}
int sync_file(sqlite3_file* f, int flags) {
  return after_writing(f, [=](sqlite3_file* file) { return file->pMethods->xSync(file, flags); });
}
int size_of_file(sqlite3_file* f, sqlite3_int64* size) {
  return after_writing(f, [=](sqlite3_file* file) { return file->pMethods->xFileSize(file, size); });
}
int control_file(sqlite3_file* f, int op, void* argument) {
  return after_writing(f, [=](sqlite3_file* file) { return file->pMethods->xFileControl(file, op, argument); });
}
int lock_file(sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); }
int unlock_file(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
int check_reserved_lock(sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
int sector_size(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int device_characteristics(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }

// Version 1: shared memory and mapping are asked of the database file alone.
const sqlite3_io_methods kMethods{1,
                                  close_file,
                                  read_file,
                                  write_file,
                                  truncate_file,
                                  sync_file,
                                  size_of_file,
                                  lock_file,
                                  unlock_file,
                                  check_reserved_lock,
                                  control_file,
                                  sector_size,
                                  device_characteristics,
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  nullptr};

sqlite3_vfs* base_of(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

int open_file(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* const base = base_of(vfs);
  if ((flags & SQLITE_OPEN_WAL) == 0) return base->xOpen(base, name, file, flags, out_flags);
  file->pMethods = nullptr;  // as long as it is, SQLite does not close it
  std::unique_ptr<char[]> held(new (std::nothrow) char[kHeldBytes]);
  if (!held) return SQLITE_NOMEM;
  auto* const under = reinterpret_cast<sqlite3_file*>(reinterpret_cast<JoinedFile*>(file) + 1);
  under->pMethods = nullptr;
  const int rc = base->xOpen(base, name, under, flags, out_flags);
  if (under->pMethods == nullptr) return rc;
  new (file) JoinedFile{{&kMethods}, under, held.release(), 0, 0};
  return rc;
}

struct NamedVfs {
  std::string base;
  std::string name;
  sqlite3_vfs vfs;
};

// The functions that take no file: the base's own, handed the base's own structure by those that look at it.
int delete_file(sqlite3_vfs* v, const char* name, int sync) { return base_of(v)->xDelete(base_of(v), name, sync); }
int access_file(sqlite3_vfs* v, const char* name, int flags, int* out) {
  return base_of(v)->xAccess(base_of(v), name, flags, out);
}
int full_path(sqlite3_vfs* v, const char* name, int size, char* out) {
  return base_of(v)->xFullPathname(base_of(v), name, size, out);
}

}  // namespace

Result<std::string> joined_wal_vfs(const std::string& base) {
  static std::mutex mutex;
  static std::deque<NamedVfs> registered;  // SQLite keeps pointers into it
  const std::lock_guard lock(mutex);
  for (const auto& entry : registered) {
    if (entry.base == base) return entry.name;
  }
  sqlite3_vfs* const under = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (under == nullptr) return Error{Errc::not_found, "SQLite has no VFS \"" + base + "\""};
  NamedVfs& entry = registered.emplace_back(NamedVfs{base, "joined-wal:" + base, *under});
  entry.vfs.zName = entry.name.c_str();
  entry.vfs.pNext = nullptr;
  entry.vfs.pAppData = under;
  entry.vfs.szOsFile = static_cast<int>(sizeof(JoinedFile)) + under->szOsFile;
  entry.vfs.xOpen = open_file;
  entry.vfs.xDelete = delete_file;
  entry.vfs.xAccess = access_file;
  entry.vfs.xFullPathname = full_path;
  sqlite3_vfs_register(&entry.vfs, 0);
  return entry.name;
}

}  // namespace sanad::ledger
