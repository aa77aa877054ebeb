#include "control/api/routes.hpp"

#include "control/api/handlers/handlers.hpp"

namespace sanad::api {
namespace {

using P = access::Permission;
using enum BodyKind;

constexpr std::size_t kJsonBytes = 1024 * 1024;
constexpr std::size_t kImportBytes = 64 * 1024 * 1024;
constexpr std::size_t kNoBodyBytes = 1024;

// clang-format off
constexpr Route kRoutes[] = {
    {"GET",    "/v1/confirmations",         P::custody,            "",         "",                                                            none,   list_confirmations},
    {"POST",   "/v1/confirmations/{id}",    P::custody,            "",         "",                                                            none,   confirm_act},
    {"POST",   "/v1/erasures",              P::custody,            "",         "",                                                            json,   erase_person},
    {"GET",    "/v1/events",                P::evidence_read,      "events",   "from",                                                        none,   follow_events},
    {"GET",    "/v1/holds",                 P::custody,            "",         "",                                                            none,   list_holds},
    {"POST",   "/v1/holds",                 P::custody,            "",         "",                                                            json,   place_hold},
    {"DELETE", "/v1/holds/{id}",            P::custody,            "",         "",                                                            none,   release_hold},
    {"GET",    "/v1/interfaces/{id}/key",   P::registration_read,  "",         "",                                                            none,   get_key_rotation},
    {"POST",   "/v1/interfaces/{id}/next-key", P::registration_write, "",      "",                                                            none,   make_next_key},
    {"POST",   "/v1/interfaces/{id}/rotate-key", P::registration_write, "",    "",                                                            json,   rotate_key},
    {"GET",    "/v1/log/entries",           P::evidence_read,      "log",      "from limit",                                                  none,   list_log_entries},
    {"POST",   "/v1/log/rotate-key",        P::custody,            "",         "",                                                            none,   rotate_log_key},
    {"GET",    "/v1/metrics",               P::status,             "",         "",                                                            none,   get_metrics},
    {"GET",    "/v1/openapi.yaml",          P::status,             "",         "",                                                            none,   get_openapi},
    {"GET",    "/v1/peers",                 P::peers_read,         "",         "cursor interface limit match owner state",                    none,   list_peers},
    {"POST",   "/v1/peers",                 P::peers_write,        "",         "",                                                            json,   add_peer},
    {"POST",   "/v1/peers/import",          P::peers_write,        "",         "atomic",                                                      ndjson, import_peers},
    {"DELETE", "/v1/peers/{id}",            P::peers_write,        "",         "",                                                            none,   revoke_peer},
    {"GET",    "/v1/peers/{id}",            P::peers_read,         "",         "",                                                            none,   get_peer},
    {"PATCH",  "/v1/peers/{id}",            P::peers_write,        "",         "",                                                            json,   edit_peer},
    {"POST",   "/v1/peers/{id}/disable",    P::peers_write,        "",         "",                                                            none,   disable_peer},
    {"POST",   "/v1/peers/{id}/enable",     P::peers_write,        "",         "",                                                            none,   enable_peer},
    {"GET",    "/v1/peers/{id}/profile",    P::peers_write,        "",         "",                                                            none,   get_profile},
    {"POST",   "/v1/peers/{id}/rotate-psk", P::peers_write,        "",         "",                                                            none,   rotate_psk},
    {"GET",    "/v1/registration",          P::registration_read,  "",         "",                                                            none,   get_registration},
    {"PUT",    "/v1/registration",          P::registration_write, "",         "",                                                            json,   install_registration},
    {"POST",   "/v1/registration/grace",    P::registration_write, "",         "",                                                            json,   record_grace},
    {"POST",   "/v1/registration/requests", P::registration_write, "",         "",                                                            json,   record_request},
    {"POST",   "/v1/reload",                P::reload,             "",         "",                                                            none,   reload},
    {"GET",    "/v1/sessions",              P::evidence_read,      "sessions", "active at cursor from inner limit outer owner peer to",       none,   list_sessions},
    {"GET",    "/v1/sessions/{id}",         P::evidence_read,      "sessions", "",                                                            none,   get_session},
    {"POST",   "/v1/shutdown",              P::shutdown,           "",         "",                                                            none,   shutdown},
    {"GET",    "/v1/status",                P::status,             "",         "",                                                            none,   get_status},
};
// clang-format on

constexpr std::string_view kIdSegment = "/{id}";

// Unset: does not match. Else what stands in place of {id}, empty when the pattern has none.
std::optional<std::string_view> match_pattern(std::string_view pattern, std::string_view path) {
  const std::size_t at = pattern.find(kIdSegment);
  if (at == std::string_view::npos) return pattern == path ? std::optional<std::string_view>{""} : std::nullopt;
  const std::string_view head = pattern.substr(0, at + 1);
  const std::string_view tail = pattern.substr(at + kIdSegment.size());
  if (!path.starts_with(head)) return std::nullopt;
  path.remove_prefix(head.size());
  const std::string_view id = path.substr(0, path.find('/'));
  if (id.empty() || path.substr(id.size()) != tail) return std::nullopt;
  return id;
}

}  // namespace

std::size_t Route::body_limit() const {
  switch (body) {
    case BodyKind::none:
      return kNoBodyBytes;
    case BodyKind::json:
      return kJsonBytes;
    case BodyKind::ndjson:
      return kImportBytes;
  }
  return 0;
}

std::span<const Route> routes() { return kRoutes; }

Match find_route(std::string_view method, std::string_view path) {
  Match literal;
  Match with_id;
  for (const Route& route : kRoutes) {
    const auto id = match_pattern(route.pattern, path);
    if (!id) continue;
    Match& match = id->empty() ? literal : with_id;
    match.allowed.push_back(route.method);
    if (route.method != method) continue;
    match.route = &route;
    match.id = std::string(*id);
  }
  return literal.allowed.empty() ? with_id : literal;
}

}  // namespace sanad::api
