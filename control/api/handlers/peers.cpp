#include <charconv>

#include "control/api/handlers/handlers.hpp"
#include "control/api/json_in.hpp"
#include "control/api/json_out.hpp"
#include "control/api/page_source.hpp"
#include "control/api/peer_in.hpp"

namespace sanad::api {
namespace {

Personal personal_of(const Call& call) { return Personal{call.may(access::Permission::personal_data_peers)}; }

void add_etag(Response& response, const service::PeerView& view) {
  response.fields.emplace_back("ETag", "\"" + std::to_string(view.peer.version) + "\"");
}

Response changed_response(const service::Changed<service::PeerView>& changed, Personal personal) {
  boost::json::object body;
  body["peer"] = peer_json(changed.value, personal);
  body["evidence"] = changed.recorded ? boost::json::value(evidence_json(changed.evidence)) : boost::json::value(nullptr);
  Response response = json_response(200, body);
  add_etag(response, changed.value);
  return response;
}

// Only the form our ETag has: a list or a weak tag cannot be a version of ours.
Result<std::optional<std::uint64_t>> if_match(const Call& call) {
  const std::string_view field = call.request.head.field("if-match");
  if (field.empty() || field == "*") return std::optional<std::uint64_t>{};
  std::uint64_t version = 0;
  if (field.size() >= 3 && field.front() == '"' && field.back() == '"') {
    const char* end = field.data() + field.size() - 1;
    const auto [stop, error] = std::from_chars(field.data() + 1, end, version);
    if (error == std::errc{} && stop == end) return std::optional<std::uint64_t>{version};
  }
  return Error{Errc::invalid_argument, "is not an ETag of a peer", "If-Match",
               "Send the ETag as it was received, with its quotes"};
}

void set_enabled(const Context& context, Call call, bool enabled, Reply reply) {
  const Personal personal = personal_of(call);
  context.services.peers.set_enabled(
      std::move(call.caller), std::move(call.id), enabled,
      answer<service::Changed<service::PeerView>>(
          std::move(reply), [personal](const auto& changed) { return changed_response(changed, personal); }));
}

}  // namespace

void list_peers(const Context& context, Call call, Reply reply) {
  service::PeerQuery query;
  query.match = call.query.text("match").value_or("");
  query.owner_id = call.query.text("owner").value_or("");
  query.interface = call.query.text("interface").value_or("");
  query.cursor = call.query.text("cursor").value_or("");
  if (const auto state = call.query.text("state")) {
    const auto parsed = ledger::parse_peer_state(*state);
    if (parsed) query.state = *parsed;
    if (!parsed) call.query.fail("state", parsed.error().message, "active, disabled, pending, expired, suspended or revoked");
  }
  const auto limit = call.query.integer("limit", 1, 1000);
  query.limit = limit.value_or(kPageItems);
  if (auto finished = call.query.finish(); !finished) return reply(problem(finished.error()));

  const Personal personal = personal_of(call);
  service::Peers& peers = context.services.peers;
  auto fetch = [&peers, query](std::string cursor, service::Done<service::Page<service::PeerView>> done) {
    service::PeerQuery following = query;
    following.cursor = std::move(cursor);
    peers.list(std::move(following), std::move(done));
  };
  auto to_json = [personal](const service::PeerView& view) { return peer_json(view, personal); };
  // The first page comes before the answer begins, so that its errors are still a problem document.
  peers.list(query, answer<service::Page<service::PeerView>>(
                        std::move(reply), [limited = limit.has_value(), fetch, to_json](service::Page<service::PeerView> first) {
                          return list_response<service::PeerView>("peers", std::move(first), limited, fetch, to_json);
                        }));
}

void add_peer(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  auto creation = parse_peer_creation(*object);
  if (!creation) return reply(problem(creation.error()));
  const Personal personal = personal_of(call);
  const bool show_profile = creation->show_profile;
  context.services.peers.add(
      std::move(call.caller), std::move(creation->peer),
      answer<service::PeerAdded>(std::move(reply), [personal, show_profile](const service::PeerAdded& added) {
        boost::json::object body;
        body["peer"] = peer_json(added.peer, personal);
        body["evidence"] = evidence_json(added.evidence);
        if (show_profile) {
          body["profile"] = added.profile.empty() ? boost::json::value(nullptr) : boost::json::value(added.profile);
          if (!added.profile_problem.empty()) body["profile_problem"] = added.profile_problem;
        }
        Response response = json_response(201, body);
        add_etag(response, added.peer);
        response.fields.emplace_back("Location", "/v1/peers/" + added.peer.peer.id);
        return response;
      }));
}

void get_peer(const Context& context, Call call, Reply reply) {
  const Personal personal = personal_of(call);
  context.services.peers.get(std::move(call.id),
                             answer<service::PeerView>(std::move(reply), [personal](const service::PeerView& view) {
                               boost::json::object body;
                               body["peer"] = peer_json(view, personal);
                               Response response = json_response(200, body);
                               add_etag(response, view);
                               return response;
                             }));
}

void edit_peer(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  auto edit = parse_peer_edit(*object);
  if (!edit) return reply(problem(edit.error()));
  const auto version = if_match(call);
  if (!version) return reply(problem(version.error()));
  const Personal personal = personal_of(call);
  context.services.peers.edit(std::move(call.caller), std::move(call.id), std::move(*edit), *version,
                              answer<service::Changed<service::PeerView>>(std::move(reply), [personal](const auto& changed) {
                                return changed_response(changed, personal);
                              }));
}

void revoke_peer(const Context& context, Call call, Reply reply) {
  const auto version = if_match(call);
  if (!version) return reply(problem(version.error()));
  const Personal personal = personal_of(call);
  service::Peers& peers = context.services.peers;
  auto done = answer<service::PeerRevoked>(reply, [personal](const service::PeerRevoked& revoked) {
    boost::json::object body;
    body["peer"] = peer_json(revoked.peer, personal);
    body["evidence"] = revoked.recorded ? boost::json::value(evidence_json(revoked.evidence)) : boost::json::value(nullptr);
    body["stopped"] = revoked.stopped;
    if (!revoked.why_not_stopped.empty()) body["reason"] = revoked.why_not_stopped;
    return json_response(200, body);
  });
  if (!*version) return peers.revoke(std::move(call.caller), std::move(call.id), std::move(done));
  const std::string id = call.id;
  peers.get(id, [&peers, wanted = **version, id, caller = std::move(call.caller), reply, done](Result<service::PeerView> view) {
    if (!view) return reply(problem(view.error()));
    if (view->peer.version != wanted) {
      return reply(
          problem(Error{Errc::conflict, "the peer has changed since: its version is " + std::to_string(view->peer.version),
                        "If-Match", "Read it again, then decide"}));
    }
    peers.revoke(caller, id, done);
  });
}

void enable_peer(const Context& context, Call call, Reply reply) {
  set_enabled(context, std::move(call), true, std::move(reply));
}

void disable_peer(const Context& context, Call call, Reply reply) {
  set_enabled(context, std::move(call), false, std::move(reply));
}

void rotate_psk(const Context& context, Call call, Reply reply) {
  const Personal personal = personal_of(call);
  context.services.peers.rotate_psk(std::move(call.caller), std::move(call.id),
                                    answer<service::RotatedPsk>(std::move(reply), [personal](const service::RotatedPsk& rotated) {
                                      boost::json::object body;
                                      body["peer"] = peer_json(rotated.peer, personal);
                                      body["evidence"] = evidence_json(rotated.evidence);
                                      body["preshared_key"] = rotated.preshared_key.empty()
                                                                  ? boost::json::value(nullptr)
                                                                  : boost::json::value(rotated.preshared_key);
                                      Response response = json_response(200, body);
                                      add_etag(response, rotated.peer);
                                      return response;
                                    }));
}

void get_profile(const Context& context, Call call, Reply reply) {
  context.services.peers.profile(std::move(call.id), answer<std::string>(std::move(reply), [](const std::string& profile) {
                                   boost::json::object body;
                                   body["profile"] = profile;
                                   body["complete"] = false;
                                   return json_response(200, body);
                                 }));
}

}  // namespace sanad::api
