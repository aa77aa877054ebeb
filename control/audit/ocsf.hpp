#pragma once
// Our values -> OCSF 1.8.0 events. Pure. Nothing personal and no key or secret in `event`: people are opaque ids, peers are
// "p-..." ids, and names, e-mail, notes and outer addresses go to `personal`.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/event.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/sha256.hpp"
#include "gateway/sessions/events.hpp"

namespace sanad::audit {

// Who speaks, and under which registration: in every event.
struct Reporter {
  std::string gateway_id;
  std::string registration_reference;   // empty = none
  std::string certificate_fingerprint;  // SHA-256, hex; empty = no certificate
  ClockSync clock;
};

// ---- Sessions: class 4014 ----

struct SessionContext {
  std::string interface;
  std::string backend;  // "kernel" or "userspace": says what the counters mean
  std::string peer_id;
  std::string owner_id;
  std::string peer_name;        // personal; empty = not disclosed
  std::string owner_name;       // personal; empty = not disclosed
  std::vector<IpPrefix> inner;  // the peer's allowed IPs
  std::chrono::nanoseconds poll_interval{};
  std::uint32_t incarnation = 0;
};

EventDraft session_opened(const Reporter& reporter, const SessionContext& context, const sessions::Opened& opened);
EventDraft session_roamed(const Reporter& reporter, const SessionContext& context, const sessions::Roamed& roamed);
// `started` as it was recorded when the session opened.
EventDraft session_closed(const Reporter& reporter, const SessionContext& context, const sessions::Closed& closed,
                          WallTime started);
EventDraft session_attempted(const Reporter& reporter, const SessionContext& context, const sessions::Attempted& attempted);

// The close reason in the words of RADIUS Acct-Terminate-Cause (RFC 2866 section 5.10).
std::string_view terminate_cause(sessions::CloseReason reason) noexcept;

// ---- Administration: classes 6003 and 3004 ----

// The local process behind an admin call, as SO_PEERCRED and /proc say; uid stays in the leaf, names are personal.
struct Actor {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
  std::string user_name;  // personal; empty when the uid has none
  std::string program;    // personal (it may hold a home directory); empty when unreadable
  std::string role;       // "admin", "operator", "auditor", "monitor", "" = none
};

enum class ApiVerb { create = 1, read = 2, update = 3, remove = 4, other = 99 };  // OCSF activity_id of class 6003

struct ApiCall {
  ApiVerb verb = ApiVerb::other;
  std::string operation;  // "POST /v1/peers/{id}/disable": the route, never the raw path
  std::string target;     // opaque id acted on; empty = none
  bool allowed = false;
  std::string why;  // why it was refused or failed: an Errc word or a short reason of ours, no caller's text
};
EventDraft api_activity(const Reporter& reporter, WallTime when, const Actor& actor, const ApiCall& call);

enum class EntityVerb { create = 1, update = 3, remove = 4, enable = 8, disable = 9, other = 99 };  // activity_id of class 3004

struct EntityChange {
  EntityVerb verb = EntityVerb::other;
  std::string action;            // our word: "create", "disable", "rotate-psk", "reload", "install", "grace", "expire", ...
  std::string type;              // "peer", "config", "registration"
  std::string id;                // "p-...", interface or gateway id, certificate fingerprint
  std::optional<Sha256> before;  // digest of the entity's canonical form, secrets left out
  std::optional<Sha256> after;
  boost::json::object details;  // further facts without anything personal; under unmapped.sanad
  std::vector<Disclosable> personal;
};
// No actor: the gateway did it itself (an expiry, a standing).
EventDraft entity_management(const Reporter& reporter, WallTime when, const std::optional<Actor>& actor, EntityChange change);

// ---- Life of the program: class 6002 ----

enum class Lifecycle { start, stop, heartbeat };
EventDraft lifecycle(const Reporter& reporter, WallTime when, Lifecycle what, std::string_view version,
                     boost::json::object details = {});

// ---- Our own: base event (class 0) with unmapped.sanad.name ----

EventDraft gap(const Reporter& reporter, WallTime when, const std::string& interface, const sessions::Gap& gap);
// The wall clock was stepped, or NTP lost or found its time. Opens and closes nothing.
EventDraft clock_change(const Reporter& reporter, WallTime when, std::string_view what, std::int64_t step_ms);
// Someone else changed the device. `peer_id` empty: the device itself, or a peer that is none of ours; then `key_digest` (SHA-256
// of the public key) tells unknown peers apart. `was` and `should_be` are plain words without keys.
struct DriftFound {
  std::string interface;
  std::string kind;
  std::string peer_id;
  std::optional<Sha256> key_digest;
  std::string was;
  std::string should_be;
};
EventDraft drift(const Reporter& reporter, WallTime when, const DriftFound& found);
EventDraft backend_died(const Reporter& reporter, WallTime when, const std::string& interface, std::string_view backend,
                        std::string_view why);
EventDraft backend_restored(const Reporter& reporter, WallTime when, const std::string& interface, std::string_view backend);
EventDraft forwarding_changed(const Reporter& reporter, WallTime when, std::string_view family, bool enabled);
EventDraft standing_changed(const Reporter& reporter, WallTime when, std::string_view from, std::string_view to,
                            std::string_view action);
// Anything else of ours. `name` is a fixed word.
EventDraft own_event(const Reporter& reporter, WallTime when, std::string_view name, boost::json::object details);
// The same, done at somebody's request. `personal`: further values, beside the actor's.
EventDraft own_act(const Reporter& reporter, WallTime when, const Actor& actor, std::string_view name,
                   boost::json::object details, std::vector<Disclosable> personal = {});

// ---- Reading back ----

// "session.opened", "session.roamed", "session.closed", "session.attempted", "api.call", "entity.<action>", "lifecycle.start",
// or the name of one of our own events: what an SSE consumer selects on. `event` is the leaf's "event" object.
std::string event_name(const boost::json::object& event);

}  // namespace sanad::audit
