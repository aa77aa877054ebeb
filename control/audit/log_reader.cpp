#include "control/audit/log_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <memory>
#include <system_error>
#include <utility>

#include "control/audit/checkpoint.hpp"
#include "control/audit/decimal.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::audit {
namespace {

constexpr std::size_t kMaxKeysBytes = 1U << 20;
constexpr std::size_t kCachedTiles = 64;
constexpr int kTries = 5;

// The whole file, or an error that names `name`. Never blocks on what is no file.
Result<void> read_whole(const std::filesystem::path& directory, const std::string& name, std::size_t limit, Bytes& into) {
  const auto failed = [&](int err) {
    Error error = from_errno(err, "couldn't read " + name);
    error.field = name;
    return error;
  };
  const UniqueFd fd{::open((directory / name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return failed(errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return failed(errno);
  if (!S_ISREG(st.st_mode)) return Error{Errc::corrupt, name + " is not a file", name};
  if (static_cast<std::uint64_t>(st.st_size) > limit) {
    return Error{Errc::corrupt,
                 name + " has " + std::to_string(st.st_size) + " bytes; at most " + std::to_string(limit) + " are possible",
                 name};
  }
  into.resize(static_cast<std::size_t>(st.st_size));
  std::size_t have = 0;
  while (have < into.size()) {
    const ssize_t n = ::read(fd.get(), into.data() + have, into.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    if (n == 0) return Error{Errc::corrupt, name + " became shorter while it was read", name};
    have += static_cast<std::size_t>(n);
  }
  return {};
}

Result<std::string> read_text(const std::filesystem::path& directory, const std::string& name, std::size_t limit) {
  Bytes bytes;
  if (auto done = read_whole(directory, name, limit, bytes); !done) return std::move(done).error();
  return std::string(bytes.begin(), bytes.end());
}

Error named(Error error, const std::string& name) {
  error.message = name + ": " + error.message;
  error.field = name;
  return error;
}

}  // namespace

Result<std::vector<EpochKey>> parse_log_keys(std::string_view text) {
  std::vector<EpochKey> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto refused = [&](const std::string& why) {
      return Error{Errc::corrupt, "line " + std::to_string(number) + ": " + why};
    };
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return refused("it does not end");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t space = line.find(' ');
    const auto epoch = parse_decimal(line.substr(0, space), kMaxTreeSize);
    if (space == std::string_view::npos || !epoch) return refused("not an epoch and a verifier key");
    if (!keys.empty() && keys.back().epoch >= *epoch) return refused("epochs do not ascend");
    auto key = parse_vkey(line.substr(space + 1));
    if (!key) return refused(key.error().message);
    keys.push_back({*epoch, *std::move(key)});
  }
  return keys;
}

std::string log_keys_text(std::span<const EpochKey> keys) {
  std::string text;
  for (const auto& key : keys) text += std::to_string(key.epoch) + " " + to_vkey(key.key) + "\n";
  return text;
}

Result<std::string> LogReader::checkpoint() const { return read_text(directory_, kCheckpointFile, kMaxNoteBytes); }

Result<std::vector<std::uint64_t>> LogReader::archived_sizes() const {
  std::vector<std::uint64_t> sizes;
  std::error_code failed;
  const auto archive = directory_ / kArchiveDirectory;
  std::filesystem::directory_iterator at(archive, failed);
  if (failed == std::errc::no_such_file_or_directory) return sizes;
  for (; !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    const std::string name = at->path().filename().string();
    const auto size = parse_decimal(name, kMaxTreeSize);
    // Anything else is not ours: a copy's leftovers prove and disprove nothing.
    if (size) sizes.push_back(*size);
  }
  if (failed) return from_errno(failed.value(), std::string("couldn't list ") + kArchiveDirectory);
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

Result<std::string> LogReader::archived_checkpoint(std::uint64_t size) const {
  return read_text(directory_, std::string(kArchiveDirectory) + "/" + std::to_string(size), kMaxNoteBytes);
}

Result<std::vector<EpochKey>> LogReader::keys() const {
  auto text = read_text(directory_, kKeysFile, kMaxKeysBytes);
  if (!text) return std::move(text).error();
  auto keys = parse_log_keys(*text);
  if (!keys) return named(std::move(keys).error(), kKeysFile);
  return keys;
}

Result<std::vector<std::string>> LogReader::cosigned_names() const {
  std::vector<std::string> names;
  std::error_code failed;
  std::filesystem::directory_iterator at(directory_ / kCosignedDirectory, failed);
  if (failed == std::errc::no_such_file_or_directory) return names;
  for (; !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    std::string name = at->path().filename().string();
    const auto id = hex_decode(name);
    if (id && id->size() == sizeof(std::uint32_t)) names.push_back(std::move(name));
  }
  if (failed) return from_errno(failed.value(), std::string("couldn't list ") + kCosignedDirectory);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> LogReader::cosigned_checkpoint(const std::string& name) const {
  return read_text(directory_, std::string(kCosignedDirectory) + "/" + name, kMaxNoteBytes);
}

Result<LogHead> LogReader::head() const {
  auto archived = archived_sizes();
  if (!archived) return std::move(archived).error();
  auto note = checkpoint();
  if (!note) return std::move(note).error();
  auto before = keys();
  // A key is added between two checkpoints; more than one in the time of two reads is none that a publisher makes.
  for (int tries = 0; tries < kTries; ++tries) {
    note = checkpoint();
    if (!note) return std::move(note).error();
    auto after = keys();
    if (before && after && *before == *after) return LogHead{*std::move(archived), *std::move(note), *std::move(after)};
    before = std::move(after);
  }
  if (!before) return std::move(before).error();
  return Error{Errc::unavailable, "the log's keys change faster than they can be read"};
}

Result<std::string> LogReader::text(const std::string& name, std::size_t limit) const {
  return read_text(directory_, name, limit);
}

Result<void> LogReader::read_tile(const TileId& id, std::size_t limit, Bytes& into, bool& whole) const {
  whole = id.width == kTileWidth;
  auto read = read_whole(directory_, tile_path(id), limit, into);
  if (read || whole || read.error().code != Errc::not_found) return read;
  // A partial tile may be gone once the full one is there.
  TileId full = id;
  full.width = kTileWidth;
  if (auto fallback = read_whole(directory_, tile_path(full), limit, into); !fallback) {
    return fallback.error().code == Errc::not_found ? read : fallback;
  }
  whole = true;
  return {};
}

Result<std::vector<Hash>> LogReader::hashes(const TileId& id) const {
  Bytes bytes;
  bool whole = false;
  if (auto read = read_tile(id, kTileWidth * kHashBytes, bytes, whole); !read) return std::move(read).error();
  auto hashes = decode_tile(bytes, whole ? kTileWidth : id.width);
  if (!hashes) return named(std::move(hashes).error(), tile_path({id.level, id.index, whole ? kTileWidth : id.width}));
  hashes->resize(id.width);
  return hashes;
}

Result<void> LogReader::entries(std::uint64_t index, unsigned width, Bundle& into) const {
  bool whole = false;
  into.entries.clear();
  if (auto read = read_tile({{}, index, width}, kMaxBundleBytes, into.bytes, whole); !read) return std::move(read).error();
  auto entries = decode_bundle(into.bytes, whole ? kTileWidth : width);
  if (!entries) return named(std::move(entries).error(), tile_path({{}, index, whole ? kTileWidth : width}));
  entries->resize(width);
  into.entries = *std::move(entries);
  return {};
}

ReadNode LogReader::nodes(std::uint64_t size) const {
  using Cached = std::pair<TileId, std::vector<Hash>>;
  // Shared by the copies of one function object; it has one user.
  auto cache = std::make_shared<std::list<Cached>>();
  return [cache, size, reader = *this](const NodeId& node) -> Result<Hash> {
    const NodePlace place = place_of(node, size);
    auto at = std::find_if(cache->begin(), cache->end(), [&](const Cached& cached) { return cached.first == place.tile; });
    if (at == cache->end()) {
      auto hashes = reader.hashes(place.tile);
      if (!hashes) return std::move(hashes).error();
      cache->emplace_front(place.tile, *std::move(hashes));
      if (cache->size() > kCachedTiles) cache->pop_back();
      at = cache->begin();
    }
    return subtree_root(std::span(at->second).subspan(place.first, place.count));
  };
}

}  // namespace sanad::audit
