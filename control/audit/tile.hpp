#pragma once
// C2SP tiles (c2sp.org/tlog-tiles): which files a log of a given size consists of, their names, and what is in them. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/merkle.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/result.hpp"

namespace sanad::audit {

constexpr unsigned kTileHeight = 8;
constexpr unsigned kTileWidth = 1U << kTileHeight;
constexpr std::size_t kHashBytes = 32;
constexpr unsigned kMaxTileLevel = 63;
// 256 entries of at most 65,535 bytes, each behind a 16-bit length.
constexpr std::size_t kMaxBundleBytes = kTileWidth * (2 + 65'535);

struct TileId {
  std::optional<unsigned> level{};  // nothing: an entry bundle
  std::uint64_t index = 0;
  unsigned width = kTileWidth;  // 1..256; below 256 it is partial
  bool operator==(const TileId&) const = default;
};

// "tile/0/x001/x234/067.p/12", "tile/entries/000".
std::string tile_path(const TileId& id);
// Errors: invalid_argument: not a path tile_path() writes.
Result<TileId> parse_tile_path(std::string_view path);

// How many full tiles there are at a level of a log of `size` leaves, and how wide the partial one after them is (0: there is
// none).
std::uint64_t full_tiles(unsigned level, std::uint64_t size);
unsigned partial_width(unsigned level, std::uint64_t size);
// Levels that hold anything: 0 for an empty log.
unsigned tile_levels(std::uint64_t size);
// The hash tiles that a log of `size` leaves has and are not full: one a level at most.
std::vector<TileId> partial_tiles(std::uint64_t size);

// Where a node is found: the tile of a log of `size` leaves, and the hashes in it whose subtree root the node is.
struct NodePlace {
  TileId tile;
  unsigned first = 0;
  unsigned count = 1;  // a power of two, at most 128
};
// The node must lie wholly inside the log.
NodePlace place_of(const NodeId& node, std::uint64_t size);

// The root of a power of two of hashes.
Hash subtree_root(std::span<const Hash> hashes);

Bytes encode_tile(std::span<const Hash> hashes);
// Errors: corrupt (not exactly `width` hashes).
Result<std::vector<Hash>> decode_tile(std::span<const std::uint8_t> bytes, unsigned width);

// Appends one entry to a bundle. Errors: invalid_argument (longer than 65,535 bytes).
Result<void> append_entry(Bytes& bundle, std::span<const std::uint8_t> entry);
// Views into `bytes`. Errors: corrupt (not exactly `width` entries), naming the entry.
Result<std::vector<std::span<const std::uint8_t>>> decode_bundle(std::span<const std::uint8_t> bytes, unsigned width);

}  // namespace sanad::audit
