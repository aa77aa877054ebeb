#pragma once
// Who holds which addresses: the claims of live peers, and those they gave up.

#include <optional>
#include <string>
#include <vector>

#include "control/ledger/records.hpp"
#include "control/ledger/store.hpp"

namespace sanad::ledger {

struct Claim {
  std::string interface;
  std::string peer_id;
  IpPrefix prefix;
  WallTime from;
  std::optional<WallTime> until;
};

// The live claim that overlaps, if any: claims of an interface are disjoint, so it is enough to look at one.
std::optional<Claim> live_claim(Store& store, const std::string& interface, const IpPrefix& prefix);
void claim(Store& store, const std::string& interface, const std::string& peer_id, const IpPrefix& prefix, WallTime when);
void release(Store& store, const std::string& interface, const IpPrefix& prefix, WallTime when);

// Every claim, live or released, that ever covered the address on any interface.
std::vector<Claim> claims_of(Store& store, const IpAddress& address);

}  // namespace sanad::ledger
