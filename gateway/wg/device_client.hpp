#pragma once

#include "gateway/wg/types.hpp"

namespace sanad::wg {

// The control channel to one WireGuard device. Blocking: used from the device worker thread only, one call at a time.
class DeviceClient {
 public:
  virtual ~DeviceClient() = default;

  // Reads the whole device. An interrupted kernel dump is repeated at most three times, then returned with
  // complete = false. Receive buffers, which carry the private key and all pre-shared keys, are wiped.
  // Errors: not_found (no such device), unavailable (backend died, connection refused), permission_denied,
  // corrupt (the answer is not what the protocol says), timeout (no answer within 10 s).
  virtual Result<Snapshot> snapshot() = 0;

  // Applies a change in as many messages as needed, in order, at most 32 removals a message. Never uses
  // REPLACE_PEERS / replace_peers. NOT atomic: on error an unknown prefix has been applied; the caller reads back
  // (the next reconcile does) instead of assuming.
  virtual Result<void> apply(const DeviceChange& change) = 0;
};

}  // namespace sanad::wg
