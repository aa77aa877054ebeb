#pragma once
// The right edge of a growing tree, tile by tile. Pure.

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "control/audit/merkle.hpp"
#include "control/audit/tile.hpp"

namespace sanad::audit {

// 2^63 leaves have eight levels of tiles.
constexpr unsigned kTileLevels = 8;

class TreeEdge final {
 public:
  // Told of each tile that has become full, lowest first. What it returns ends append().
  using TileFull = std::function<Result<void>(const TileId&, std::span<const Hash>)>;

  TreeEdge() = default;
  // A tree of `size` leaves; levels[l] holds partial_width(l, size) hashes (else a bug: std::logic_error).
  TreeEdge(std::uint64_t size, std::array<std::vector<Hash>, kTileLevels> levels);

  // A leaf's hash (level 0), or the root of a full tile (its level + 1; size() must then be a multiple of the leaves under it).
  // After an error the edge is of no more use.
  Result<void> append(const Hash& hash, unsigned level, const TileFull& full);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Hash root() const;
  // The hashes of the tile at `level` that is not full.
  [[nodiscard]] std::span<const Hash> hashes(unsigned level) const { return levels_.at(level); }

 private:
  std::uint64_t size_ = 0;
  std::array<std::vector<Hash>, kTileLevels> levels_;
};

}  // namespace sanad::audit
