#pragma once
// A log's directory, read: what an auditor has. Nothing in it is believed; sizes are checked before memory is given.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "control/audit/merkle.hpp"
#include "control/audit/note.hpp"
#include "control/audit/tile.hpp"

namespace sanad::audit {

// Where the latest and the archived checkpoints and the keys are, under the log's directory.
constexpr const char* kCheckpointFile = "checkpoint";
constexpr const char* kArchiveDirectory = "checkpoints";
constexpr const char* kKeysFile = "keys";
constexpr const char* kPolicyFile = "policy";
// The latest checkpoint that each witness has cosigned, in a file named by the id of the witness's key.
constexpr const char* kCosignedDirectory = "cosigned";

struct Bundle {
  Bytes bytes;
  std::vector<std::span<const std::uint8_t>> entries;  // views into `bytes`
};

// The key that signs while records of `epoch` are made.
struct EpochKey {
  std::uint64_t epoch = 0;
  VerifierKey key;
  bool operator==(const EpochKey&) const = default;
};
// "<epoch> <vkey>" a line, ascending. Errors: corrupt, naming the line.
Result<std::vector<EpochKey>> parse_log_keys(std::string_view text);
std::string log_keys_text(std::span<const EpochKey> keys);

struct LogHead {
  std::vector<std::uint64_t>
      archived;  // tree sizes, ascending: none is larger than the checkpoint's, unless the log was cut short
  std::string checkpoint;
  std::vector<EpochKey> keys;
};

// Copies share nothing and cost a path. Any thread. Errors name the file, relative to the directory, and carry it in `field`:
// not_found, corrupt (not of the size it must have), io.
class LogReader final {
 public:
  explicit LogReader(std::filesystem::path directory) : directory_(std::move(directory)) {}

  [[nodiscard]] Result<std::string> checkpoint() const;
  // Tree sizes of the archived checkpoints, ascending; other names are passed over. No archive: none.
  [[nodiscard]] Result<std::vector<std::uint64_t>> archived_sizes() const;
  [[nodiscard]] Result<std::string> archived_checkpoint(std::uint64_t size) const;
  [[nodiscard]] Result<std::vector<EpochKey>> keys() const;
  // Names (8 hex digits) of the cosigned checkpoints, ascending; other names are passed over. No directory: none.
  [[nodiscard]] Result<std::vector<std::string>> cosigned_names() const;
  [[nodiscard]] Result<std::string> cosigned_checkpoint(const std::string& name) const;
  // What belongs together of a log that is perhaps being written at this moment: the archive as it was before the checkpoint was
  // read, and the keys as they are with it.
  [[nodiscard]] Result<LogHead> head() const;
  // Any other file of the log, by its name relative to the directory.
  [[nodiscard]] Result<std::string> text(const std::string& name, std::size_t limit) const;

  // The first id.width hashes or entries of the tile: from the partial file, or from the full one that has replaced it.
  [[nodiscard]] Result<std::vector<Hash>> hashes(const TileId& id) const;
  // `into` is reused: its memory stays.
  [[nodiscard]] Result<void> entries(std::uint64_t index, unsigned width, Bundle& into) const;

  // Nodes of the log at `size`, read from its tiles; keeps the tiles it read last. Not for several threads at once.
  [[nodiscard]] ReadNode nodes(std::uint64_t size) const;

 private:
  [[nodiscard]] Result<void> read_tile(const TileId& id, std::size_t limit, Bytes& into, bool& whole) const;
  std::filesystem::path directory_;
};

}  // namespace sanad::audit
