#include "control/api/server.hpp"

#include <algorithm>
#include <set>

#include "control/api/json_in.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::api {
namespace {

// A uid nobody gave a role gets an answer that says so, and no more.
constexpr std::size_t kConnectionsWithoutRole = 16;
constexpr std::size_t kConnectionsWithRole = 64;

constexpr std::size_t kMaxIdempotencyKey = 128;

bool is_id(std::string_view text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(),
                                          [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string_view media_type(const RequestHead& head) {
  std::string_view type = head.field("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

std::optional<Response> wrong_type(const Route& route, const RequestHead& head) {
  if (!head.has_body()) return std::nullopt;
  const std::string_view wanted = route.body == BodyKind::ndjson ? "application/x-ndjson" : "application/json";
  if (media_type(head) == wanted) return std::nullopt;
  return http_problem(415, "the body must be " + std::string(wanted), "Send the field Content-Type: " + std::string(wanted));
}

Result<std::optional<service::Idempotency>> idempotency_of(const Request& request) {
  if (request.head.method != "POST") return std::nullopt;
  std::optional<std::string> key;
  for (const auto& [name, value] : request.head.fields) {
    if (name != "idempotency-key") continue;
    if (key) return Error{Errc::invalid_argument, "is there twice", "Idempotency-Key"};
    key = value;
  }
  if (!key) return std::nullopt;
  const bool printable = std::all_of(key->begin(), key->end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
  if (key->empty() || key->size() > kMaxIdempotencyKey || !printable) {
    return Error{Errc::invalid_argument, "must be 1 to 128 printable ASCII characters without spaces", "Idempotency-Key",
                 "A random UUID is a good one"};
  }
  const std::string covered = request.head.method + "\n" + request.head.target + "\n" + request.body;
  return service::Idempotency{*key, hex_encode(sha256(as_bytes(covered)))};
}

Result<Query> query_of(const Route& route, std::string_view text) {
  std::set<std::string_view> known;
  for (std::string_view rest = route.parameters; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    known.insert(name);
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  return Query::parse(text, known);
}

}  // namespace

Response json_response(unsigned status, const boost::json::object& body) {
  Response response;
  response.status = status;
  response.body = boost::json::serialize(body) + "\n";
  return response;
}

Server::Server(boost::asio::io_context& io, Listener listener, Limits limits, Services services, access::RoleMap roles)
    : http_(io, std::move(listener), limits, *this), context_{services, io, http_.counters()}, roles_(std::move(roles)) {}

std::size_t Server::connections_for(const access::Actor& actor) {
  return access::roles_of(actor, roles_).empty() ? kConnectionsWithoutRole : kConnectionsWithRole;
}

Response Server::refuse(const access::Actor& actor, const access::RoleSet& roles, const std::string& operation,
                        const std::string& target, access::Permission permission) {
  const Error why = access::explain(actor, roles, permission);
  service::Caller caller;
  caller.actor = actor;
  caller.roles = roles;
  context_.services.queries.record_refusal(std::move(caller), operation, target, std::string(to_string(why.code)));
  return problem(why);
}

std::variant<Server::Found, Response> Server::authorise(const access::Actor& actor, const RequestHead& head) {
  const access::RoleSet roles = access::roles_of(actor, roles_);
  const auto target = parse_target(head.target);
  const Match match = target ? find_route(head.method, target->path) : Match{};
  // Who has no role learns nothing of which paths there are.
  if (roles.empty()) {
    const std::string operation = match.route != nullptr ? match.route->operation() : "unknown";
    const access::Permission permission = match.route != nullptr ? match.route->needs.permission() : access::Permission::status;
    return refuse(actor, roles, operation, is_id(match.id) ? match.id : "", permission);
  }
  if (!target) return problem(target.error());
  if (match.allowed.empty()) return http_problem(404, "there is no such path", "GET /v1/openapi.yaml lists them");
  if (match.route == nullptr) {
    std::string allowed;
    for (const auto method : match.allowed) allowed.append(allowed.empty() ? "" : ", ").append(method);
    Response response = http_problem(405, "this path takes only " + allowed);
    response.fields.emplace_back("Allow", allowed);
    return response;
  }
  if (!access::decide(roles, match.route->needs.permission()).allowed) {
    return refuse(actor, roles, match.route->operation(), is_id(match.id) ? match.id : "", match.route->needs.permission());
  }
  if (!is_id(match.id)) return problem(Error{Errc::not_found, "there is nothing with this id"});
  return Found{match.route, match.id, target->query, roles};
}

std::variant<std::size_t, Response> Server::admit(const access::Actor& actor, const RequestHead& head) {
  auto found = authorise(actor, head);
  if (auto* refusal = std::get_if<Response>(&found)) return std::move(*refusal);
  const Route& route = *std::get<Found>(found).route;
  if (auto refusal = wrong_type(route, head)) return std::move(*refusal);
  return route.body_limit();
}

void Server::handle(const access::Actor& actor, Request request, Reply reply) {
  // Asked again rather than carried over: roles may have changed while the body came in.
  auto authorised = authorise(actor, request.head);
  if (auto* refusal = std::get_if<Response>(&authorised)) return reply(std::move(*refusal));
  Found& found = std::get<Found>(authorised);
  const Route& route = *found.route;

  auto query = query_of(route, found.query);
  if (!query) return reply(problem(query.error()));
  auto idempotency = idempotency_of(request);
  if (!idempotency) return reply(problem(idempotency.error()));
  if (route.body == BodyKind::none && !request.body.empty()) {
    const auto empty = parse_object(request.body);
    if (!empty) return reply(problem(empty.error()));
    if (auto finished = ObjectReader(*empty).finish(); !finished) return reply(problem(finished.error()));
  }

  Call call{std::move(request), {}, std::move(found.id), std::move(*query)};
  call.caller.actor = actor;
  call.caller.roles = found.roles;
  call.caller.idempotency = std::move(*idempotency);
  if (route.reads.empty()) return route.handler(context_, std::move(call), std::move(reply));

  const service::Caller reader = call.caller;
  const std::string target = call.id.empty() ? std::string(route.reads) : call.id;
  auto waiting = std::make_shared<Call>(std::move(call));  // shared: std::function copies its target
  context_.services.queries.record_read(
      reader, route.operation(), target, [this, &route, waiting, reply](Result<std::uint64_t> recorded) {
        if (!recorded) return reply(problem(Error(recorded.error()).within("reading evidence must be recorded first")));
        try {
          route.handler(context_, std::move(*waiting), reply);
        } catch (const std::exception& bug) {
          log::error("{} failed: {}", route.operation(), bug.what());
          reply(problem(Error{Errc::internal, "the request hit an internal error; it is in the daemon's log"}));
        }
      });
}

}  // namespace sanad::api
