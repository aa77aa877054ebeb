#include "control/ledger/opaque_id.hpp"

#include <array>

namespace sanad::ledger {
namespace {

constexpr std::size_t kIdCharacters = 13;
constexpr std::size_t kSlugLimit = 32;

}  // namespace

std::string make_opaque_id(std::string_view prefix, const audit::FillRandom& random) {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<std::uint8_t, kIdCharacters> bytes{};
  random(bytes);
  std::string id(prefix);
  for (const std::uint8_t byte : bytes) id += kAlphabet[byte & 31U];
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
