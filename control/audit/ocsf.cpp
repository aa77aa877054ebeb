#include "control/audit/ocsf.hpp"

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>

#include "control/audit/canonical.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

namespace json = boost::json;

constexpr std::int64_t kTunnelActivity = 4014;
constexpr std::int64_t kApiActivity = 6003;
constexpr std::int64_t kEntityManagement = 3004;
constexpr std::int64_t kApplicationLifecycle = 6002;
constexpr std::int64_t kBaseEvent = 0;

constexpr std::int64_t kOpen = 1;
constexpr std::int64_t kClose = 2;
constexpr std::int64_t kRenew = 3;
constexpr std::int64_t kOther = 99;

constexpr std::int64_t kSuccess = 1;
constexpr std::int64_t kFailure = 2;

// OCSF wants numbers; a number no reader can hold exactly is given as text instead.
json::value counter(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(kMaxExactInteger)) return static_cast<std::int64_t>(value);
  return json::value(std::to_string(value));
}

// An event is some sixty small objects and strings that live and die together: they share a few blocks of memory. Whatever is put
// into an event is made with its storage; from another storage it would be copied.
constexpr std::size_t kFirstBlockBytes = 4096;  // most events fit

json::storage_ptr storage_for_one_event() { return json::make_shared_resource<json::monotonic_resource>(kFirstBlockBytes); }

json::object bounds_json(const sessions::Bounds& bounds, const json::storage_ptr& storage) {
  return {{{"not_before", bounds.not_before.ms()}, {"not_after", bounds.not_after.ms()}}, storage};
}

// `sanad` becomes unmapped.sanad: OCSF keeps what its classes have no word for there. The event takes its storage.
json::object make_event(const Reporter& reporter, std::int64_t class_uid, std::int64_t activity, WallTime when,
                        json::object sanad) {
  const json::storage_ptr storage = sanad.storage();
  sanad["clock"] = {
      {"source", "CLOCK_REALTIME"}, {"synchronised", reporter.clock.synchronised}, {"offset_us", reporter.clock.offset_us}};
  if (!reporter.certificate_fingerprint.empty() || !reporter.registration_reference.empty()) {
    sanad["registration"] = {{"reference", reporter.registration_reference},
                             {"certificate_sha256", reporter.certificate_fingerprint}};
  }
  json::object event(storage);
  event.reserve(20);
  event["activity_id"] = activity;
  event["category_uid"] = class_uid / 1000;
  event["class_uid"] = class_uid;
  event["type_uid"] = class_uid * 100 + activity;
  event["severity_id"] = 1;  // informational: what deserves an alarm is for whoever reads the log to say
  event["time"] = when.ms();
  event["metadata"] = {{"version", "1.8.0"},
                       {"product", {{"name", "Sanad"}, {"vendor_name", "Sanad"}, {"version", SANAD_VERSION}}}};
  event["device"] = {{"uid", reporter.gateway_id}, {"type_id", kOther}, {"type", "VPN gateway"}};
  event["unmapped"].emplace_object()["sanad"] = std::move(sanad);
  return event;
}

void set_status(json::object& event, bool success, std::string_view code, std::string_view detail) {
  event["status_id"] = success ? kSuccess : kFailure;
  if (!code.empty()) event["status_code"] = code;
  if (!detail.empty()) event["status_detail"] = detail;
}

void add_endpoint(std::vector<Disclosable>& personal, const std::string& path, const std::optional<Endpoint>& endpoint,
                  const std::string& owner_id) {
  if (!endpoint) return;
  personal.push_back({path + ".ip", json::value(endpoint->address.to_string()), owner_id});
  personal.push_back({path + ".port", json::value(static_cast<std::int64_t>(endpoint->port)), owner_id});
}

// What the byte counters count differs between backends; a reader comparing two gateways must know.
std::string_view counters_meaning(std::string_view backend) {
  return backend == "kernel"
             ? "authenticated bytes with WireGuard's framing, without outer headers, without packets outside allowed IPs"
             : "authenticated bytes with WireGuard's framing, without outer headers";
}

