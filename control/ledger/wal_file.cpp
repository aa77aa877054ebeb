#include "control/ledger/wal_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "gateway/base/unique_fd.hpp"

namespace sanad::ledger {
namespace {

constexpr std::size_t kChunk = 256U << 10;

Result<void> write_at(int fd, const char* data, std::size_t size, off_t offset) {
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, data, size, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return from_errno(errno, "couldn't write the write-ahead log");
    data += n;
    size -= static_cast<std::size_t>(n);
    offset += n;
  }
  return {};
}

Result<void> sync(int fd) {
  if (::fsync(fd) != 0) return from_errno(errno, "couldn't sync the write-ahead log");
  return {};
}

}  // namespace

std::filesystem::path wal_path(const std::filesystem::path& database) {
  auto path = database;
  path += "-wal";
  return path;
}

std::uint64_t wal_bytes(const std::filesystem::path& database) {
  std::error_code error;
  const auto size = std::filesystem::file_size(wal_path(database), error);
  return error ? 0 : size;
}

Result<void> preallocate_wal(const std::filesystem::path& database, std::uint64_t bytes) {
  const UniqueFd fd(::open(wal_path(database).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return from_errno(errno, "couldn't open the write-ahead log");
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return from_errno(errno, "couldn't read the write-ahead log's size");
  const std::vector<char> zeros(kChunk);
  auto offset = static_cast<std::uint64_t>(status.st_size);
  if (offset >= bytes) return {};
  while (offset < bytes) {
    const std::size_t n = std::min<std::uint64_t>(zeros.size(), bytes - offset);
    if (auto done = write_at(fd.get(), zeros.data(), n, static_cast<off_t>(offset)); !done) return done;
    offset += n;
  }
  return sync(fd.get());
}

Result<void> rewrite_wal(const std::filesystem::path& database) {
  const UniqueFd fd(::open(wal_path(database).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    if (errno == ENOENT) return {};
    return from_errno(errno, "couldn't open the write-ahead log");
  }
  std::vector<char> chunk(kChunk);
  off_t offset = 0;
  for (;;) {
    const ssize_t n = ::pread(fd.get(), chunk.data(), chunk.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return from_errno(errno, "couldn't read the write-ahead log");
    if (n == 0) return sync(fd.get());
    if (auto done = write_at(fd.get(), chunk.data(), static_cast<std::size_t>(n), offset); !done) return done;
    offset += n;
  }
}

}  // namespace sanad::ledger
