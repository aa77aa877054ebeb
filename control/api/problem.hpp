#pragma once
// Error -> answer (RFC 9457). The only place where an Errc becomes an HTTP status.

#include <boost/json/object.hpp>
#include <string>

#include "control/api/message.hpp"
#include "gateway/base/result.hpp"

namespace sanad::api {

// A conflict on the field "If-Match" is 412: the caller's copy is stale, nothing collides.
unsigned status_of(const Error& error) noexcept;

// {"type":"urn:sanad:problem:conflict","title":..,"status":409,"detail":..,"field":..,"hint":..}; empty field and hint are left
// out.
boost::json::object problem_object(const Error& error);
Response problem(const Error& error);

// What HTTP itself refuses, before anybody was asked: 405, 408, 413, 415, 421, 503 and malformed requests (400).
Response http_problem(unsigned status, const std::string& detail, const std::string& hint = {});

}  // namespace sanad::api
