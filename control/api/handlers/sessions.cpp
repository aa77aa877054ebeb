#include "control/api/handlers/handlers.hpp"
#include "control/api/json_out.hpp"
#include "control/api/page_source.hpp"

namespace sanad::api {
namespace {

Personal personal_of(const Call& call) { return Personal{call.may(access::Permission::personal_data)}; }

}  // namespace

void list_sessions(const Context& context, Call call, Reply reply) {
  service::SessionQuery query;
  query.peer_id = call.query.text("peer").value_or("");
  query.owner_id = call.query.text("owner").value_or("");
  query.active = call.query.boolean("active");
  query.from = call.query.time("from");
  query.to = call.query.time("to");
  query.inner = call.query.address("inner");
  query.outer = call.query.address("outer");
  query.at = call.query.time("at");
  query.cursor = call.query.text("cursor").value_or("");
  const auto limit = call.query.integer("limit", 1, 1000);
  query.limit = limit.value_or(kPageItems);
  if (auto finished = call.query.finish(); !finished) return reply(problem(finished.error()));

  const Personal personal = personal_of(call);
  service::Queries& queries = context.services.queries;
  auto fetch = [&queries, query](std::string cursor, service::Done<service::Page<service::SessionView>> done) {
    service::SessionQuery following = query;
    following.cursor = std::move(cursor);
    queries.sessions(std::move(following), std::move(done));
  };
  auto to_json = [personal](const service::SessionView& view) { return session_json(view, personal); };
  queries.sessions(
      query, answer<service::Page<service::SessionView>>(
                 std::move(reply), [limited = limit.has_value(), fetch, to_json](service::Page<service::SessionView> first) {
                   return list_response<service::SessionView>("sessions", std::move(first), limited, fetch, to_json);
                 }));
}

void get_session(const Context& context, Call call, Reply reply) {
  const Personal personal = personal_of(call);
  context.services.queries.session(std::move(call.id),
                                   answer<service::SessionView>(std::move(reply), [personal](const service::SessionView& view) {
                                     boost::json::object body;
                                     body["session"] = session_json(view, personal);
                                     return json_response(200, body);
                                   }));
}

}  // namespace sanad::api
