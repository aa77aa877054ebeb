#include "control/service/peer_evidence.hpp"

#include <boost/json/array.hpp>
#include <utility>

#include "control/audit/canonical.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

boost::json::array prefixes(const std::vector<IpPrefix>& list) {
  boost::json::array out;
  for (const auto& prefix : list) out.emplace_back(prefix.to_string());
  return out;
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
  // Written as RFC 8785 sorts it, without a tree of values between: an import makes one of these for every peer.
  std::string out;
  out.reserve(512);
  const auto text = [&out](std::string_view key, std::string_view value) {
    out += key;
    // What is stored has been through is_plain_text(), so it is UTF-8 and this cannot fail.
    audit::append_canonical_string(out, value).value();
  };
  const auto time = [&](std::string_view key, const std::optional<WallTime>& t) {
    if (t)
      text(key, to_rfc3339(*t));
    else
      (out += key) += "null";
  };
  std::string_view separator = R"({"allowed_ips":[)";
  for (const auto& prefix : peer.allowed_ips) text(std::exchange(separator, ","), prefix.to_string());
  if (peer.allowed_ips.empty()) out += separator;
  out += peer.enabled ? R"(],"enabled":true)" : R"(],"enabled":false)";
  time(R"(,"expires_at":)", peer.expires_at);
  separator = R"(,"groups":[)";
  for (const auto& group : peer.groups) text(std::exchange(separator, ","), group);
  if (peer.groups.empty()) out += separator;
  text(R"(],"id":)", peer.id);
  text(R"(,"interface":)", peer.interface);
  out += R"(,"keepalive_s":)" + std::to_string(peer.keepalive_s);
  time(R"(,"not_before":)", peer.not_before);
  text(R"(,"owner":)", peer.owner.id);
  text(R"(,"public_key":)", peer.public_key.to_base64());
  out += peer.revoked ? R"(,"revoked":true})" : R"(,"revoked":false})";
  return sha256(as_bytes(out));
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
