#pragma once
// A log's directory, written: by one process, on one thread.
//
// Durability: what put() wrote is on the disk when sync() has returned success, and what publish() wrote when it has. A file
// either has its final name and all its bytes, or no name:
//   openat(".incoming-N", O_CREAT|O_EXCL) write* of up to kOpenAtOnce files; for all of them fsync close; for all of them
//   renameat2(RENAME_NOREPLACE); in the end fsync(directories touched)
// One after the other each file would wait for the disk alone, twice as long in all.
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
#include <vector>

#include "control/audit/tile.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::audit {

class LogStore final {
 public:
  // Makes the directory (0750; its parent must exist) when it is not there. Errors: io.
  static Result<LogStore> open(std::filesystem::path directory);

  // Writes a tile or bundle, to have its own name after sync() at the latest, also where it is already. What is there must be the
  // same bytes: a full one that differs is corrupt (two histories); a partial one that differs is a torn write. After an error of
  // this or of sync() what had no name yet is forgotten: put it again.
  Result<void> put(const TileId& id, std::span<const std::uint8_t> bytes);
  // Gives every file its name, durably.
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
  static constexpr std::size_t kOpenAtOnce = 64;
  // A file that is written and has no name of its own yet.
  struct Incoming {
    UniqueFd fd;
    std::filesystem::path path;
    TileId id;
  };

  explicit LogStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<void> make_directories(const std::filesystem::path& relative);
  Result<UniqueFd> write_incoming(const std::filesystem::path& path, std::span<const std::uint8_t> bytes, mode_t mode);
  Result<void> name_incoming();
  Result<void> name(const Incoming& file);
  Result<void> replace(const std::filesystem::path& relative, std::string_view text);
  Result<void> sync_directory(const std::filesystem::path& relative);

  std::filesystem::path directory_;
  std::set<std::filesystem::path> known_;    // directories below that are there, relative
  std::set<std::filesystem::path> touched_;  // directories with names not yet durable, relative
  std::vector<Incoming> incoming_;           // what put() wrote since the last of them were named
  std::optional<Error> broken_;              // the fsync that failed
  std::string keys_text_;                    // what write_keys() wrote
};

}  // namespace sanad::audit
