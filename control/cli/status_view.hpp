#pragma once
// The answer of GET /v1/status as people read it; status and top share it.

#include <boost/json/value.hpp>
#include <string>

#include "control/cli/context.hpp"

namespace sanad::cli {

std::string status_text(const Context& context, const boost::json::value& status);

// "in force", or what is the matter and what follows from it, painted. `standing`: as in the status.
std::string standing_text(const Context& context, const boost::json::value& standing);

// Whether the certificate was revoked, and when that was last looked at. `standing`: as above.
std::string revocation_text(const Context& context, const boost::json::value& standing);

}  // namespace sanad::cli
