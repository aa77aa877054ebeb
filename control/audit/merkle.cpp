#include "control/audit/merkle.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

namespace sanad::audit {
namespace {

// One digest context a thread: OpenSSL's one-shot calls look the algorithm up again for every hash, which costs more than hashing
// a node.
class Hasher final {
 public:
  Hasher() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  }

  template <class... Parts>
  Hash operator()(const Parts&... parts) {
    Hash out{};
    // Cannot fail once the context has been made: memory in, memory out.
    EVP_DigestInit_ex(context_.get(), nullptr, nullptr);
    (EVP_DigestUpdate(context_.get(), parts.data(), parts.size()), ...);
    EVP_DigestFinal_ex(context_.get(), out.data(), nullptr);
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

Hasher& hasher() {
  thread_local Hasher hasher;
  return hasher;
}

// The largest power of two below n (n >= 2): where RFC 6962 splits.
std::uint64_t split_of(std::uint64_t n) { return std::uint64_t{1} << (std::bit_width(n - 1) - 1); }

// MTH(D[begin:end]) where begin is a multiple of the power of two at or above the length, as RFC 6962's recursion always has it.
Result<Hash> range_root(std::uint64_t begin, std::uint64_t end, const ReadNode& node) {
  std::vector<Hash> peaks;
  while (begin < end) {
    const auto height = static_cast<unsigned>(std::bit_width(end - begin) - 1);
    auto hash = node({height, begin >> height});
    if (!hash) return hash;
    peaks.push_back(*hash);
    begin += std::uint64_t{1} << height;
  }
  Hash root = peaks.back();
  for (std::size_t i = peaks.size() - 1; i-- > 0;) root = node_hash(peaks[i], root);
  return root;
}

Error proves_nothing(std::string why) { return {Errc::corrupt, std::move(why)}; }

}  // namespace

Hash leaf_hash(std::span<const std::uint8_t> entry) {
  static constexpr std::array<std::uint8_t, 1> kPrefix{0x00};
  return hasher()(kPrefix, entry);
}

Hash node_hash(const Hash& left, const Hash& right) {
  std::array<std::uint8_t, 65> input{0x01};
  std::copy(right.begin(), right.end(), std::copy(left.begin(), left.end(), input.begin() + 1));
  return hasher()(input);
}

Hash empty_root() { return sha256({}); }

void CompactRange::append_subtree(const Hash& root, unsigned height) {
  if (height >= 63) throw std::logic_error("no subtree is that high");
  const std::uint64_t leaves = std::uint64_t{1} << height;
  if (size_ % leaves != 0 || size_ > kMaxTreeSize - leaves) throw std::logic_error("subtree does not fit the tree");
  Hash hash = root;
  for (std::uint64_t rest = size_ >> height; (rest & 1U) != 0; rest >>= 1U) {
    hash = node_hash(peaks_.back(), hash);
    peaks_.pop_back();
  }
  peaks_.push_back(hash);
  size_ += leaves;
}

Hash CompactRange::root() const {
  if (peaks_.empty()) return empty_root();
  Hash root = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i-- > 0;) root = node_hash(peaks_[i], root);
  return root;
}

Result<Hash> tree_root(std::uint64_t size, const ReadNode& node) {
  if (size == 0) return empty_root();
  if (size > kMaxTreeSize)
    return Error{Errc::invalid_argument, "a tree of " + std::to_string(size) + " leaves is larger than any"};
  return range_root(0, size, node);
}

Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size, const ReadNode& node) {
  if (index >= size || size > kMaxTreeSize) {
    return Error{Errc::invalid_argument, "there is no record " + std::to_string(index) + " in a log of " + std::to_string(size)};
  }
  std::vector<Hash> proof;
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    const bool left = index < middle;
    auto sibling = left ? range_root(middle, end, node) : range_root(begin, middle, node);
    if (!sibling) return std::move(sibling).error();
    proof.push_back(*sibling);
    (left ? end : begin) = middle;
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t new_size, const ReadNode& node) {
  if (old_size > new_size || new_size > kMaxTreeSize) {
    return Error{Errc::invalid_argument,
                 "a log of " + std::to_string(new_size) + " cannot have grown from one of " + std::to_string(old_size)};
  }
  std::vector<Hash> proof;
  if (old_size == 0) return proof;
  std::uint64_t begin = 0;
  std::uint64_t end = new_size;
  while (old_size != end) {
    const std::uint64_t middle = begin + split_of(end - begin);
    const bool left = old_size <= middle;
    auto sibling = left ? range_root(middle, end, node) : range_root(begin, middle, node);
    if (!sibling) return std::move(sibling).error();
    proof.push_back(*sibling);
    (left ? end : begin) = middle;
  }
  // Left out when it is the whole old tree: the verifier knows that root.
  if (begin != 0) {
    auto last = range_root(begin, end, node);
    if (!last) return std::move(last).error();
    proof.push_back(*last);
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

// RFC 9162 section 2.1.3.2.
Result<void> verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, std::span<const Hash> proof,
                              const Hash& root) {
  if (index >= size) return proves_nothing("the record's index is not below the size of the log");
  std::uint64_t node = index;
  std::uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : proof) {
    if (last == 0) return proves_nothing("the proof has more hashes than the log is high");
    if ((node & 1U) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      for (; (node & 1U) == 0 && node != 0; last >>= 1U) node >>= 1U;
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1U;
    last >>= 1U;
  }
  if (last != 0) return proves_nothing("the proof has fewer hashes than the log is high");
  if (hash != root) return proves_nothing("the proof leads to another root");
  return {};
}

// RFC 9162 section 2.1.4.2.
Result<void> verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t new_size, const Hash& new_root,
                                std::span<const Hash> proof) {
  if (old_size > new_size) return proves_nothing("the log has shrunk");
  if (old_size == 0 && old_root != empty_root()) return proves_nothing("an empty log has another root");
  if (old_size == new_size && old_root != new_root) return proves_nothing("two logs of the same size have different roots");
  if (old_size == 0 || old_size == new_size) {
    if (!proof.empty()) return proves_nothing("there is nothing to prove, yet there is a proof");
    return {};
  }
  const bool old_is_perfect = std::has_single_bit(old_size);
  if (!old_is_perfect && proof.empty()) return proves_nothing("the proof is empty");

  std::uint64_t node = old_size - 1;
  std::uint64_t last = new_size - 1;
  for (; (node & 1U) != 0; last >>= 1U) node >>= 1U;
  Hash from_old = old_is_perfect ? old_root : proof.front();
  Hash from_new = from_old;
  for (const Hash& sibling : old_is_perfect ? proof : proof.subspan(1)) {
    if (last == 0) return proves_nothing("the proof has more hashes than the log is high");
    if ((node & 1U) != 0 || node == last) {
      from_old = node_hash(sibling, from_old);
      from_new = node_hash(sibling, from_new);
      for (; (node & 1U) == 0 && node != 0; last >>= 1U) node >>= 1U;
    } else {
      from_new = node_hash(from_new, sibling);
    }
    node >>= 1U;
    last >>= 1U;
  }
  if (last != 0) return proves_nothing("the proof has fewer hashes than the log is high");
  if (from_old != old_root) return proves_nothing("the proof does not lead to the earlier root");
  if (from_new != new_root) return proves_nothing("the proof does not lead to the later root");
  return {};
}

}  // namespace sanad::audit
