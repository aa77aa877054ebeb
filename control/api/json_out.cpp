#include "control/api/json_out.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "gateway/base/encoding.hpp"

namespace sanad::api {

namespace json = boost::json;

namespace {

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::value text_or_null(const std::optional<std::string>& text) { return text ? json::value(*text) : json::value(nullptr); }

json::value personal_text(const std::string& text, Personal personal) {
  return personal == Personal::shown ? json::value(text) : json::value(nullptr);
}

json::value personal_endpoint(const std::optional<Endpoint>& endpoint, Personal personal) {
  return endpoint && personal == Personal::shown ? json::value(endpoint->to_string()) : json::value(nullptr);
}

json::array texts(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

json::object bounds_json(const sessions::Bounds& bounds) {
  return {{"not_before", to_rfc3339(bounds.not_before)}, {"not_after", to_rfc3339(bounds.not_after)}};
}

std::string address_or_prefix(const IpPrefix& prefix) {
  return prefix.is_host() ? prefix.address().to_string() : prefix.to_string();
}

json::object interface_json(const service::InterfaceStatus& status) {
  json::object out;
  out["name"] = status.name;
  out["backend"] = status.backend;
  out["state"] = status.state;
  out["problem"] = text_or_null(status.problem);
  out["listen_port"] = status.listen_port;
  out["public_key"] = status.public_key.to_base64();
  json::array addresses;
  for (const InterfaceAddress& address : status.addresses) addresses.emplace_back(address.to_string());
  out["addresses"] = std::move(addresses);
  out["peers"] = status.peers;
  out["connected"] = status.connected;
  out["last_snapshot_at"] = time_or_null(status.last_snapshot);
  out["snapshot_ms"] = status.last_snapshot ? json::value(status.snapshot_ms) : json::value(nullptr);
  out["interruptions"] = status.interruptions;
  out["drift_total"] = status.drift_total;
  return out;
}

json::object witness_json(const service::WitnessStatus& status) {
  json::object out;
  out["name"] = status.name;
  out["url"] = status.url;
  out["records"] = status.records ? json::value(*status.records) : json::value(nullptr);
  out["cosigned_at"] = time_or_null(status.cosigned_at);
  out["lag_records"] = status.lag_records;
  out["lag_s"] = static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(status.lag).count()) / 1000.0;
  out["alarm"] = status.alarm;
  out["problem"] = text_or_null(status.problem);
  out["failures"] = status.failures;
  return out;
}

}  // namespace

json::object evidence_json(std::uint64_t index) { return {{"index", index}}; }

json::value erased_json(const ledger::Owner& owner) {
  if (!owner.erased) return nullptr;
  return json::object{{"at", to_rfc3339(owner.erased->at)}, {"evidence", owner.erased->evidence}};
}

json::object peer_json(const service::PeerView& view, Personal personal) {
  const ledger::PeerRecord& peer = view.peer;
  json::object out;
  out["id"] = peer.id;
  out["name"] = personal_text(peer.name(), personal);
  out["interface"] = peer.interface;
  json::object owner;
  owner["id"] = peer.owner.id;
  owner["handle"] = personal_text(peer.owner.handle, personal);
  owner["name"] = personal_text(peer.owner.name, personal);
  owner["email"] = personal == Personal::shown ? text_or_null(peer.owner.email) : json::value(nullptr);
  owner["erased"] = erased_json(peer.owner);
  out["owner"] = std::move(owner);
  out["device"] = peer.device;
  out["public_key"] = peer.public_key.to_base64();
  out["has_preshared_key"] = !peer.preshared_key.is_zero();
  json::array allowed_ips;
  for (const IpPrefix& prefix : peer.allowed_ips) allowed_ips.emplace_back(prefix.to_string());
  out["allowed_ips"] = std::move(allowed_ips);
  out["keepalive_s"] = peer.keepalive_s;
  out["enabled"] = peer.enabled;
  out["state"] = ledger::to_string(view.state);
  out["not_before"] = time_or_null(peer.not_before);
  out["expires_at"] = time_or_null(peer.expires_at);
  out["groups"] = texts(peer.groups);
  out["note"] = personal_text(peer.note, personal);
  out["created_at"] = to_rfc3339(peer.created);
  out["updated_at"] = to_rfc3339(peer.updated);
  out["version"] = peer.version;
  out["connected"] = nullptr;
  if (view.connected) {
    json::object connected;
    connected["session"] = hex_encode(view.connected->session);
    connected["since"] = to_rfc3339(view.connected->start);
    connected["endpoint"] = personal_endpoint(view.connected->endpoint, personal);
    connected["rx_bytes"] = view.connected->traffic.rx;
    connected["tx_bytes"] = view.connected->traffic.tx;
    out["connected"] = std::move(connected);
  }
  out["last_session_at"] = time_or_null(view.last_session_at);
  return out;
}

json::object session_json(const service::SessionView& view, Personal personal) {
  const ledger::SessionRecord& session = view.session;
  const ledger::PeerRecord& peer = view.peer;
  json::object out;
  out["id"] = hex_encode(session.id);
  out["peer"] = {
      {"id", session.peer_id}, {"name", personal_text(peer.name(), personal)}, {"device", personal_text(peer.device, personal)}};
  out["owner"] = {
      {"id", session.owner_id}, {"name", personal_text(peer.owner.name, personal)}, {"erased", erased_json(peer.owner)}};
  out["interface"] = session.interface;
  json::array inner;
  for (const IpPrefix& prefix : session.inner) inner.emplace_back(address_or_prefix(prefix));
  out["inner"] = std::move(inner);
  std::optional<Endpoint> latest;
  json::array endpoints;
  for (const ledger::SessionEndpoint& endpoint : session.endpoints) {
    latest = endpoint.address;
    json::object one;
    one["address"] = personal_endpoint(endpoint.address, personal);
    one["since"] = to_rfc3339(endpoint.since);
    one["evidence"] = endpoint.evidence;
    endpoints.emplace_back(std::move(one));
  }
  out["outer"] = personal_endpoint(latest, personal);
  out["endpoints"] = std::move(endpoints);
  out["started_at"] = to_rfc3339(session.started);
  out["started_bounds"] = bounds_json(session.started_bounds);
  const auto& end = session.end;
  out["ended_at"] = end ? json::value(to_rfc3339(end->at)) : json::value(nullptr);
  out["ended_bounds"] = end ? json::value(bounds_json(end->bounds)) : json::value(nullptr);
  out["end_inferred"] = end ? end->inferred : false;
  out["state"] = end ? "closed" : "connected";
  out["reason"] = end ? json::value(sessions::to_string(end->reason)) : json::value(nullptr);
  out["rx_bytes"] = session.figures.traffic.rx;
  out["tx_bytes"] = session.figures.traffic.tx;
  out["uncertain_bytes"] = session.figures.uncertain.rx + session.figures.uncertain.tx;
  out["handshakes"] = session.figures.handshakes;
  out["moves"] = session.figures.moves;
  out["figures_as_of"] = to_rfc3339(session.figures.as_of);
  out["figures_from_checkpoint"] = session.figures.from_checkpoint;
  json::object evidence;
  evidence["opened"] = session.opened_evidence;
  evidence["closed"] = end ? json::value(end->evidence) : json::value(nullptr);
  out["evidence"] = std::move(evidence);
  return out;
}

json::object standing_json(const service::RegistrationStatus& status) {
  json::object out;
  out["standing"] = registration::to_string(status.standing.kind);
  out["level"] = text_or_null(status.level);
  out["legal_name"] = text_or_null(status.legal_name);
  out["sentence"] = status.sentence;
  out["reference"] = text_or_null(status.reference);
  out["valid_from"] = time_or_null(status.valid_from);
  out["valid_until"] = time_or_null(status.valid_until);
  out["action"] = registration::to_string(status.standing.action);
  out["revocation"] = {{"status", status.revocation.status}, {"checked_at", time_or_null(status.revocation.checked_at)}};
  return out;
}

json::array revocation_lists_json(const service::RevocationStatus& revocation) {
  json::array out;
  for (const auto& list : revocation.lists) {
    json::object one;
    one["source"] = list.name;
    one["read_at"] = time_or_null(list.read_at);
    one["issued_at"] = time_or_null(list.issued_at);
    one["next_update"] = time_or_null(list.next_update);
    one["problem"] = text_or_null(list.problem);
    one["failing_since"] = time_or_null(list.failing_since);
    out.emplace_back(std::move(one));
  }
  return out;
}

json::object standing_with_findings_json(const service::RegistrationStatus& status) {
  json::object out = standing_json(status);
  json::array findings;
  for (const registration::Finding& finding : status.standing.findings) {
    json::object one;
    one["code"] = registration::to_string(finding.code);
    one["detail"] = finding.detail;
    findings.emplace_back(std::move(one));
  }
  out["findings"] = std::move(findings);
  return out;
}

json::object registration_json(const service::RegistrationStatus& status) {
  json::object out;
  out["standing"] = standing_with_findings_json(status);
  out["certificate_pem"] = text_or_null(status.certificate_pem);
  json::array history;
  for (const auto& installed : status.history) {
    json::object one;
    one["fingerprint"] = installed.fingerprint;
    one["from_index"] = installed.from_index;
    one["installed_at"] = to_rfc3339(installed.installed);
    history.emplace_back(std::move(one));
  }
  out["history"] = std::move(history);
  json::array anchors;
  for (const auto& anchor : status.anchors) {
    json::object one;
    one["subject"] = anchor.subject;
    one["level"] = anchor.level;
    anchors.emplace_back(std::move(one));
  }
  out["anchors"] = std::move(anchors);
  out["revocation_lists"] = revocation_lists_json(status.revocation);
  return out;
}

json::object rotation_json(const service::RotationStatus& status) {
  json::object out;
  out["public_key"] = status.public_key.to_base64();
  out["registered"] = status.registered;
  out["next_key"] = status.next_key ? json::value(status.next_key->to_base64()) : json::value(nullptr);
  out["rotated_at"] = status.rotated ? json::value(to_rfc3339(*status.rotated)) : json::value(nullptr);
  out["peers"] = status.peers;
  json::array waiting;
  for (const auto& peer : status.waiting)
    waiting.push_back(json::object{{"id", peer.id}, {"name", peer.name()}, {"sequence", peer.version}});
  out["waiting"] = std::move(waiting);
  return out;
}

json::object session_events_json(const service::SessionEventsStatus& status) {
  using State = service::SessionEventsStatus::State;
  json::object out;
  switch (status.state) {
    case State::followed:
      out["state"] = "followed";
      break;
    case State::off:
      out["state"] = "off";
      break;
    case State::userspace:
      out["state"] = "userspace";
      break;
    case State::refused:
      out["state"] = "refused";
      break;
  }
  out["hook"] = text_or_null(status.hook);
  out["problem"] = text_or_null(status.problem);
  out["hint"] = text_or_null(status.hint);
  return out;
}

json::object status_json(const service::Status& status) {
  json::object out;
  out["version"] = SANAD_VERSION;
  out["gateway"] = status.gateway_id;
  out["started_at"] = to_rfc3339(status.started);
  out["uptime_s"] = status.uptime.count();
  json::array interfaces;
  std::size_t connected = 0;
  for (const auto& interface : status.interfaces) {
    connected += interface.connected;
    interfaces.emplace_back(interface_json(interface));
  }
  out["interfaces"] = std::move(interfaces);
  out["session_events"] = session_events_json(status.session_events);
  out["registration"] = standing_json(status.registration);
  out["peers"] = {{"total", status.peers_total},
                  {"enabled", status.peers_enabled},
                  {"connected", connected},
                  {"expiring", status.peers_expiring}};
  out["sessions"] = {{"today", status.sessions_today}, {"open", status.sessions_open}};
  json::object evidence;
  evidence["records"] = status.records;
  evidence["pending"] = status.records - std::min(status.records, status.signed_records);  // not yet under a checkpoint
  evidence["checkpoint_age_s"] = nullptr;
  // Whole milliseconds; never negative, also when the clock was set back since.
  if (status.checkpoint_at)
    evidence["checkpoint_age_s"] =
        static_cast<double>(std::max<std::int64_t>(0, now().wall.ms() - status.checkpoint_at->ms())) / 1000.0;
  evidence["epoch"] = status.log_epoch;
  json::array witnesses;
  for (const auto& witness : status.witnesses) witnesses.emplace_back(witness_json(witness));
  evidence["witnesses"] = std::move(witnesses);
  evidence["writable"] = status.writable;
  evidence["problem"] = text_or_null(status.storage_problem.empty() ? status.log_problem : status.storage_problem);
  out["evidence"] = std::move(evidence);
  json::object clock;
  clock["synchronised"] = status.clock.synchronised;
  clock["offset_ms"] = static_cast<double>(status.clock.offset_us) / 1000.0;
  out["clock"] = std::move(clock);
  json::object disk;
  disk["free_bytes"] = status.disk_free_bytes;
  out["disk"] = std::move(disk);
  return out;
}

Result<json::object> leaf_json(const service::LeafView& view, Personal personal) {
  json::error_code error;
  json::value leaf = json::parse(view.leaf, error);
  if (error || !leaf.is_object()) return Error{Errc::corrupt, "leaf " + std::to_string(view.index) + " is not a JSON object"};
  json::object out;
  out["index"] = view.index;
  out["leaf"] = std::move(leaf);
  if (personal == Personal::hidden) return out;
  json::array disclosures;
  for (const auto& disclosure : view.disclosures) {
    json::value value = json::parse(disclosure.value_json, error);
    if (error) return Error{Errc::corrupt, "a disclosure of leaf " + std::to_string(view.index) + " is not JSON"};
    json::object one;
    one["name"] = disclosure.name;
    one["value"] = std::move(value);
    one["salt"] = disclosure.salt;
    disclosures.emplace_back(std::move(one));
  }
  out["disclosures"] = std::move(disclosures);
  return out;
}

std::string event_name(const service::LeafView& view) {
  // OCSF 1.8.0 class names.
  static constexpr std::pair<std::int64_t, std::string_view> kClasses[] = {
      {4014, "Tunnel Activity"}, {6003, "API Activity"}, {3004, "Entity Management"}, {6002, "Application Lifecycle"}};
  json::error_code error;
  const json::value leaf = json::parse(view.leaf, error);
  if (error) return "unknown";
  const json::value* event = leaf.is_object() ? leaf.get_object().if_contains("event") : nullptr;
  if (event == nullptr || !event->is_object()) return "unknown";
  if (const json::value* uid = event->get_object().if_contains("class_uid"); uid != nullptr && uid->is_int64()) {
    for (const auto& [number, name] : kClasses) {
      if (uid->get_int64() == number) return std::string(name);
    }
  }
  const json::value* name = leaf.find_pointer("/event/unmapped/sanad/name", error);
  if (name == nullptr || !name->is_string()) return "unknown";
  // The name of a field of the stream: nothing in it may end the line.
  const json::string& text = name->get_string();
  return is_plain_text({text.data(), text.size()}) ? std::string(text.data(), text.size()) : "unknown";
}

}  // namespace sanad::api
