#pragma once
// The leaf of a change to a peer. Pure.

#include <optional>

#include "control/audit/ocsf.hpp"
#include "control/ledger/records.hpp"
#include "control/service/request.hpp"

namespace sanad::service {

audit::Actor audit_actor(const Caller& caller);

// SHA-256 over the peer's canonical form: what the device and the rules see of it, nothing personal, no secret.
Sha256 peer_digest(const ledger::PeerRecord& peer);

// One leaf is both the API activity and the entity change, so that a change and its record are one to one: who, what was
// before (digest), what is after (digest), outcome.
audit::EventDraft peer_changed(const audit::Reporter& reporter, WallTime when, const Caller& caller, audit::EntityVerb verb,
                               std::string action, const ledger::PeerRecord* before, const ledger::PeerRecord& after);

}  // namespace sanad::service
