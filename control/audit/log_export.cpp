#include "control/audit/log_export.hpp"

#include <algorithm>
#include <utility>

#include "control/audit/key_statement.hpp"
#include "control/audit/log_store.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::audit {
namespace {

constexpr std::size_t kMaxSideFile = 1U << 20;
constexpr mode_t kFileMode = 0640;
constexpr const char* kPolicyFile = "policy";

class Export final {
 public:
  Export(const std::filesystem::path& source, LogStore store, std::uint64_t size)
      : source_(source), log_(source), store_(std::move(store)), size_(size) {}

  Result<void> tiles(const ExportProgress& progress) {
    const std::uint64_t bundles = full_tiles(0, size_) + (partial_width(0, size_) > 0 ? 1 : 0);
    for (std::uint64_t number = 0; number < bundles; ++number) {
      const unsigned width = number < full_tiles(0, size_) ? kTileWidth : partial_width(0, size_);
      if (auto done = bundle(number, width); !done) return done;
      if (auto done = tile({0, number, width}); !done) return done;
      if (progress) progress(std::min(size_, (number + 1) * kTileWidth), size_);
    }
    for (unsigned level = 1; full_tiles(level - 1, size_) > 0; ++level) {
      for (std::uint64_t number = 0; number < full_tiles(level, size_); ++number) {
        if (auto done = tile({level, number, kTileWidth}); !done) return done;
      }
      if (const unsigned width = partial_width(level, size_); width > 0) {
        if (auto done = tile({level, full_tiles(level, size_), width}); !done) return done;
      }
    }
    return store_.sync();
  }

  Result<void> archive() {
    const auto sizes = log_.archived_sizes();
    if (!sizes) return sizes.error();
    for (const std::uint64_t size : *sizes) {
      // Archived since the checkpoint was read.
      if (size > size_) break;
      const auto note = log_.archived_checkpoint(size);
      if (!note) return note.error();
      if (auto done = store_.archive(size, *note); !done) return done;
    }
    return {};
  }

  Result<void> side_files() {
    for (const char* name : {kRegistrationFile, kPolicyFile}) {
      if (auto done = copy(name); !done) return done;
    }
    std::error_code failed;
    std::filesystem::directory_iterator at(source_ / kRegistrationDirectory, failed);
    if (failed) return {};  // never registered
    std::filesystem::create_directory(store_.directory() / kRegistrationDirectory, failed);
    for (; !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
      if (auto done = copy(std::string(kRegistrationDirectory) + "/" + at->path().filename().string()); !done) return done;
    }
    if (failed) return from_errno(failed.value(), std::string("couldn't copy ") + kRegistrationDirectory);
    return {};
  }

  Result<void> finish(const std::string& keys, const std::string& checkpoint) {
    if (auto done = store_.write_keys(keys); !done) return done;
    return store_.publish(checkpoint);
  }

 private:
  Result<void> tile(const TileId& id) {
    const auto hashes = log_.hashes(id);
    if (!hashes) return hashes.error();
    return store_.put(id, encode_tile(*hashes));
  }

  Result<void> bundle(std::uint64_t number, unsigned width) {
    if (auto read = log_.entries(number, width, bundle_); !read) return read;
    Bytes bytes;
    for (const auto entry : bundle_.entries) {
      if (auto done = append_entry(bytes, entry); !done) return done;
    }
    return store_.put({{}, number, width}, bytes);
  }

  Result<void> copy(const std::string& name) {
    const auto text = log_.text(name, kMaxSideFile);
    if (!text) return text.error().code == Errc::not_found ? Result<void>() : Result<void>(text.error());
    return write_file_durably(store_.directory() / name, *text, kFileMode);
  }

  std::filesystem::path source_;
  LogReader log_;
  LogStore store_;
  std::uint64_t size_;
  Bundle bundle_;
};

}  // namespace

Result<Checkpoint> export_log(const std::filesystem::path& source, const std::filesystem::path& target,
                              const ExportProgress& progress) {
  const LogReader log(source);
  const auto head = log.head();
  if (!head) return head.error();
  const auto parsed = parse_note(head->checkpoint);
  if (!parsed) return parsed.error();
  auto checkpoint = parse_checkpoint(parsed->text);
  if (!checkpoint) return checkpoint;
  std::error_code failed;
  if (std::filesystem::exists(target, failed)) {
    return Error{Errc::conflict, target.string() + " is there already", {}, "name a directory that is not there yet"};
  }
  auto store = LogStore::open(target);
  if (!store) return std::move(store).error();
  Export run(source, *std::move(store), checkpoint->size);
  if (auto done = run.tiles(progress); !done) return std::move(done).error();
  if (auto done = run.archive(); !done) return std::move(done).error();
  if (auto done = run.side_files(); !done) return std::move(done).error();
  if (auto done = run.finish(log_keys_text(head->keys), head->checkpoint); !done) return std::move(done).error();
  return checkpoint;
}

}  // namespace sanad::audit
