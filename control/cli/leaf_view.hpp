#pragma once
// A leaf of the log as one line for people. Pure, and safe to print whatever the leaf holds.

#include <boost/json/value.hpp>
#include <string>

#include "gateway/base/clock.hpp"

namespace sanad::cli {

// "session.opened", "api.call", "entity.disable", "lifecycle.heartbeat", "gap": from the OCSF class and activity in the leaf;
// "record" for what this version does not know.
std::string leaf_name(const boost::json::value& leaf);

// "#211  today 09:04:11  session.opened  Ayesha Khan (p-7hq2k5xwz3nma)  inside 10.66.0.2/32  from 198.51.100.7". `disclosures`:
// as in GET /v1/log/entries, or null; without them people stay opaque ids.
std::string leaf_line(std::int64_t index, const boost::json::value& leaf, const boost::json::value& disclosures, WallTime now);

}  // namespace sanad::cli
