#pragma once

#include <functional>

#include "gateway/wg/types.hpp"

namespace sanad::wg {

// The control channel to one WireGuard device. Blocking: used from the device worker thread only, one call at a time.
class DeviceClient {
 public:
  virtual ~DeviceClient() = default;

  // Reads the device and hands it over in parts of some hundred peers while the rest is on its way: a device of 2^20 is
  // never held whole. An interrupted kernel dump is repeated at most three times, each time from a first part on, then ended with
  // complete = false. Receive buffers, which carry the private key and all pre-shared keys, are wiped.
  // Errors: not_found (no such device), unavailable (backend died, connection refused), permission_denied,
  // corrupt (the answer is not what the protocol says), timeout (no answer within 10 s), and what `take` returns: it ends the
  // reading. After an error there is no last part.
  using TakePart = std::function<Result<void>(Snapshot part)>;
  virtual Result<void> read(const TakePart& take) = 0;

  // The same in one value, for devices known to be small and for tests.
  Result<Snapshot> snapshot();

  // Applies a change in as many messages as needed, in order, at most 32 removals a message. Never uses
  // REPLACE_PEERS / replace_peers. NOT atomic: on error an unknown prefix has been applied; the caller reads back
  // (the next reconcile does) instead of assuming.
  virtual Result<void> apply(const DeviceChange& change) = 0;
};

}  // namespace sanad::wg
