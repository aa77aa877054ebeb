#include "control/audit/log_store.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "control/audit/log_reader.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::audit {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kTileMode = 0440;
constexpr mode_t kFileMode = 0640;
constexpr const char* kIncoming = ".incoming";

Error failed(int err, const char* what, const std::filesystem::path& path) {
  return from_errno(err, std::string("couldn't ") + what + " " + path.string());
}

Result<void> make_durable(UniqueFd fd, const std::filesystem::path& path) {
  if (::fsync(fd.get()) != 0) return failed(errno, "fsync", path);
  if (::close(fd.release()) != 0) return failed(errno, "close", path);
  return {};
}

// Of a process that was killed. One that cannot be removed now is in nobody's way until its turn comes.
void remove_incoming(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (entry.path().filename().string().starts_with(kIncoming)) std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace

Result<LogStore> LogStore::open(std::filesystem::path directory) {
  if (::mkdir(directory.c_str(), kDirectoryMode) == 0) {
    if (auto done = fsync_directory(directory.parent_path()); !done) return std::move(done).error();
  } else if (errno != EEXIST) {
    return failed(errno, "make", directory);
  }
  remove_incoming(directory);
  return LogStore(std::move(directory));
}

Result<void> LogStore::make_directories(const std::filesystem::path& relative) {
  if (relative.empty() || known_.count(relative) != 0) return {};
  const auto parent = relative.parent_path();
  if (auto done = make_directories(parent); !done) return done;
  const auto path = directory_ / relative;
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    const int err = errno;
    known_.clear();  // a directory may have been taken away under us: look again the next time
    return failed(err, "make", path);
  }
  // Also when it was there: whoever made it may have been killed before its name was durable.
  touched_.insert(parent);
  known_.insert(relative);
  return {};
}

Result<UniqueFd> LogStore::write_incoming(const std::filesystem::path& path, std::span<const std::uint8_t> bytes, mode_t mode) {
  if (broken_) return *broken_;
  const auto create = [&] { return UniqueFd{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)}; };
  UniqueFd fd = create();
  if (!fd && errno == EEXIST) {
    // Left by what failed, or by a process that was killed. Not written again: that inode's fsync may have failed.
    if (::unlink(path.c_str()) != 0) return failed(errno, "remove", path);
    fd = create();
  }
  if (!fd) return failed(errno, "create", path);
  if (::fchmod(fd.get(), mode) != 0) return failed(errno, "set the mode of", path);  // whatever the umask says
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno, "write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return fd;
}

Result<void> LogStore::put(const TileId& id, std::span<const std::uint8_t> bytes) {
  const auto path = directory_ / (kIncoming + ("-" + std::to_string(incoming_.size())));
  auto done = make_directories(std::filesystem::path(tile_path(id)).parent_path());
  auto fd = done ? write_incoming(path, bytes, kTileMode) : Result<UniqueFd>(std::move(done).error());
  if (!fd) {
    incoming_.clear();
    return std::move(fd).error();
  }
  // Only begins: what it cannot do, or what fails, fsync does and tells.
  static_cast<void>(::sync_file_range(fd->get(), 0, 0, SYNC_FILE_RANGE_WRITE));
  incoming_.push_back({*std::move(fd), path, id});
  if (incoming_.size() < kOpenAtOnce) return {};
  return name_incoming();
}

Result<void> LogStore::name_incoming() {
  auto files = std::exchange(incoming_, {});
  for (auto& file : files) {
    if (auto done = make_durable(std::move(file.fd), file.path); !done) return done;
  }
  for (const auto& file : files) {
    if (auto done = name(file); !done) return done;
  }
  return {};
}

Result<void> LogStore::name(const Incoming& file) {
  const std::filesystem::path relative = tile_path(file.id);
  const auto path = directory_ / relative;
  touched_.insert(relative.parent_path());
  if (::renameat2(AT_FDCWD, file.path.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EEXIST) {
    const int err = errno;
    known_.clear();
    return failed(err, "rename into place", path);
  }
  const auto ours = read_file(file.path, kMaxBundleBytes);
  if (!ours) return ours.error();
  const auto there = read_file(path, kMaxBundleBytes);
  if (!there) return there.error();
  // Equal ones are replaced too: whoever wrote this one may have failed to make it durable.
  if (file.id.width == kTileWidth && *there != *ours) {
    return Error{Errc::corrupt, path.string() + " exists and holds something else than the log's records", relative.string(),
                 "the log and state.db tell two histories: put back the pair that belongs together, or: sanad log recover"};
  }
  if (::rename(file.path.c_str(), path.c_str()) != 0) return failed(errno, "replace", path);
  return {};
}

Result<void> LogStore::sync() {
  if (auto done = name_incoming(); !done) return done;
  for (const auto& relative : touched_) {
    if (auto done = sync_directory(relative); !done) return done;
  }
  touched_.clear();
  return {};
}

Result<void> LogStore::sync_directory(const std::filesystem::path& relative) {
  if (broken_) return *broken_;
  const auto path = relative.empty() ? directory_ : directory_ / relative;
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return failed(errno, "open", path);
  if (::fsync(fd.get()) == 0) return {};
  broken_ = failed(errno, "fsync", path);
  broken_->hint = "nothing more is published until sanadd is restarted; look at the disk that holds the log first";
  return *broken_;
}

Result<void> LogStore::replace(const std::filesystem::path& relative, std::string_view text) {
  const auto incoming = directory_ / kIncoming;
  auto fd = write_incoming(incoming, as_bytes(text), kFileMode);
  if (!fd) return std::move(fd).error();
  if (auto done = make_durable(*std::move(fd), incoming); !done) return done;
  const auto path = directory_ / relative;
  if (::rename(incoming.c_str(), path.c_str()) != 0) return failed(errno, "rename into place", path);
  // The name left the log's own directory, and came into this one.
  if (!relative.parent_path().empty()) {
    if (auto done = sync_directory(relative.parent_path()); !done) return done;
  }
  return sync_directory({});
}

Result<void> LogStore::publish(std::string_view note) { return replace(kCheckpointFile, note); }

Result<void> LogStore::archive(std::uint64_t size, std::string_view note) {
  if (auto done = make_directories(kArchiveDirectory); !done) return done;
  return replace(std::filesystem::path(kArchiveDirectory) / std::to_string(size), note);
}

Result<void> LogStore::write_keys(std::string_view text) {
  if (keys_text_ == text) return {};
  if (auto done = replace(kKeysFile, text); !done) return done;
  keys_text_ = text;
  return {};
}

void LogStore::remove_partials(const TileId& full) {
  std::filesystem::path relative = tile_path(full) + ".p";
  // What cannot be deleted now wastes room and harms nothing.
  std::error_code ignored;
  std::filesystem::remove_all(directory_ / relative, ignored);
  known_.erase(relative);
  touched_.erase(relative);
}

}  // namespace sanad::audit
