#include "control/ledger/page_scrub.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace sanad::ledger {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kPagesAtOnce = 256;
constexpr std::size_t kFileHeader = 100;
// A page that is no b-tree page begins with a page number. Below this many pages its first byte is 0, which no b-tree page's is.
constexpr std::uint64_t kMaxPages = 0x0200'0000;

enum PageType : std::uint8_t { kInteriorIndex = 2, kInteriorTable = 5, kLeafIndex = 10, kLeafTable = 13 };

std::size_t number_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::size_t>(bytes[at]) << 8U | bytes[at + 1];
}

Result<void> write_all(int fd, std::span<const std::uint8_t> bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return from_errno(errno, "couldn't overwrite unused bytes of the database");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  return {};
}

// Fewer bytes than asked for: the file ends there.
Result<std::size_t> read_all(int fd, std::span<std::uint8_t> into, off_t offset) {
  std::size_t have = 0;
  while (have < into.size()) {
    const ssize_t n = ::pread(fd, into.data() + have, into.size() - have, offset + static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return from_errno(errno, "couldn't read the database file");
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  return have;
}

}  // namespace

std::span<std::uint8_t> unused_of(std::span<std::uint8_t> page, bool first_page) {
  const std::size_t header = first_page ? kFileHeader : 0;
  if (page.size() != kPageBytes) return {};
  const std::uint8_t type = page[header];
  const bool interior = type == kInteriorIndex || type == kInteriorTable;
  if (!interior && type != kLeafIndex && type != kLeafTable) return {};
  const std::size_t from = header + (interior ? 12 : 8) + 2 * number_at(page, header + 3);
  const std::size_t to = number_at(page, header + 5);
  if (from > to || to > page.size()) return {};
  return page.subspan(from, to - from);
}

Result<void> scrub_unused(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return from_errno(errno, "couldn't read the size of the database file");
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  if (bytes % kPageBytes != 0 || bytes / kPageBytes >= kMaxPages) {
    return Error{Errc::corrupt, "the database file has " + std::to_string(bytes) + " bytes, which this program cannot scrub"};
  }
  std::vector<std::uint8_t> chunk(kPagesAtOnce * kPageBytes);
  for (std::uint64_t at = 0; at < bytes; at += chunk.size()) {
    const auto have = read_all(fd, chunk, static_cast<off_t>(at));
    if (!have) return have.error();
    for (std::size_t page = 0; page + kPageBytes <= *have; page += kPageBytes) {
      const auto unused = unused_of(std::span(chunk).subspan(page, kPageBytes), at + page == 0);
      if (std::all_of(unused.begin(), unused.end(), [](std::uint8_t byte) { return byte == 0; })) continue;
      std::fill(unused.begin(), unused.end(), std::uint8_t{0});
      const auto offset = at + static_cast<std::uint64_t>(unused.data() - chunk.data());
      if (auto done = write_all(fd, unused, static_cast<off_t>(offset)); !done) return done;
    }
  }
  if (::fsync(fd) != 0) return from_errno(errno, "couldn't sync the database file");
  return {};
}

}  // namespace sanad::ledger
