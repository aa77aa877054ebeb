#include "control/cli/requests.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <boost/json.hpp>
#include <map>
#include <set>

#include "control/cli/json_view.hpp"
#include "control/cli/text.hpp"

namespace sanad::cli {
namespace {

Outcome<json::value> parsed(const Response& response) {
  auto value = parse_json(response.body);
  if (!value)
    return Failure{Exit::failure, "the daemon's answer is not JSON",
                   "Is this the socket of sanadd, of the same version? sanad --version"};
  return std::move(*value);
}

bool same_word(const std::string& a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool revoked(const json::value& peer) { return text_at(peer, "state") == "revoked"; }

std::string name_of(const json::value& peer) {
  const std::string name = text_at(peer, "name");
  return safe(name.empty() ? text_at(peer, "id") : name);
}

constexpr std::size_t kNamesShown = 10;

}  // namespace

Outcome<json::value> get_json(const Client& client, std::string_view target) {
  auto response = client.send({"GET", std::string(target)});
  if (!response) return response.error();
  return parsed(*response);
}

Outcome<json::value> send_json(const Client& client, std::string_view method, std::string_view target, const json::value& body) {
  Request request{std::string(method), std::string(target)};
  if (!body.is_null()) {
    request.body = json::serialize(body);
    request.content_type = "application/json";
  }
  auto response = client.send(request);
  if (!response) return response.error();
  return parsed(*response);
}

Outcome<void> for_each(const Client& client, std::string_view path, std::vector<std::pair<std::string, std::string>> parameters,
                       std::string_view key, const std::function<bool(const json::value&)>& on_item) {
  parameters.emplace_back("limit", "1000");
  parameters.emplace_back("cursor", "");
  for (;;) {
    const auto page = get_json(client, with_query(path, parameters));
    if (!page) return page.error();
    for (const auto& item : array_at(*page, key)) {
      if (!on_item(item)) return {};
    }
    const std::string next = text_at(*page, "next");
    if (next.empty() || next == parameters.back().second) return {};
    parameters.back().second = next;
  }
}

Outcome<json::value> resolve_peer(const Client& client, std::string_view name, bool all_of_hint) {
  if (name.empty()) return Failure{Exit::usage, "the name of a peer is needed"};
  std::vector<json::value> live;
  std::vector<json::value> gone;
  const auto take = [&](const json::value& peer) {
    (revoked(peer) ? gone : live).push_back(peer);
    return true;
  };
  if (auto listed = for_each(client, "/v1/peers", {{"match", std::string(name)}}, "peers", take); !listed) return listed.error();
  // Listed only when asked for; a name may have been given to another device since.
  if (live.empty() && name.starts_with("p-")) {
    auto listed = for_each(client, "/v1/peers", {{"match", std::string(name)}, {"state", "revoked"}}, "peers", take);
    if (!listed) return listed.error();
  }
  const auto& matches = live.empty() ? gone : live;
  for (const auto& peer : matches) {
    if (text_at(peer, "id") == name || same_word(text_at(peer, "name"), name)) return peer;
  }
  for (const auto& peer : gone) {
    if (text_at(peer, "id") == name) return peer;
  }
  if (matches.size() == 1) return matches.front();
  if (matches.empty()) {
    return Failure{Exit::not_found, fmt::format("no peer matches \"{}\"", safe(name)), "See them all: sanad peer list"};
  }
  std::set<std::string> handles;
  std::string names;
  for (std::size_t i = 0; i < matches.size(); ++i) {
    handles.insert(text_at(matches[i], "owner.handle"));
    if (i < kNamesShown) names += (i == 0 ? "" : ", ") + name_of(matches[i]);
  }
  if (matches.size() > kNamesShown) names += ", ...";
  std::string hint = "Name one";
  if (all_of_hint && handles.size() == 1 && !handles.begin()->empty()) hint += ", or --all-of " + *handles.begin();
  return Failure{Exit::not_found, fmt::format("{} peers match \"{}\": {}", matches.size(), safe(name), names), hint};
}

Outcome<std::vector<json::value>> peers_of(const Client& client, std::string_view person) {
  std::vector<json::value> peers;
  std::set<std::string> owners;
  const bool by_id = person.starts_with("o-");
  const auto listed =
      for_each(client, "/v1/peers", {{by_id ? "owner" : "match", std::string(person)}}, "peers", [&](const json::value& peer) {
        const bool theirs = text_at(peer, "owner.id") == person || same_word(text_at(peer, "owner.handle"), person) ||
                            same_word(text_at(peer, "owner.name"), person) || same_word(text_at(peer, "owner.email"), person);
        if (theirs && !revoked(peer)) {
          peers.push_back(peer);
          owners.insert(text_at(peer, "owner.handle"));
        }
        return true;
      });
  if (!listed) return listed.error();
  if (owners.size() > 1) {
    std::string names;
    for (const auto& handle : owners) names += (names.empty() ? "" : ", ") + safe(handle);
    return Failure{Exit::not_found, fmt::format("{} people match \"{}\": {}", owners.size(), safe(person), names),
                   "Name one by its handle"};
  }
  return peers;
}

Outcome<std::string> resolve_owner(const Client& client, std::string_view person) {
  std::map<std::string, std::string> exact;  // id -> handle
  std::map<std::string, std::string> begun;
  const auto take = [&](const json::value& peer) {
    const bool theirs = same_word(text_at(peer, "owner.handle"), person) || same_word(text_at(peer, "owner.name"), person) ||
                        same_word(text_at(peer, "owner.email"), person);
    (theirs ? exact : begun)[text_at(peer, "owner.id")] = text_at(peer, "owner.handle");
    return true;
  };
  if (auto listed = for_each(client, "/v1/peers", {{"match", std::string(person)}}, "peers", take); !listed)
    return listed.error();
  // Who has left has revoked peers only, and those are listed only when asked for.
  if (exact.empty()) {
    auto listed = for_each(client, "/v1/peers", {{"match", std::string(person)}, {"state", "revoked"}}, "peers", take);
    if (!listed) return listed.error();
  }
  const auto& owners = exact.empty() ? begun : exact;
  if (owners.size() == 1) return owners.begin()->first;
  if (owners.empty())
    return Failure{Exit::not_found, fmt::format("no person matches \"{}\"", safe(person)), "See them all: sanad peer list"};
  std::string names;
  for (const auto& [id, handle] : owners) names += (names.empty() ? "" : ", ") + safe(handle.empty() ? id : handle);
  return Failure{Exit::not_found, fmt::format("{} people match \"{}\": {}", owners.size(), safe(person), names),
                 "Name one by its handle"};
}

}  // namespace sanad::cli
