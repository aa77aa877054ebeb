#pragma once
// The requests most commands make: JSON in, JSON out, pages of a list, a name turned into a peer.

#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/cli/client.hpp"

namespace sanad::cli {

Outcome<boost::json::value> get_json(const Client& client, std::string_view target);
Outcome<boost::json::value> send_json(const Client& client, std::string_view method, std::string_view target,
                                      const boost::json::value& body);

// Every item of the list `key` at `path`, a page of 1,000 at a time. `on_item` returns false to have enough.
Outcome<void> for_each(const Client& client, std::string_view path, std::vector<std::pair<std::string, std::string>> parameters,
                       std::string_view key, const std::function<bool(const boost::json::value&)>& on_item);

// The one peer that `name` means: its id or name exactly, else the only one it is the beginning of. Revoked peers only when
// nothing else matches. Failure not_found: none, or several (all named; `all_of_hint` adds --all-of where the command has it).
Outcome<boost::json::value> resolve_peer(const Client& client, std::string_view name, bool all_of_hint = false);

// Every peer, not revoked, of the person that `person` means (owner id, handle, name or e-mail, exactly).
Outcome<std::vector<boost::json::value>> peers_of(const Client& client, std::string_view person);

// The id of the one owner that `person` means: as in peers_of, revoked peers too; else the only one a name begins with.
Outcome<std::string> resolve_owner(const Client& client, std::string_view person);

}  // namespace sanad::cli
