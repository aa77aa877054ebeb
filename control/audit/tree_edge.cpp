#include "control/audit/tree_edge.hpp"

#include <stdexcept>
#include <utility>

namespace sanad::audit {

TreeEdge::TreeEdge(std::uint64_t size, std::array<std::vector<Hash>, kTileLevels> levels)
    : size_(size), levels_(std::move(levels)) {
  for (unsigned level = 0; level < kTileLevels; ++level) {
    if (levels_[level].size() != partial_width(level, size)) throw std::logic_error("an edge of another size");
  }
}

Result<void> TreeEdge::append(const Hash& hash, unsigned level, const TileFull& full) {
  const std::uint64_t leaves = std::uint64_t{1} << (kTileHeight * level);
  if (size_ % leaves != 0 || size_ > kMaxTreeSize - leaves) throw std::logic_error("a subtree that does not fit the tree");
  levels_.at(level).push_back(hash);
  size_ += leaves;
  for (; levels_.at(level).size() == kTileWidth; ++level) {
    auto& hashes = levels_.at(level);
    const TileId id{level, full_tiles(level, size_) - 1, kTileWidth};
    if (auto done = full(id, hashes); !done) return done;
    const Hash root = subtree_root(hashes);
    hashes.clear();
    levels_.at(level + 1).push_back(root);
  }
  return {};
}

Hash TreeEdge::root() const {
  CompactRange range;
  for (unsigned level = kTileLevels; level-- > 0;) {
    for (const Hash& hash : levels_.at(level)) range.append_subtree(hash, kTileHeight * level);
  }
  return range.root();
}

}  // namespace sanad::audit