json::object session_details(const SessionContext& context, const sessions::Bounds& bounds) {
  json::object sanad(storage_for_one_event());
  sanad.reserve(16);
  sanad["peer"] = context.peer_id;
  auto& inner = sanad["inner"].emplace_array();
  for (const auto& prefix : context.inner) inner.emplace_back(prefix.to_string());
  sanad["backend"] = context.backend;
  sanad["counters"] = counters_meaning(context.backend);
  sanad["incarnation"] = static_cast<std::int64_t>(context.incarnation);
  sanad["poll_interval_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(context.poll_interval).count();
  sanad["bounds"] = bounds_json(bounds, sanad.storage());
  return sanad;
}

EventDraft tunnel_event(const Reporter& reporter, const SessionContext& context, std::int64_t activity, WallTime when,
                        json::object sanad) {
  EventDraft draft{make_event(reporter, kTunnelActivity, activity, when, std::move(sanad)), {}};
  draft.event["protocol_name"] = "WireGuard";
  auto& tunnel = draft.event["tunnel_interface"].emplace_object();
  tunnel["name"] = context.interface;
  tunnel["type_id"] = 4;  // Tunnel
  if (!context.inner.empty()) tunnel["ip"] = context.inner.front().address().to_string();
  draft.event["user"].emplace_object()["uid"] = context.owner_id;
  if (!context.owner_name.empty()) {
    draft.personal.push_back({"user.name", json::value(context.owner_name), context.owner_id});
  }
  if (!context.peer_name.empty()) {
    draft.personal.push_back({"src_endpoint.name", json::value(context.peer_name), context.owner_id});
  }
  return draft;
}

void add_session(json::object& event, const sessions::SessionId& id, std::optional<WallTime> created) {
  auto& session = event["session"].emplace_object();
  session["uid"] = hex_encode(id);
  session["is_vpn"] = true;
  session["is_remote"] = true;
  if (created) session["created_time"] = created->ms();
}

// OCSF: the client is the source, so bytes_out is what the gateway received.
json::object traffic_json(const sessions::Traffic& traffic, const json::storage_ptr& storage) {
  return {{{"bytes_out", counter(traffic.rx)}, {"bytes_in", counter(traffic.tx)}}, storage};
}

void add_actor(EventDraft& draft, const Actor& actor) {
  auto& entry = draft.event["actor"].emplace_object();
  auto& user = entry["user"].emplace_object();
  user["uid"] = std::to_string(actor.uid);
  user["groups"].emplace_array().emplace_back(json::object({{"uid", std::to_string(actor.gid)}}, draft.event.storage()));
  entry["process"].emplace_object()["pid"] = actor.pid;
  if (!actor.user_name.empty()) draft.personal.push_back({"actor.user.name", json::value(actor.user_name), {}});
  if (!actor.program.empty()) draft.personal.push_back({"actor.process.file.path", json::value(actor.program), {}});
}

}  // namespace

std::string_view terminate_cause(sessions::CloseReason reason) noexcept {
  switch (reason) {
    case sessions::CloseReason::expired:
      return "Idle-Timeout";  // WireGuard's own idle limit passed without a handshake
    case sessions::CloseReason::superseded:
      return "Lost-Carrier";  // the client was away longer than a key lives, then came back
    case sessions::CloseReason::revoked:
    case sessions::CloseReason::disabled:
    case sessions::CloseReason::suspended:
      return "Admin-Reset";  // someone with authority over the service ended it
    case sessions::CloseReason::peer_expired:
      return "Session-Timeout";  // the time granted was used up
    case sessions::CloseReason::removed_externally:
      return "NAS-Request";  // ended on the gateway, not in error, for a reason we do not know
    case sessions::CloseReason::link_down:
      return "Lost-Service";  // the interface was taken down; nothing says that it failed
    case sessions::CloseReason::counters_reset:
    case sessions::CloseReason::device:
      return "NAS-Error";  // the gateway's own state was lost under the session
  }
  return "NAS-Error";
}

EventDraft session_opened(const Reporter& reporter, const SessionContext& context, const sessions::Opened& opened) {
  auto draft = tunnel_event(reporter, context, kOpen, opened.start, session_details(context, opened.bounds));
  add_session(draft.event, opened.session, opened.start);
  set_status(draft.event, true, {}, {});
  add_endpoint(draft.personal, "src_endpoint", opened.endpoint, context.owner_id);
  return draft;
}

EventDraft session_roamed(const Reporter& reporter, const SessionContext& context, const sessions::Roamed& roamed) {
  auto draft = tunnel_event(reporter, context, kRenew, roamed.bounds.not_after, session_details(context, roamed.bounds));
  add_session(draft.event, roamed.session, std::nullopt);
  set_status(draft.event, true, {}, "roamed");
  add_endpoint(draft.personal, "src_endpoint", roamed.to, context.owner_id);
  add_endpoint(draft.personal, "unmapped.sanad.from", roamed.from, context.owner_id);
  return draft;
}

