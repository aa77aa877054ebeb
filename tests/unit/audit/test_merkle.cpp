#include <gtest/gtest.h>

#include <random>
#include <set>

#include "control/audit/merkle.hpp"
#include "control/audit/tile.hpp"
#include "tests/unit/audit/rfc6962.hpp"

namespace sanad::audit {
namespace {

std::vector<std::string> random_entries(std::size_t count, std::mt19937_64& random) {
  std::vector<std::string> entries(count);
  for (auto& entry : entries) {
    entry.resize(random() % 60);
    for (auto& c : entry) c = static_cast<char>(random());
  }
  return entries;
}

// Perfect subtrees computed the slow way.
ReadNode slow_nodes(rfc6962::Data entries) {
  return [entries](const NodeId& node) -> Result<Hash> {
    const std::size_t size = std::size_t{1} << node.level;
    EXPECT_LE((node.index + 1) * size, entries.size()) << "a node that is not inside the tree";
    return rfc6962::mth(entries.subspan(node.index * size, size));
  };
}

std::vector<std::size_t> sizes_around_powers_of_two(std::size_t most) {
  std::set<std::size_t> sizes;
  for (std::size_t power = 1; power <= most; power *= 2) sizes.insert({power - 1, power, power + 1});
  sizes.erase(0);
  return {sizes.begin(), sizes.end()};
}

TEST(Merkle, HashesTheVectorsOfCertificateTransparency) {
  // The eight leaves and roots that RFC 6962 implementations share.
  const std::vector<std::string> hex{
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const std::vector<std::string> roots{"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                       "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                       "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                       "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                       "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                       "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                       "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                       "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  EXPECT_EQ(base64_encode(empty_root()), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  CompactRange range;
  EXPECT_EQ(range.root(), empty_root());
  for (std::size_t i = 0; i < hex.size(); ++i) {
    range.append(leaf_hash(hex_decode(hex[i]).value()));
    EXPECT_EQ(hex_encode(range.root()), roots[i]) << i + 1;
  }
}

TEST(Merkle, RootsAreTheStandardsAtEverySize) {
  std::mt19937_64 random(6962);
  const auto entries = random_entries(600, random);
  CompactRange range;
  for (std::size_t size = 0; size <= entries.size(); ++size) {
    ASSERT_EQ(range.size(), size);
    ASSERT_EQ(range.root(), rfc6962::mth(rfc6962::Data(entries).first(size))) << size;
    if (size < entries.size()) range.append(leaf_hash(as_bytes(entries[size])));
  }
}

TEST(Merkle, SubtreesAppendedWholeGiveTheSameRoot) {
  std::mt19937_64 random(1);
  const auto entries = random_entries(777, random);
  const rfc6962::Data data(entries);
  for (int round = 0; round < 50; ++round) {
    CompactRange range;
    while (range.size() < entries.size()) {
      auto height = static_cast<unsigned>(random() % 9);
      while (range.size() % (1U << height) != 0 || range.size() + (1U << height) > entries.size()) --height;
      range.append_subtree(rfc6962::mth(data.subspan(range.size(), 1U << height)), height);
    }
    ASSERT_EQ(range.root(), rfc6962::mth(data));
  }
  CompactRange one;
  one.append(leaf_hash({}));
  EXPECT_THROW(one.append_subtree({}, 1), std::logic_error);
  EXPECT_THROW(one.append_subtree({}, 64), std::logic_error);
}

TEST(Merkle, InclusionProofsAreTheStandardsAndVerify) {
  std::mt19937_64 random(2);
  const auto entries = random_entries(600, random);
  auto sizes = sizes_around_powers_of_two(512);
  for (int i = 0; i < 10; ++i) sizes.push_back(1 + random() % entries.size());
  for (const std::size_t size : sizes) {
    const auto data = rfc6962::Data(entries).first(size);
    const Hash root = rfc6962::mth(data);
    ASSERT_EQ(tree_root(size, slow_nodes(data)).value(), root);
    for (std::size_t m = 0; m<size; size> 70 ? m += 1 + random() % 40 : ++m) {
      const auto proof = inclusion_proof(m, size, slow_nodes(data)).value();
      ASSERT_EQ(proof, rfc6962::path(m, data)) << m << " of " << size;
      ASSERT_TRUE(verify_inclusion(leaf_hash(as_bytes(entries[m])), m, size, proof, root));
    }
  }
  EXPECT_EQ(inclusion_proof(5, 5, slow_nodes(entries)).error().code, Errc::invalid_argument);
  EXPECT_EQ(inclusion_proof(0, kMaxTreeSize + 1, slow_nodes(entries)).error().code, Errc::invalid_argument);
}

TEST(Merkle, ConsistencyProofsAreTheStandardsAndVerify) {
  std::mt19937_64 random(3);
  const auto entries = random_entries(600, random);
  auto sizes = sizes_around_powers_of_two(512);
  for (int i = 0; i < 10; ++i) sizes.push_back(1 + random() % entries.size());
  for (const std::size_t size : sizes) {
    const auto data = rfc6962::Data(entries).first(size);
    for (std::size_t m = 1; m <= size; size > 70 ? m += 1 + random() % 40 : ++m) {
      const auto proof = consistency_proof(m, size, slow_nodes(data)).value();
      ASSERT_EQ(proof, rfc6962::proof(m, data)) << m << " to " << size;
      ASSERT_TRUE(verify_consistency(m, rfc6962::mth(data.first(m)), size, rfc6962::mth(data), proof)) << m << " to " << size;
    }
    ASSERT_TRUE(consistency_proof(0, size, slow_nodes(data)).value().empty());
    ASSERT_TRUE(verify_consistency(0, empty_root(), size, rfc6962::mth(data), {}));
  }
  EXPECT_EQ(consistency_proof(6, 5, slow_nodes(entries)).error().code, Errc::invalid_argument);
}

// Every change of one thing makes a proof worthless.
TEST(Merkle, DamagedInclusionProofsProveNothing) {
  std::mt19937_64 random(4);
  const auto entries = random_entries(70, random);
  for (std::size_t size = 1; size <= entries.size(); ++size) {
    const auto data = rfc6962::Data(entries).first(size);
    const Hash root = rfc6962::mth(data);
    const std::size_t m = random() % size;
    const Hash leaf = leaf_hash(as_bytes(entries[m]));
    const auto proof = rfc6962::path(m, data);
    const auto refused = [&](const Hash& l, std::uint64_t i, std::uint64_t s, const std::vector<Hash>& p, const Hash& r) {
      const auto verdict = verify_inclusion(l, i, s, p, r);
      return !verdict && verdict.error().code == Errc::corrupt;
    };
    Hash other = leaf;
    other[random() % 32] ^= static_cast<std::uint8_t>(1U << (random() % 8));
    EXPECT_TRUE(refused(other, m, size, proof, root));
    EXPECT_TRUE(refused(leaf, m, size, proof, other));
    EXPECT_TRUE(refused(leaf, size, size, proof, root));
    EXPECT_TRUE(refused(leaf, m, 0, proof, root));
    for (std::size_t i = 0; i < size; ++i) {
      if (i == m) continue;
      EXPECT_TRUE(refused(leaf, i, size, proof, root)) << i << " for " << m << " of " << size;
    }
    auto longer = proof;
    longer.push_back(root);
    EXPECT_TRUE(refused(leaf, m, size, longer, root));
    EXPECT_TRUE(refused(leaf, m, size, std::vector<Hash>(10'000, root), root));
    for (std::size_t i = 0; i < proof.size(); ++i) {
      auto changed = proof;
      changed[i][random() % 32] ^= 0x40;
      EXPECT_TRUE(refused(leaf, m, size, changed, root));
      auto shorter = proof;
      shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_TRUE(refused(leaf, m, size, shorter, root));
    }
  }
}

TEST(Merkle, DamagedConsistencyProofsProveNothing) {
  std::mt19937_64 random(5);
  const auto entries = random_entries(70, random);
  for (std::size_t size = 2; size <= entries.size(); ++size) {
    const auto data = rfc6962::Data(entries).first(size);
    const std::size_t m = 1 + random() % (size - 1);
    const Hash old_root = rfc6962::mth(data.first(m));
    const Hash root = rfc6962::mth(data);
    const auto proof = rfc6962::proof(m, data);
    const auto refused = [&](std::uint64_t o, const Hash& old_r, std::uint64_t n, const Hash& r, const std::vector<Hash>& p) {
      const auto verdict = verify_consistency(o, old_r, n, r, p);
      return !verdict && verdict.error().code == Errc::corrupt;
    };
    EXPECT_TRUE(refused(m, root, size, root, proof));
    EXPECT_TRUE(refused(m, old_root, size, old_root, proof));
    EXPECT_TRUE(refused(size, root, m, old_root, proof));
    EXPECT_TRUE(refused(size, root, size, old_root, {}));
    EXPECT_TRUE(refused(size, root, size, root, proof));
    EXPECT_TRUE(refused(0, root, size, root, {}));
    EXPECT_TRUE(refused(m, old_root, size, root, std::vector<Hash>(10'000, root)));
    auto longer = proof;
    longer.push_back(root);
    EXPECT_TRUE(refused(m, old_root, size, root, longer));
    for (std::size_t i = 0; i < proof.size(); ++i) {
      auto changed = proof;
      changed[i][random() % 32] ^= 0x02;
      EXPECT_TRUE(refused(m, old_root, size, root, changed));
      auto shorter = proof;
      shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_TRUE(refused(m, old_root, size, root, shorter));
    }
  }
}

TEST(Merkle, AnErrorOfTheNodesIsHandedOn) {
  const ReadNode broken = [](const NodeId&) -> Result<Hash> { return Error{Errc::io, "disk"}; };
  EXPECT_EQ(tree_root(3, broken).error().code, Errc::io);
  EXPECT_EQ(inclusion_proof(1, 3, broken).error().code, Errc::io);
  EXPECT_EQ(consistency_proof(1, 3, broken).error().code, Errc::io);
}

}  // namespace
}  // namespace sanad::audit
