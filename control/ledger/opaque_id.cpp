#include "control/ledger/opaque_id.hpp"

#include <algorithm>
#include <array>

namespace sanad::ledger {
namespace {

constexpr unsigned kChanceBits = 23;                  // and 41 bits of milliseconds: enough until 2089
constexpr std::int64_t kEpochMs = 1'577'836'800'000;  // 2020-01-01 UTC
constexpr std::size_t kSlugLimit = 32;

}  // namespace

std::string OpaqueIds::make(std::string_view prefix, WallTime now, const audit::FillRandom& random) {
  // In the order of their bytes, so that text sorts as the numbers do.
  static constexpr std::string_view kAlphabet = "234567abcdefghijklmnopqrstuvwxyz";
  std::array<std::uint8_t, 4> bytes{};
  random(bytes);
  std::uint32_t chance = 0;
  for (const std::uint8_t byte : bytes) chance = chance << 8U | byte;
  const auto since_epoch = static_cast<std::uint64_t>(now.ms() - kEpochMs) << kChanceBits;
  // Made within the same millisecond: a random step further, so that the next one cannot be told from this one.
  last_ = std::max(since_epoch | (chance & ((1U << kChanceBits) - 1)), last_ + 1 + (chance & 0xFFU));
  std::string id(prefix);
  for (int shift = 60; shift >= 0; shift -= 5) id += kAlphabet[(last_ >> static_cast<unsigned>(shift)) & 31U];
  return id;
}

std::string slug(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (out.size() == kSlugLimit) break;
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      out += c;
    } else if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "peer" : out;
}

}  // namespace sanad::ledger
