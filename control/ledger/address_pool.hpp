#pragma once
// Where to look next for a free address, so that allocating n addresses does not walk n^2 of them. Pure.

#include <map>
#include <optional>

#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"

namespace sanad::ledger {

// A set of addresses as disjoint ranges.
class AddressRanges {
 public:
  void add(const IpAddress& lo, const IpAddress& hi);
  // The end of the range that covers `address`, if one does.
  [[nodiscard]] std::optional<IpAddress> covering(const IpAddress& address) const;

 private:
  std::map<IpAddress, IpAddress> ranges_;  // lo -> hi
};

// What is remembered of one pool between two allocations. Always safe to forget.
struct PoolCursor {
  IpAddress next;         // everything in the pool below is claimed, resting or reserved
  AddressRanges resting;  // released, still in quarantine
  std::chrono::nanoseconds quarantine{};
  std::optional<WallTime> stale_at;  // the first quarantine ends: look again from the start
};

}  // namespace sanad::ledger