EventDraft session_closed(const Reporter& reporter, const SessionContext& context, const sessions::Closed& closed,
                          WallTime started) {
  auto sanad = session_details(context, closed.bounds);
  sanad["end_inferred"] = closed.end_inferred;
  sanad["handshakes"] = static_cast<std::int64_t>(closed.handshakes);
  sanad["moves"] = static_cast<std::int64_t>(closed.moves);
  sanad["figures_as_of"] = closed.figures_as_of.ms();
  sanad["figures_from_checkpoint"] = closed.figures_from_checkpoint;
  if (closed.uncertain != sessions::Traffic{}) sanad["uncertain_traffic"] = traffic_json(closed.uncertain, sanad.storage());
  auto draft = tunnel_event(reporter, context, kClose, closed.end, std::move(sanad));
  add_session(draft.event, closed.session, started);
  draft.event["start_time"] = started.ms();
  draft.event["end_time"] = closed.end.ms();
  draft.event["duration"] = closed.end.ms() - started.ms();
  draft.event["cumulative_traffic"] = traffic_json(closed.traffic, draft.event.storage());
  set_status(draft.event, true, terminate_cause(closed.reason), sessions::to_string(closed.reason));
  return draft;
}

EventDraft session_attempted(const Reporter& reporter, const SessionContext& context, const sessions::Attempted& attempted) {
  auto sanad = session_details(context, attempted.bounds);
  sanad["count_at_least"] = counter(attempted.count_at_least);
  auto draft = tunnel_event(reporter, context, kOther, attempted.bounds.not_after, std::move(sanad));
  draft.event["activity_name"] = "Attempt";
  draft.event["traffic"] = traffic_json(attempted.traffic, draft.event.storage());
  set_status(draft.event, false, {}, "no handshake was completed");
  add_endpoint(draft.personal, "src_endpoint", attempted.endpoint, context.owner_id);
  return draft;
}

EventDraft api_activity(const Reporter& reporter, WallTime when, const Actor& actor, const ApiCall& call) {
  json::object sanad(storage_for_one_event());
  if (!actor.role.empty()) sanad["role"] = actor.role;
  EventDraft draft{make_event(reporter, kApiActivity, static_cast<std::int64_t>(call.verb), when, std::move(sanad)), {}};
  draft.event["api"].emplace_object()["operation"] = call.operation;
  draft.event["src_endpoint"] = {{"uid", reporter.gateway_id}, {"svc_name", "admin socket"}};
  if (call.verb == ApiVerb::other) draft.event["activity_name"] = "Other";
  if (!call.target.empty()) {
    draft.event["resources"].emplace_array().emplace_back(json::object({{"uid", call.target}}, draft.event.storage()));
  }
  set_status(draft.event, call.allowed, call.allowed ? "allowed" : "refused", call.why);
  add_actor(draft, actor);
  return draft;
}

EventDraft entity_management(const Reporter& reporter, WallTime when, const std::optional<Actor>& actor, EntityChange change) {
  json::object sanad(std::move(change.details), storage_for_one_event());
  sanad["action"] = change.action;
  if (actor && !actor->role.empty()) sanad["role"] = actor->role;
  if (change.before) sanad["before_sha256"] = hex_encode(*change.before);
  if (change.after) sanad["after_sha256"] = hex_encode(*change.after);
  EventDraft draft{make_event(reporter, kEntityManagement, static_cast<std::int64_t>(change.verb), when, std::move(sanad)),
                   std::move(change.personal)};
  if (change.verb == EntityVerb::other) draft.event["activity_name"] = change.action;
  draft.event["entity"] = {{"type", change.type}, {"uid", change.id}};
  set_status(draft.event, true, {}, {});
  if (actor) add_actor(draft, *actor);
  return draft;
}

EventDraft lifecycle(const Reporter& reporter, WallTime when, Lifecycle what, std::string_view version, json::object details) {
  // Class 6002: 3 = Start, 4 = Stop. A heartbeat has no number there.
  const std::int64_t activity = what == Lifecycle::start ? 3 : what == Lifecycle::stop ? 4 : kOther;
  EventDraft draft{make_event(reporter, kApplicationLifecycle, activity, when, std::move(details)), {}};
  if (activity == kOther) draft.event["activity_name"] = "Heartbeat";
  draft.event["app"] = {{"name", "sanadd"}, {"vendor_name", "Sanad"}, {"version", version}};
  set_status(draft.event, true, {}, {});
  return draft;
}

