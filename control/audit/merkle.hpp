#pragma once
// RFC 6962 section 2.1 Merkle trees over SHA-256: roots, inclusion and consistency proofs. Pure.
//
// Nodes are named by (level, index): the root of the perfect subtree over leaves [index * 2^level, (index + 1) * 2^level).
// Every proof is made of such nodes, so whoever can answer for a node can prove anything (control/audit/tile does, from tiles).

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gateway/base/result.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::audit {

using Hash = Sha256;

// More leaves than this no log has: sizes fit every reader's signed 64-bit integer, and no proof is longer than kMaxProofHashes.
constexpr std::uint64_t kMaxTreeSize = (std::uint64_t{1} << 63) - 1;
constexpr std::size_t kMaxProofHashes = 63;

Hash leaf_hash(std::span<const std::uint8_t> entry);
Hash node_hash(const Hash& left, const Hash& right);
Hash empty_root();

// The perfect subtrees a tree of size() leaves consists of: all that appending and the root need; at most 63 hashes.
class CompactRange final {
 public:
  void append(const Hash& leaf) { append_subtree(leaf, 0); }
  // The root of 2^height further leaves. size() must be a multiple of 2^height: anything else is a bug (std::logic_error).
  void append_subtree(const Hash& root, unsigned height);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Hash root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> peaks_;  // largest subtree first, one for each bit of size_
};

struct NodeId {
  unsigned level = 0;
  std::uint64_t index = 0;
  bool operator==(const NodeId&) const = default;
};
// The hash of a node that lies wholly inside the tree in question.
using ReadNode = std::function<Result<Hash>(const NodeId&)>;

// The root over the first `size` leaves.
Result<Hash> tree_root(std::uint64_t size, const ReadNode& node);

// PATH(index, D[0:size]), the leaf's sibling first. Errors: invalid_argument (index not below size, size above kMaxTreeSize), and
// those of `node`.
Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size, const ReadNode& node);
// PROOF(old_size, D[0:new_size]); empty when the sizes are equal or the old tree is. Errors: invalid_argument (old above new),
// and those of `node`.
Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t new_size, const ReadNode& node);

// Errors: corrupt, with the reason: the proof proves something else or nothing. Proofs of any length are safe to hand in.
Result<void> verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, std::span<const Hash> proof,
                              const Hash& root);
Result<void> verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t new_size, const Hash& new_root,
                                std::span<const Hash> proof);

}  // namespace sanad::audit
