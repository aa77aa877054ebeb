#include "control/ledger/address_pool.hpp"

#include <algorithm>
#include <iterator>

namespace sanad::ledger {

void AddressRanges::add(const IpAddress& lo, const IpAddress& hi) {
  IpAddress low = lo;
  IpAddress high = hi;
  auto at = ranges_.upper_bound(lo);
  if (at != ranges_.begin() && std::prev(at)->second >= lo) --at;
  while (at != ranges_.end() && at->first <= high) {
    low = std::min(low, at->first);
    high = std::max(high, at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace(low, high);
}

std::optional<IpAddress> AddressRanges::covering(const IpAddress& address) const {
  auto at = ranges_.upper_bound(address);
  if (at == ranges_.begin()) return std::nullopt;
  --at;
  if (at->second < address) return std::nullopt;
  return at->second;
}

}  // namespace sanad::ledger