EventDraft own_event(const Reporter& reporter, WallTime when, std::string_view name, json::object details) {
  details["name"] = name;
  EventDraft draft{make_event(reporter, kBaseEvent, kOther, when, std::move(details)), {}};
  draft.event["activity_name"] = name;
  return draft;
}

EventDraft own_act(const Reporter& reporter, WallTime when, const Actor& actor, std::string_view name, json::object details,
                   std::vector<Disclosable> personal) {
  if (!actor.role.empty()) details["role"] = actor.role;
  auto draft = own_event(reporter, when, name, std::move(details));
  draft.personal = std::move(personal);
  add_actor(draft, actor);
  return draft;
}

EventDraft gap(const Reporter& reporter, WallTime when, const std::string& interface, const sessions::Gap& gap) {
  return own_event(
      reporter, when, "gap",
      {{"interface", interface}, {"cause", sessions::to_string(gap.cause)}, {"from", gap.from.ms()}, {"to", gap.to.ms()}});
}

EventDraft clock_change(const Reporter& reporter, WallTime when, std::string_view what, std::int64_t step_ms) {
  return own_event(reporter, when, "clock", {{"what", what}, {"step_ms", step_ms}});
}

EventDraft drift(const Reporter& reporter, WallTime when, const DriftFound& found) {
  json::object details{{"interface", found.interface}, {"kind", found.kind}, {"was", found.was}, {"should_be", found.should_be}};
  if (!found.peer_id.empty()) details["peer"] = found.peer_id;
  if (found.key_digest) details["key_sha256"] = hex_encode(*found.key_digest);
  return own_event(reporter, when, "drift", std::move(details));
}

EventDraft backend_died(const Reporter& reporter, WallTime when, const std::string& interface, std::string_view backend,
                        std::string_view why) {
  return own_event(reporter, when, "backend_died", {{"interface", interface}, {"backend", backend}, {"why", why}});
}

EventDraft backend_restored(const Reporter& reporter, WallTime when, const std::string& interface, std::string_view backend) {
  return own_event(reporter, when, "backend_restored", {{"interface", interface}, {"backend", backend}});
}

EventDraft forwarding_changed(const Reporter& reporter, WallTime when, std::string_view family, bool enabled) {
  return own_event(reporter, when, "forwarding_changed", {{"family", family}, {"enabled", enabled}});
}

EventDraft standing_changed(const Reporter& reporter, WallTime when, std::string_view from, std::string_view to,
                            std::string_view action) {
  return own_event(reporter, when, "standing_changed", {{"from", from}, {"to", to}, {"action", action}});
}

namespace {

std::string_view text_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view{};
}

std::string own_word(const json::object& event, std::string_view key) {
  const auto* unmapped = event.if_contains("unmapped");
  if (unmapped == nullptr || !unmapped->is_object()) return {};
  const auto* sanad = unmapped->get_object().if_contains("sanad");
  if (sanad == nullptr || !sanad->is_object()) return {};
  return std::string(text_at(sanad->get_object(), key));
}

}  // namespace

std::string event_name(const json::object& event) {
  const auto* type = event.if_contains("type_uid");
  const std::int64_t type_uid = type != nullptr && type->is_int64() ? type->get_int64() : -1;
  switch (type_uid) {
    case kTunnelActivity * 100 + kOpen:
      return "session.opened";
    case kTunnelActivity * 100 + kClose:
      return "session.closed";
    case kTunnelActivity * 100 + kRenew:
      return "session.roamed";
    case kTunnelActivity * 100 + kOther:
      return "session.attempted";
    case kApplicationLifecycle * 100 + 3:
      return "lifecycle.start";
    case kApplicationLifecycle * 100 + 4:
      return "lifecycle.stop";
    case kApplicationLifecycle * 100 + kOther:
      return "lifecycle.heartbeat";
    case kBaseEvent * 100 + kOther:
      return own_word(event, "name");
    default:
      break;
  }
  if (type_uid / 100 == kApiActivity) return "api.call";
  if (type_uid / 100 == kEntityManagement) return "entity." + own_word(event, "action");
  return "unknown";
}

}  // namespace sanad::audit
