#include "control/service/peer_evidence.hpp"

#include <boost/json/array.hpp>

#include "control/audit/canonical.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

boost::json::array prefixes(const std::vector<IpPrefix>& list) {
  boost::json::array out;
  for (const auto& prefix : list) out.emplace_back(prefix.to_string());
  return out;
}

boost::json::value time_or_null(const std::optional<WallTime>& t) {
  return t ? boost::json::value(to_rfc3339(*t)) : boost::json::value(nullptr);
}

}  // namespace

audit::Actor audit_actor(const Caller& caller) {
  return {.uid = caller.actor.uid,
          .gid = caller.actor.gid,
          .pid = caller.actor.pid,
          .user_name = caller.actor.user_name,
          .program = caller.actor.program,
          .role = caller.roles.empty() ? std::string{} : caller.roles.to_string()};
}

Sha256 peer_digest(const ledger::PeerRecord& peer) {
  boost::json::array groups;
  for (const auto& group : peer.groups) groups.emplace_back(group);
  const boost::json::object form{{"id", peer.id},
                                 {"interface", peer.interface},
                                 {"owner", peer.owner.id},
                                 {"public_key", peer.public_key.to_base64()},
                                 {"allowed_ips", prefixes(peer.allowed_ips)},
                                 {"keepalive_s", peer.keepalive_s},
                                 {"enabled", peer.enabled},
                                 {"not_before", time_or_null(peer.not_before)},
                                 {"expires_at", time_or_null(peer.expires_at)},
                                 {"groups", std::move(groups)},
                                 {"revoked", peer.revoked.has_value()}};
  // Cannot fail: no float, no large integer in it.
  const std::string text = audit::canonical_json(form).value();
  return sha256(as_bytes(text));
}

audit::EventDraft peer_changed(const audit::Reporter& reporter, WallTime when, const Caller& caller, audit::EntityVerb verb,
                               std::string action, const ledger::PeerRecord* before, const ledger::PeerRecord& after) {
  audit::EntityChange change{
      .verb = verb, .action = std::move(action), .type = "peer", .id = after.id, .after = peer_digest(after)};
  if (before != nullptr) change.before = peer_digest(*before);
  change.details = {{"interface", after.interface}, {"owner", after.owner.id}, {"allowed_ips", prefixes(after.allowed_ips)}};
  const auto personal = [&](const char* name, const std::string& value) {
    if (!value.empty()) change.personal.push_back({name, boost::json::value(value), after.owner.id});
  };
  personal("entity.name", after.name());
  personal("user.name", after.owner.name);
  personal("user.email_addr", after.owner.email);
  personal("entity.note", after.note);
  return audit::entity_management(reporter, when, audit_actor(caller), std::move(change));
}

}  // namespace sanad::service
