#pragma once
// What a caller may say of a peer, from JSON to values. Pure; what the ledger or the configuration knows is not judged here.

#include <boost/json/object.hpp>

#include "control/service/peers.hpp"

namespace sanad::api {

struct PeerCreation {
  service::NewPeer peer;
  bool show_profile = true;
};

// All errors are invalid_argument with `field`.
Result<PeerCreation> parse_peer_creation(const boost::json::object& object);
// One line of an import. Clients bring their own keys there: a profile shown for each line would be a file full of secrets.
Result<service::NewPeer> parse_import_line(std::string_view line);
Result<service::PeerEdit> parse_peer_edit(const boost::json::object& object);

}  // namespace sanad::api
