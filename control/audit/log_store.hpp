#pragma once
// A log's directory, written: by one process, on one thread.
//
// Durability: what put() wrote is on the disk when sync() has returned success, and what publish() wrote when it has. A file
// either has its final name and all its bytes, or no name:
//   openat(".incoming", O_CREAT|O_EXCL) write* fsync close renameat2(RENAME_NOREPLACE); later fsync(directories touched)
// An fsync error is reported and never retried as if nothing had happened: the kernel may call clean what the disk never got. A
// file is written anew under another inode. A directory cannot be: from then on the store is broken and refuses everything; the
// next process to open it writes every name again that no signed checkpoint covers.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "control/audit/tile.hpp"
#include "gateway/base/result.hpp"

namespace sanad::audit {

class LogStore final {
 public:
  // Makes the directory (0750; its parent must exist) when it is not there. Errors: io.
  static Result<LogStore> open(std::filesystem::path directory);

  // Writes a tile or bundle under its own name, also where it is already. What is there must be the same bytes: a full one that
  // differs is corrupt (two histories); a partial one that differs is a torn write.
  Result<void> put(const TileId& id, std::span<const std::uint8_t> bytes);
  // Makes every name put() has given durable.
  Result<void> sync();

  // Replaces `checkpoint`; the tiles it covers must be synced.
  Result<void> publish(std::string_view note);
  // Keeps the note under checkpoints/<size>.
  Result<void> archive(std::uint64_t size, std::string_view note);
  // Does nothing the second time for the same text.
  Result<void> write_keys(std::string_view text);
  [[nodiscard]] bool broken() const { return broken_.has_value(); }

  // Deletes the partial forms of a tile whose full form is there and is covered by a published checkpoint.
  void remove_partials(const TileId& full);

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

 private:
  explicit LogStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<void> make_directories(const std::filesystem::path& relative);
  Result<void> write_incoming(std::span<const std::uint8_t> bytes, mode_t mode);
  Result<void> replace(const std::filesystem::path& relative, std::string_view text);
  Result<void> sync_directory(const std::filesystem::path& relative);

  std::filesystem::path directory_;
  std::set<std::filesystem::path> known_;    // directories below that are there, relative
  std::set<std::filesystem::path> touched_;  // directories with names not yet durable, relative
  std::optional<Error> broken_;              // the fsync that failed
  std::string keys_text_;                    // what write_keys() wrote
};

}  // namespace sanad::audit
