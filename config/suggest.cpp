#include "config/suggest.hpp"

#include <algorithm>
#include <cstddef>

namespace sanad::config {
namespace {

// Optimal string alignment distance: insert, delete, replace, swap neighbours, each once a place.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({replace, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view written, const std::vector<std::string_view>& names) {
  constexpr std::size_t kLongest = 64;
  constexpr std::size_t kFarthest = 2;
  if (written.size() > kLongest) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = kFarthest + 1;
  for (const std::string_view name : names) {
    const std::size_t far = distance(written, name);
    if (far < best_distance && far * 2 < name.size()) {
      best = name;
      best_distance = far;
    }
  }
  return best;
}

}  // namespace sanad::config
