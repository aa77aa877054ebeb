#include "control/audit/tile.hpp"

#include <algorithm>

#include "control/audit/decimal.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kEntries = "entries";
// The path of the largest index there can be (2^63 / 256) has six groups; longer ones are refused unread.
constexpr std::size_t kMaxPath = 80;

std::string three_digits(std::uint64_t n) {
  std::string text = std::to_string(n);
  return std::string(3 - text.size(), '0') + text;
}

std::uint64_t hashes_at(unsigned level, std::uint64_t size) {
  return kTileHeight * level >= 64 ? 0 : size >> (kTileHeight * level);
}

std::optional<std::uint64_t> parse_group(std::string_view text) {
  if (text.size() != 3) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// "x001/x234/067".
std::optional<std::uint64_t> parse_index(std::string_view text) {
  std::uint64_t index = 0;
  bool first = true;
  for (;;) {
    const std::size_t slash = text.find('/');
    const bool last = slash == std::string_view::npos;
    std::string_view group = text.substr(0, slash);
    if (!last) {
      if (group.empty() || group[0] != 'x') return std::nullopt;
      group.remove_prefix(1);
    }
    const auto value = parse_group(group);
    if (!value || (first && !last && *value == 0)) return std::nullopt;
    if (index > (kMaxTreeSize - *value) / 1000) return std::nullopt;
    index = index * 1000 + *value;
    if (last) return index;
    first = false;
    text.remove_prefix(slash + 1);
  }
}

}  // namespace

std::string tile_path(const TileId& id) {
  std::string path = three_digits(id.index % 1000);
  for (std::uint64_t rest = id.index / 1000; rest > 0; rest /= 1000) path = "x" + three_digits(rest % 1000) + "/" + path;
  path = "tile/" + (id.level ? std::to_string(*id.level) : std::string(kEntries)) + "/" + path;
  if (id.width < kTileWidth) path += ".p/" + std::to_string(id.width);
  return path;
}

Result<TileId> parse_tile_path(std::string_view path) {
  const Error refused{Errc::invalid_argument, "not the path of a tile"};
  constexpr std::string_view kPrefix = "tile/";
  if (path.size() > kMaxPath || !path.starts_with(kPrefix)) return refused;
  path.remove_prefix(kPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return refused;
  TileId id;
  if (const auto level = path.substr(0, slash); level != kEntries) {
    const auto number = parse_decimal(level, kMaxTileLevel);
    if (!number) return refused;
    id.level = static_cast<unsigned>(*number);
  }
  path.remove_prefix(slash + 1);
  if (const std::size_t dot = path.find(".p/"); dot != std::string_view::npos) {
    const auto width = parse_decimal(path.substr(dot + 3), kTileWidth - 1);
    if (!width || *width == 0) return refused;
    id.width = static_cast<unsigned>(*width);
    path = path.substr(0, dot);
  }
  const auto index = parse_index(path);
  if (!index) return refused;
  id.index = *index;
  return id;
}

std::uint64_t full_tiles(unsigned level, std::uint64_t size) { return hashes_at(level, size) / kTileWidth; }

unsigned partial_width(unsigned level, std::uint64_t size) { return static_cast<unsigned>(hashes_at(level, size) % kTileWidth); }

unsigned tile_levels(std::uint64_t size) {
  unsigned levels = 0;
  while (hashes_at(levels, size) > 0) ++levels;
  return levels;
}

std::vector<TileId> partial_tiles(std::uint64_t size) {
  std::vector<TileId> tiles;
  for (unsigned level = 0; level < tile_levels(size); ++level) {
    const unsigned width = partial_width(level, size);
    if (width > 0) tiles.push_back({level, full_tiles(level, size), width});
  }
  return tiles;
}

NodePlace place_of(const NodeId& node, std::uint64_t size) {
  const unsigned level = node.level / kTileHeight;
  const unsigned height = node.level % kTileHeight;
  const std::uint64_t first = node.index << height;
  const std::uint64_t tile = first / kTileWidth;
  const std::uint64_t there = hashes_at(level, size) - tile * kTileWidth;
  return {{level, tile, static_cast<unsigned>(std::min<std::uint64_t>(there, kTileWidth))},
          static_cast<unsigned>(first % kTileWidth),
          1U << height};
}

Hash subtree_root(std::span<const Hash> hashes) {
  std::vector<Hash> level(hashes.begin(), hashes.end());
  while (level.size() > 1) {
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) level[i / 2] = node_hash(level[i], level[i + 1]);
    level.resize(level.size() / 2);
  }
  return level.front();
}

Bytes encode_tile(std::span<const Hash> hashes) {
  Bytes out;
  out.reserve(hashes.size() * kHashBytes);
  for (const Hash& hash : hashes) out.insert(out.end(), hash.begin(), hash.end());
  return out;
}

Result<std::vector<Hash>> decode_tile(std::span<const std::uint8_t> bytes, unsigned width) {
  if (bytes.size() != std::size_t{width} * kHashBytes) {
    return Error{Errc::corrupt, "a tile of " + std::to_string(width) + " hashes has " + std::to_string(bytes.size()) + " bytes"};
  }
  std::vector<Hash> hashes(width);
  for (Hash& hash : hashes) {
    std::copy_n(bytes.begin(), kHashBytes, hash.begin());
    bytes = bytes.subspan(kHashBytes);
  }
  return hashes;
}

Result<void> append_entry(Bytes& bundle, std::span<const std::uint8_t> entry) {
  if (entry.size() > 0xFFFF) {
    return Error{Errc::invalid_argument, "a log entry of " + std::to_string(entry.size()) + " bytes is longer than 65,535"};
  }
  bundle.push_back(static_cast<std::uint8_t>(entry.size() >> 8U));
  bundle.push_back(static_cast<std::uint8_t>(entry.size()));
  bundle.insert(bundle.end(), entry.begin(), entry.end());
  return {};
}

Result<std::vector<std::span<const std::uint8_t>>> decode_bundle(std::span<const std::uint8_t> bytes, unsigned width) {
  std::vector<std::span<const std::uint8_t>> entries;
  entries.reserve(width);
  const auto refused = [&](const char* why) {
    return Error{Errc::corrupt, "entry " + std::to_string(entries.size()) + " of " + std::to_string(width) + " " + why};
  };
  while (entries.size() < width) {
    if (bytes.size() < 2) return refused("is missing");
    const std::size_t length = (std::size_t{bytes[0]} << 8U) | bytes[1];
    bytes = bytes.subspan(2);
    if (bytes.size() < length) return refused("is cut off");
    entries.push_back(bytes.first(length));
    bytes = bytes.subspan(length);
  }
  if (!bytes.empty()) {
    return Error{Errc::corrupt, std::to_string(bytes.size()) + " bytes follow the last of " + std::to_string(width) + " entries"};
  }
  return entries;
}

}  // namespace sanad::audit
