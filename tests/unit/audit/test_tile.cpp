#include <gtest/gtest.h>

#include <random>
#include <set>

#include "control/audit/tile.hpp"
#include "tests/unit/audit/rfc6962.hpp"

namespace sanad::audit {
namespace {

TEST(Tile, PathsAreTheStandards) {
  EXPECT_EQ(tile_path({0, 0, 256}), "tile/0/000");
  EXPECT_EQ(tile_path({0, 999, 256}), "tile/0/999");
  EXPECT_EQ(tile_path({1, 1000, 256}), "tile/1/x001/000");
  EXPECT_EQ(tile_path({{}, 1234067, 256}), "tile/entries/x001/x234/067");
  EXPECT_EQ(tile_path({63, 7, 1}), "tile/63/007.p/1");
  EXPECT_EQ(tile_path({{}, 273, 112}), "tile/entries/273.p/112");
}

TEST(Tile, PathsReadBack) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 5000; ++i) {
    TileId id;
    if (random() % 3 != 0) id.level = static_cast<unsigned>(random() % 64);
    id.index = (random() >> 1U) >> (random() % 63);
    id.width = 1 + static_cast<unsigned>(random() % 256);
    const auto read = parse_tile_path(tile_path(id));
    ASSERT_TRUE(read) << tile_path(id);
    ASSERT_EQ(*read, id);
  }
  EXPECT_EQ(parse_tile_path("tile/0/x009/x223/x372/x036/x854/x775/807").value().index, kMaxTreeSize);
}

TEST(Tile, OtherSpellingsAreNoPaths) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/00/000",
                           "tile/64/000",
                           "tile/-1/000",
                           "tile/0/0",
                           "tile/0/0000",
                           "tile/0/x000/001",
                           "tile/0/x001/x000",
                           "tile/0/001/000",
                           "tile/0/x1/000",
                           "tile/0/x001//000",
                           "tile/0/000/",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/",
                           "tile/0/000.p/1/",
                           "tile/0/000.p/1.p/1",
                           "tile/entries/../000",
                           "tile/data/000",
                           "/tile/0/000",
                           "tile/0/x009/x223/x372/x036/x854/x775/808",
                           "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
                           "tile/0/00\n",
                           "tile/0/ 00",
                           "tile/0/+00"}) {
    const auto read = parse_tile_path(path);
    ASSERT_FALSE(read) << path;
    EXPECT_EQ(read.error().code, Errc::invalid_argument);
  }
  EXPECT_FALSE(parse_tile_path("tile/0/" + std::string(1'000'000, 'x')));
}

