#pragma once
// Who asks, and how answers come back. Everything in this room runs on the loop thread; the ledger's and the device's
// threads only ever see values.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "control/access/actor.hpp"
#include "control/access/role.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

// POST retried with the same key must not happen twice. Scoped to the caller's uid; kept 24 h.
struct Idempotency {
  std::string key;             // 1..128 printable ASCII characters
  std::string request_digest;  // of method, path and body: the same key with another request is a conflict
};

struct Caller {
  access::Actor actor;
  access::RoleSet roles;
  std::optional<Idempotency> idempotency;
};

// Called exactly once, on the loop thread, possibly before the call that took it returns.
template <class T>
using Done = std::function<void(Result<T>)>;

// A change that is durable, and the index of its evidence leaf.
template <class T>
struct Changed {
  T value;
  std::uint64_t evidence = 0;
  bool recorded = true;  // false: storage cannot write now; it took effect (disabling does) and is recorded later
};

}  // namespace sanad::service
