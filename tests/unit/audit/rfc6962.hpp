#pragma once
// RFC 6962 section 2.1, word for word and slow: what the fast code is held against.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::audit::rfc6962 {

using Data = std::span<const std::string>;

inline Sha256 hash(std::initializer_list<std::span<const std::uint8_t>> parts) {
  Bytes input;
  for (const auto part : parts) input.insert(input.end(), part.begin(), part.end());
  return sha256(input);
}

inline std::size_t largest_power_of_two_smaller_than(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

// MTH({}) = SHA-256(). MTH({d(0)}) = SHA-256(0x00 || d(0)). MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])).
inline Sha256 mth(Data d) {
  static constexpr std::uint8_t kZero[] = {0};
  static constexpr std::uint8_t kOne[] = {1};
  if (d.empty()) return hash({});
  if (d.size() == 1) return hash({kZero, as_bytes(d[0])});
  const std::size_t k = largest_power_of_two_smaller_than(d.size());
  const Sha256 left = mth(d.first(k));
  const Sha256 right = mth(d.subspan(k));
  return hash({kOne, left, right});
}

// PATH(0, {d(0)}) = {}. PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n]) for m < k; PATH(m - k, D[k:n]) : MTH(D[0:k]) for m >= k.
inline std::vector<Sha256> path(std::size_t m, Data d) {
  if (d.size() == 1) return {};
  const std::size_t k = largest_power_of_two_smaller_than(d.size());
  auto proof = m < k ? path(m, d.first(k)) : path(m - k, d.subspan(k));
  proof.push_back(m < k ? mth(d.subspan(k)) : mth(d.first(k)));
  return proof;
}

// SUBPROOF(m, D[m], true) = {}. SUBPROOF(m, D[m], false) = {MTH(D[m])}. For m < n:
// SUBPROOF(m, D[n], b) = SUBPROOF(m, D[0:k], b) : MTH(D[k:n]) if m <= k; SUBPROOF(m - k, D[k:n], false) : MTH(D[0:k]) if m > k.
inline std::vector<Sha256> subproof(std::size_t m, Data d, bool b) {
  if (m == d.size()) return b ? std::vector<Sha256>{} : std::vector<Sha256>{mth(d)};
  const std::size_t k = largest_power_of_two_smaller_than(d.size());
  auto proof = m <= k ? subproof(m, d.first(k), b) : subproof(m - k, d.subspan(k), false);
  proof.push_back(m <= k ? mth(d.subspan(k)) : mth(d.first(k)));
  return proof;
}

// PROOF(m, D[n]) = SUBPROOF(m, D[n], true).
inline std::vector<Sha256> proof(std::size_t m, Data d) { return subproof(m, d, true); }

}  // namespace sanad::audit::rfc6962
