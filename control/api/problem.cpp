#include "control/api/problem.hpp"

#include <boost/json/serialize.hpp>

namespace sanad::api {
namespace {

std::string_view title_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return "A value cannot be accepted";
    case Errc::not_found:
      return "There is no such thing";
    case Errc::conflict:
      return "It collides with what exists";
    case Errc::permission_denied:
      return "You may not do this";
    case Errc::refused_by_policy:
      return "The gateway's policy forbids this now";
    case Errc::exhausted:
      return "A pool or limit is used up";
    case Errc::unavailable:
      return "It cannot be done right now";
    case Errc::unsupported:
      return "This host or backend cannot do it";
    case Errc::io:
      return "The operating system reported an error";
    case Errc::corrupt:
      return "Stored data is damaged";
    case Errc::timeout:
      return "It took too long";
    case Errc::internal:
      return "Internal error";
  }
  return "Internal error";
}

struct HttpWords {
  unsigned status;
  std::string_view type;
  std::string_view title;
};
constexpr HttpWords kHttpWords[] = {
    {400, "bad-request", "The request is not well formed"},
    {404, "not-found", "There is no such path"},
    {405, "method-not-allowed", "This path does not take this method"},
    {408, "request-timeout", "The request came too slowly"},
    {413, "body-too-large", "The body is too large"},
    {415, "unsupported-content-type", "This content type is not understood"},
    {421, "wrong-host", "This host is not served here"},
    {431, "header-too-large", "The header is too large"},
    {503, "too-many-connections", "Too many connections"},
};

Response answer(unsigned status, const boost::json::object& body) {
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = boost::json::serialize(body) + "\n";
  return response;
}

}  // namespace

unsigned status_of(const Error& error) noexcept {
  switch (error.code) {
    case Errc::invalid_argument:
      return 400;
    case Errc::permission_denied:
      return 403;
    case Errc::refused_by_policy:
      return 403;
    case Errc::not_found:
      return 404;
    case Errc::conflict:
      return error.field == "If-Match" ? 412 : 409;
    case Errc::exhausted:
      return 409;
    case Errc::unavailable:
      return 503;
    case Errc::unsupported:
      return 501;
    case Errc::io:
      return 503;
    case Errc::timeout:
      return 504;
    case Errc::corrupt:
      return 500;
    case Errc::internal:
      return 500;
  }
  return 500;
}

boost::json::object problem_object(const Error& error) {
  boost::json::object object;
  object["type"] = std::string("urn:sanad:problem:").append(to_string(error.code));
  object["title"] = title_of(error.code);
  object["status"] = status_of(error);
  object["detail"] = error.message;
  if (!error.field.empty()) object["field"] = error.field;
  if (!error.hint.empty()) object["hint"] = error.hint;
  return object;
}

Response problem(const Error& error) { return answer(status_of(error), problem_object(error)); }

Response http_problem(unsigned status, const std::string& detail, const std::string& hint) {
  HttpWords words{status, "bad-request", "The request is refused"};
  for (const HttpWords& known : kHttpWords) {
    if (known.status == status) words = known;
  }
  boost::json::object object;
  object["type"] = std::string("urn:sanad:problem:").append(words.type);
  object["title"] = words.title;
  object["status"] = status;
  object["detail"] = detail;
  if (!hint.empty()) object["hint"] = hint;
  return answer(status, object);
}

}  // namespace sanad::api
