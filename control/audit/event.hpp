#pragma once
// An event on its way into the log: what everyone may read, and what is personal and is kept beside it.

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace sanad::audit {

// One personal value. The leaf carries only its salted digest (RFC 9901); value and salt stay in the ledger until erased.
struct Disclosable {
  std::string name;          // dotted OCSF path it stands for: "src_endpoint.ip", "user.name"
  boost::json::value value;  // strings, or integers below 2^53
  std::string owner_id;      // the person whose data it is ("o-..."); empty when it is nobody's we know (a local admin's)
};

// An OCSF 1.8.0 object without anything personal, and the personal values that belong to it. `event` must survive
// canonical_json(): no floats, integers below 2^53 in magnitude, counters beyond that as decimal strings.
struct EventDraft {
  boost::json::object event;
  std::vector<Disclosable> personal;
};

}  // namespace sanad::audit
