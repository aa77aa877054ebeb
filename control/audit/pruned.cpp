#include "control/audit/pruned.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "control/audit/leaf_read.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::audit {
namespace {

std::optional<PastRetention> newest_in(const Bundle& bundle, std::span<const Hash> hashes, std::uint64_t first) {
  for (std::size_t i = bundle.entries.size(); i-- > 0;) {
    const auto entry = bundle.entries[i];
    const auto leaf = read_leaf({reinterpret_cast<const char*>(entry.data()), entry.size()});
    if (!leaf) continue;
    const auto raised = read_minimum_raised(leaf->event);
    if (!raised || leaf->index != first + i || leaf_hash(entry) != hashes[i]) continue;
    return PastRetention{0, raised->to, leaf->index, leaf->time_ms};
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<PastRetention>> newest_retention(const LogReader& log, std::uint64_t size, std::uint64_t first) {
  Bundle bundle;
  const unsigned partial = partial_width(0, size);
  std::uint64_t number = full_tiles(0, size) + (partial > 0 ? 1 : 0);
  while (number-- > 0) {
    const unsigned width = number < full_tiles(0, size) ? kTileWidth : partial;
    if (auto read = log.entries(number, width, bundle); !read) {
      if (read.error().code == Errc::not_found) break;
      return std::move(read).error();
    }
    const auto hashes = log.hashes({0, number, width});
    if (!hashes) return hashes.error();
    if (auto found = newest_in(bundle, *hashes, first + number * kTileWidth)) {
      found->first = first;
      return found;
    }
  }
  return std::optional<PastRetention>{};
}

Result<bool> RetentionLookup::covers(std::uint64_t bundle) {
  const std::lock_guard lock(mutex_);
  if (!answer_) answer_ = newest_retention(log_, size_, first_);
  if (!*answer_) return answer_->error();
  const auto& found = **answer_;
  return found && first_ + (bundle + 1) * kTileWidth <= found->minimum;
}

std::optional<PastRetention> RetentionLookup::found() const {
  const std::lock_guard lock(mutex_);
  if (!answer_ || !*answer_) return std::nullopt;
  return **answer_;
}

std::string sentence(const PastRetention& past) {
  return "records " + std::to_string(past.first) + " to " + std::to_string(past.minimum - 1) +
         " are past retention: their bundles were deleted on " + to_rfc3339(WallTime::from_ms(past.time_ms)).substr(0, 10) +
         " (retention record #" + std::to_string(past.record) + "); tiles still prove them";
}

Result<void> delete_bundles(const std::filesystem::path& log, std::uint64_t from, std::uint64_t to) {
  std::set<std::filesystem::path> touched;
  for (std::uint64_t number = from; number < to; ++number) {
    const auto path = log / tile_path({{}, number, kTileWidth});
    // Left behind by an end between a checkpoint and the removal of what it replaced.
    std::error_code ignored;
    std::filesystem::remove_all(path.string() + ".p", ignored);
    if (::unlink(path.c_str()) != 0) {
      if (errno == ENOENT) continue;
      return from_errno(errno, "couldn't delete " + path.string());
    }
    touched.insert(path.parent_path());
  }
  for (const auto& directory : touched) {
    if (auto done = fsync_directory(directory); !done) return done;
  }
  return {};
}

}  // namespace sanad::audit
