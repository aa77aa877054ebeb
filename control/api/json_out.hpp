#pragma once
// Views -> JSON, as openapi.yaml describes them. Pure.

#include <boost/json/object.hpp>

#include "control/service/peers.hpp"
#include "control/service/queries.hpp"

namespace sanad::api {

// Personal data (names, e-mail addresses, notes, outer addresses) is null for callers who may not see it.
enum class Personal : bool { hidden = false, shown = true };

boost::json::object peer_json(const service::PeerView& view, Personal personal);
boost::json::object session_json(const service::SessionView& view, Personal personal);
boost::json::object status_json(const service::Status& status);
boost::json::object standing_json(const service::RegistrationStatus& status);  // without findings
boost::json::object standing_with_findings_json(const service::RegistrationStatus& status);
boost::json::object registration_json(const service::RegistrationStatus& status);
// Errors: corrupt (the stored leaf is not JSON).
Result<boost::json::object> leaf_json(const service::LeafView& view, Personal personal);
boost::json::object rotation_json(const service::RotationStatus& status);
boost::json::object evidence_json(std::uint64_t index);
// {"at":..,"evidence":..}, or null when the person was not erased.
boost::json::value erased_json(const ledger::Owner& owner);

// The name a follower of events sees: the OCSF class ("Tunnel Activity"), or our own event's name ("gap").
std::string event_name(const service::LeafView& view);

}  // namespace sanad::api