// The example of the specification.
TEST(Tile, TheLogOfSeventyThousand) {
  EXPECT_EQ(full_tiles(0, 70'000), 273U);
  EXPECT_EQ(full_tiles(1, 70'000), 1U);
  EXPECT_EQ(full_tiles(2, 70'000), 0U);
  EXPECT_EQ(tile_levels(70'000), 3U);
  const std::vector<TileId> expected{{0, 273, 112}, {1, 1, 17}, {2, 0, 1}};
  EXPECT_EQ(partial_tiles(70'000), expected);
  const std::vector<TileId> at_256{{1, 0, 1}};
  EXPECT_EQ(partial_tiles(256), at_256);
  EXPECT_TRUE(partial_tiles(0).empty());
  EXPECT_EQ(tile_levels(0), 0U);
  EXPECT_EQ(full_tiles(63, kMaxTreeSize), 0U);
  EXPECT_EQ(tile_levels(kMaxTreeSize), 8U);
}

// Proofs made of tiles alone are the standard's.
TEST(Tile, HoldEveryNodeAProofNeeds) {
  std::mt19937_64 random(9);
  std::vector<std::string> entries;
  for (int i = 0; i < 66'100; ++i) entries.push_back(std::to_string(random()));
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{255}, std::size_t{256}, std::size_t{257}, std::size_t{511}, std::size_t{512},
        std::size_t{65'535}, std::size_t{65'536}, std::size_t{65'537}, entries.size()}) {
    const auto data = rfc6962::Data(entries).first(size);
    // levels[l][i]: what tile hash i of level l must be.
    std::vector<std::vector<Hash>> levels(1);
    for (const auto& entry : data) levels[0].push_back(leaf_hash(as_bytes(entry)));
    while (levels.back().size() >= 256) {
      std::vector<Hash> above;
      for (std::size_t i = 0; i + 256 <= levels.back().size(); i += 256) {
        above.push_back(subtree_root(std::span(levels.back()).subspan(i, 256)));
      }
      levels.push_back(std::move(above));
    }
    ASSERT_EQ(levels.size(), tile_levels(size)) << size;
    for (unsigned level = 0; level < levels.size(); ++level) {
      ASSERT_EQ(full_tiles(level, size) * 256 + partial_width(level, size), levels[level].size());
    }
    const ReadNode from_tiles = [&](const NodeId& node) -> Result<Hash> {
      const NodePlace place = place_of(node, size);
      const auto& level = levels.at(*place.tile.level);
      const std::size_t first = place.tile.index * 256;
      EXPECT_EQ(place.tile.width, std::min<std::size_t>(256, level.size() - first));
      EXPECT_LE(place.first + place.count, place.tile.width);
      return subtree_root(std::span(level).subspan(first, place.tile.width).subspan(place.first, place.count));
    };
    const Hash root = rfc6962::mth(data);
    ASSERT_EQ(tree_root(size, from_tiles).value(), root);
    for (int i = 0; i < 20; ++i) {
      const std::size_t m = random() % size;
      const auto proof = inclusion_proof(m, size, from_tiles).value();
      ASSERT_TRUE(verify_inclusion(levels[0][m], m, size, proof, root));
      const auto grown = consistency_proof(m + 1, size, from_tiles).value();
      if (i >= (size > 1000 ? 1 : 3)) continue;  // the oracle is slow
      ASSERT_EQ(proof, rfc6962::path(m, data));
      ASSERT_EQ(grown, rfc6962::proof(m + 1, data));
      ASSERT_TRUE(verify_consistency(m + 1, rfc6962::mth(data.first(m + 1)), size, root, grown));
    }
  }
}

TEST(Tile, HashesReadBackAndOtherLengthsAreRefused) {
  const std::vector<Hash> hashes{leaf_hash({}), empty_root(), leaf_hash(as_bytes("x"))};
  const Bytes bytes = encode_tile(hashes);
  EXPECT_EQ(bytes.size(), 96U);
  EXPECT_EQ(decode_tile(bytes, 3).value(), hashes);
  EXPECT_EQ(decode_tile(bytes, 2).error().code, Errc::corrupt);
  EXPECT_EQ(decode_tile(bytes, 4).error().code, Errc::corrupt);
  EXPECT_EQ(decode_tile(std::span(bytes).first(95), 3).error().code, Errc::corrupt);
}

TEST(Bundle, EntriesReadBack) {
  std::vector<std::string> entries{"", "a", std::string(65'535, 'b'), std::string(256, '\0')};
  Bytes bundle;
  for (const auto& entry : entries) ASSERT_TRUE(append_entry(bundle, as_bytes(entry)));
  EXPECT_EQ(append_entry(bundle, Bytes(65'536)).error().code, Errc::invalid_argument);
  const auto read = decode_bundle(bundle, 4);
  ASSERT_TRUE(read) << read.error().message;
  for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_TRUE(std::ranges::equal((*read)[i], as_bytes(entries[i])));
  EXPECT_EQ(hex_encode(std::span(bundle).first(5)), "0000000161");
}

TEST(Bundle, CutOffOrTooLongIsRefused) {
  Bytes bundle;
  for (const auto* entry : {"one", "two"}) ASSERT_TRUE(append_entry(bundle, as_bytes(entry)));
  for (std::size_t length = 0; length < bundle.size(); ++length) {
    const auto read = decode_bundle(std::span(bundle).first(length), 2);
    ASSERT_FALSE(read) << length;
    EXPECT_EQ(read.error().code, Errc::corrupt);
  }
  EXPECT_NE(decode_bundle(std::span(bundle).first(7), 2).error().message.find("entry 1 of 2"), std::string::npos);
  EXPECT_FALSE(decode_bundle(bundle, 1));
  EXPECT_FALSE(decode_bundle(bundle, 3));
  EXPECT_TRUE(decode_bundle({}, 0));
}

}  // namespace
}  // namespace sanad::audit
