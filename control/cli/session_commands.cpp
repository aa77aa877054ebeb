// session list, show, watch, who-held: who was connected, from where, when.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "control/cli/commands.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/table.hpp"
#include "control/cli/text.hpp"
#include "control/cli/watch.hpp"
#include "control/cli/when.hpp"
#include "gateway/base/ip.hpp"

namespace sanad::cli {
namespace {

struct ListOptions {
  std::string peer, person, from, to, inside, outside;
  bool active = false, json = false;
  std::size_t limit = 0;
};

struct ShowOptions {
  std::string id;
  bool json = false;
};

struct WatchOptions {
  std::string from;
  bool json = false;
};

struct WhoHeldOptions {
  std::string address;
  std::string at = "now";
  bool json = false;
};

Failure usage(Error error, std::string_view option) {
  Failure failure = failure_of(std::move(error));
  failure.exit = Exit::usage;
  failure.field = option;
  return failure;
}

// "198.51.100.7:51820" -> "198.51.100.7"; what is no endpoint stays.
std::string host_of(const std::string& endpoint) {
  const auto parsed = Endpoint::parse(endpoint);
  return parsed ? parsed->address.to_string() : safe(endpoint);
}

// Why a session's outer address is not told; each word has its line in kLegend.
std::string_view why_nowhere(const json::value& session) {
  if (!erased_text(session).empty()) return "erased";
  if (array_at(session, "endpoints").empty()) return "expired";
  return text_at(session, "owner.name").empty() ? "hidden" : "unknown";
}

constexpr std::pair<std::string_view, std::string_view> kLegend[] = {
    {"erased", "the person was erased, and the address with them"},
    {"expired", "older than retention.sessions keeps addresses"},
    {"hidden", "your role does not show what is personal"},
    {"unknown", "WireGuard did not say from where"},
};

std::string_view meaning_of(std::string_view word) {
  for (const auto& [name, meaning] : kLegend)
    if (name == word) return meaning;
  return {};
}

std::string lasted(const json::value& session, WallTime now) {
  const auto start = time_at(session, "started_at");
  if (!start) return "-";
  return humane_duration(time_at(session, "ended_at").value_or(now) - *start);
}

std::string person_of(const json::value& session) {
  if (std::string erased = erased_text(session); !erased.empty()) return erased;
  const std::string name = text_at(session, "owner.name");
  return safe(name.empty() ? text_at(session, "owner.id") : name);
}

std::string state_of(const json::value& session) {
  const std::string state = shown(session, "state");
  const std::string reason = text_at(session, "reason");
  return reason.empty() || state == "connected" ? state : state + " (" + safe(reason) + ")";
}

// Names become ids here, because the daemon filters by id.
Outcome<std::vector<std::pair<std::string, std::string>>> filters_of(Context& context, const ListOptions& options) {
  std::vector<std::pair<std::string, std::string>> filters;
  const Client client = context.client();
  if (options.active) filters.emplace_back("active", "true");
  if (!options.peer.empty()) {
    const auto peer = resolve_peer(client, options.peer);
    if (!peer) return peer.error();
    filters.emplace_back("peer", text_at(*peer, "id"));
  }
  if (options.person.starts_with("o-")) {
    filters.emplace_back("owner", options.person);
  } else if (!options.person.empty()) {
    const auto owner = resolve_owner(client, options.person);
    if (!owner) return owner.error();
    filters.emplace_back("owner", *owner);
  }
  for (const auto& [name, text] : {std::pair{"from", &options.from}, std::pair{"to", &options.to}}) {
    if (text->empty()) continue;
    const auto when = parse_when(*text, context.now());
    if (!when) return usage(when.error(), std::string("--") + name);
    filters.emplace_back(name, to_rfc3339(when->time));
  }
  for (const auto& [name, option, text] :
       {std::tuple{"inner", "--inside", &options.inside}, std::tuple{"outer", "--outside", &options.outside}}) {
    if (text->empty()) continue;
    const auto address = IpAddress::parse(*text);
    if (!address) return usage(address.error(), option);
    filters.emplace_back(name, address->to_string());
  }
  return filters;
}

Outcome<void> list(Context& context, const ListOptions& options) {
  const auto filters = filters_of(context, options);
  if (!filters) return filters.error();
  const WallTime now = context.now();
  Table table({{"PERSON"},
               {"DEVICE"},
               {"INSIDE"},
               {"FROM"},
               {"SINCE"},
               {"LASTED"},
               {"IN", Align::right},
               {"OUT", Align::right},
               {"STATE"}});
  std::size_t count = 0;
  std::set<std::string_view> nowhere;  // the words of kLegend that were used
  const auto listed = for_each(context.client(), "/v1/sessions", *filters, "sessions", [&](const json::value& session) {
    if (options.limit != 0 && count == options.limit) return false;
    if (options.json) {
      context.out << (count == 0 ? "[\n" : ",\n") << to_line(session);
    } else {
      const auto& inner = array_at(session, "inner");
      const auto moves = int_at(session, "moves");
      const auto start = time_at(session, "started_at");
      const std::string outer = text_at(session, "outer");
      if (outer.empty()) nowhere.insert(why_nowhere(session));
      std::string from = outer.empty() ? std::string(why_nowhere(session)) : host_of(outer);
      if (moves > 0) from += fmt::format(" (+{} move{})", moves, moves == 1 ? "" : "s");
      table.add({person_of(session), shown(session, "peer.device"),
                 inner.empty() || !inner[0].is_string() ? "-" : std::string(inner[0].get_string()), from,
                 start ? show_time(*start, now) : "-", lasted(session, now), humane_bytes(int_at(session, "rx_bytes")),
                 humane_bytes(int_at(session, "tx_bytes")), state_of(session)});
    }
    ++count;
    return true;
  });
  if (!listed) return listed.error();
  if (options.json) {
    context.out << (count == 0 ? "[]\n" : "\n]\n");
  } else {
    context.out << (count == 0 ? "no sessions\n" : table.render());
    for (const auto word : nowhere) context.out << word << ": " << meaning_of(word) << "\n";
  }
  return {};
}

// "exact to 10 s": how far apart the bounds of an inferred moment are.
std::string exactness(const json::value& session, std::string_view bounds) {
  const auto least = time_at(session, std::string(bounds) + ".not_before");
  const auto most = time_at(session, std::string(bounds) + ".not_after");
  if (!least || !most || *most <= *least) return "exact";
  const auto ms = (*most - *least).count() / 1'000'000;
  return "exact to " + humane_duration(std::chrono::seconds((ms + 999) / 1000));
}

Outcome<void> show(Context& context, const ShowOptions& options) {
  const auto answer = get_json(context.client(), with_query("/v1/sessions/" + slug(options.id), {}));
  if (!answer) return answer.error();
  const auto* session = find(*answer, "session");
  if (session == nullptr) return Failure{Exit::failure, "the daemon's answer has no session"};
  if (options.json) {
    context.out << to_line(*session) << "\n";
    return {};
  }
  const WallTime now = context.now();
  const auto line = [&context](std::string_view name, const std::string& value) {
    context.out << pad_right(name, 12) << value << "\n";
  };
  const auto when = [&](std::string_view path) {
    const auto time = time_at(*session, path);
    return time ? show_time(*time, now) : std::string("-");
  };
  line("session", shown(*session, "id"));
  line("person", person_of(*session) + (erased_text(*session).empty() ? "" : ", " + shown(*session, "owner.id")));
  line("peer", (erased_text(*session).empty() ? shown(*session, "peer.name") : shown(*session, "peer.id")) + " on " +
                   shown(*session, "interface"));
  line("inside", joined_at(*session, "inner", ", "));
  line("state", state_of(*session));
  line("started", when("started_at") + " (" + exactness(*session, "started_bounds") + ")");
  if (find(*session, "ended_at") != nullptr) {
    line("ended", when("ended_at") + " (" + (bool_at(*session, "end_inferred") ? "inferred, " : "") +
                      exactness(*session, "ended_bounds") + ")");
  }
  line("lasted", lasted(*session, now));
  line("received", humane_bytes(int_at(*session, "rx_bytes")) + " (" + with_thousands(int_at(*session, "rx_bytes")) + " bytes)");
  line("sent", humane_bytes(int_at(*session, "tx_bytes")) + " (" + with_thousands(int_at(*session, "tx_bytes")) + " bytes)");
  if (int_at(*session, "uncertain_bytes") != 0)
    line("uncertain",
         with_thousands(int_at(*session, "uncertain_bytes")) + " bytes of this peer belong here or to a neighbouring session");
  line("handshakes", with_thousands(int_at(*session, "handshakes")));
  line("figures", "as of " + when("figures_as_of") +
                      (bool_at(*session, "figures_from_checkpoint") ? ", from the last checkpoint before a restart" : ""));
  if (array_at(*session, "endpoints").empty())
    line("from", std::string(why_nowhere(*session)) + ": " + std::string(meaning_of(why_nowhere(*session))));
  for (const auto& endpoint : array_at(*session, "endpoints")) {
    const auto since = time_at(endpoint, "since");
    const std::string address = text_at(endpoint, "address");
    line("from", (address.empty() ? std::string(why_nowhere(*session)) : safe(address)) + " since " +
                     (since ? show_time(*since, now) : "-") + fmt::format(", evidence #{}", int_at(endpoint, "evidence")));
  }
  line("evidence",
       fmt::format("#{} (opened)", int_at(*session, "evidence.opened")) +
           (find(*session, "evidence.closed") == nullptr ? ""
                                                         : fmt::format(", #{} (closed)", int_at(*session, "evidence.closed"))));
  return {};
}

Outcome<void> watch(Context& context, const WatchOptions& options) {
  return watch_events(context, {.from = options.from, .only_prefix = "session.", .json = options.json});
}

// One holder, as an auditor reads it; times in the zone of the question.
std::string holder(const json::value& session, const When& at) {
  const auto start = time_at(session, "started_at").value_or(WallTime{});
  const auto end = time_at(session, "ended_at");
  const auto moment = [&at](WallTime t) {
    return same_day(t, at.time, at.zone) ? show_clock(t, at.zone) : show_date_time(t, at.zone);
  };
  const std::string who = erased_text(session).empty() ? shown(session, "peer.device") : shown(session, "owner.id");
  std::string text = person_of(session) + " (" + who + "), connected " + moment(start) + " to ";
  if (end) {
    text +=
        moment(*end) + (bool_at(session, "end_inferred") ? " (end inferred, " : " (") + exactness(session, "ended_bounds") + ")";
  } else {
    text += "now (still connected)";
  }
  std::string moved;
  std::size_t index = 0;
  for (const auto& endpoint : array_at(session, "endpoints")) {
    const auto since = time_at(endpoint, "since");
    const std::string address = text_at(endpoint, "address");
    const std::string host = address.empty() ? "an address that is " + std::string(why_nowhere(session)) : host_of(address);
    text += index == 0 ? ", from " + host
                       : " then " + host + " (" +
                             (since ? moment(*since).substr(0, same_day(*since, at.time, at.zone) ? 5 : 16) : "-") + ")";
    if (index > 0) moved += fmt::format(", #{} (moved)", int_at(endpoint, "evidence"));
    ++index;
  }
  if (index == 0)
    text += fmt::format(", from an address that is {} ({})", why_nowhere(session), meaning_of(why_nowhere(session)));
  text += fmt::format("\nevidence #{} (opened)", int_at(session, "evidence.opened")) + moved;
  if (find(session, "evidence.closed") != nullptr) text += fmt::format(", #{} (closed)", int_at(session, "evidence.closed"));
  return text + "\n";
}

Outcome<void> who_held(Context& context, const WhoHeldOptions& options) {
  const auto address = IpAddress::parse(options.address);
  if (!address) return usage(address.error(), "ADDR");
  const auto at = parse_when(options.at, context.now());
  if (!at) return usage(at.error(), "--at");
  std::size_t count = 0;
  const auto listed = for_each(context.client(), "/v1/sessions", {{"inner", address->to_string()}, {"at", to_rfc3339(at->time)}},
                               "sessions", [&](const json::value& session) {
                                 if (options.json) {
                                   context.out << (count == 0 ? "[\n" : ",\n") << to_line(session);
                                 } else {
                                   context.out << holder(session, *at);
                                 }
                                 ++count;
                                 return true;
                               });
  if (!listed) return listed.error();
  if (options.json) context.out << (count == 0 ? "[]\n" : "\n]\n");
  if (count != 0) return {};
  if (options.json) return Failure{Exit::not_found, ""};
  return Failure{Exit::not_found,
                 fmt::format("nobody was connected as {} at {}{}", address->to_string(), show_date_time(at->time, at->zone),
                             at->zone.empty() ? "" : " " + at->zone),
                 "Sessions around it: sanad session list --inside " + address->to_string()};
}

}  // namespace

void add_session_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* session = app.add_subcommand("session", "Who was connected, from where, when, how much");
  session->require_subcommand(1);
  session->footer(
      "Example:\n  sanad session list --active\n\nTimes: 2027-03-14T09:03:00Z, \"2027-03-14 14:03 Asia/Karachi\", \"today "
      "09:00\", \"10 min ago\".\nReading sessions is itself recorded.");
  add_command<ListOptions>(
      *session, chosen, "list", "Sessions, newest first", "sanad session list --person ayesha-khan --from \"yesterday 00:00\"",
      [](CLI::App& command, ListOptions& o) {
        command.add_flag("--active", o.active, "Only those now connected");
        command.add_option("--peer", o.peer, "Of this peer")->type_name("NAME");
        command.add_option("--person", o.person, "Of this person")->type_name("PERSON");
        command.add_option("--from", o.from, "Open at or after")->type_name("WHEN");
        command.add_option("--to", o.to, "Started before")->type_name("WHEN");
        command.add_option("--inside", o.inside, "With this address in the tunnel")->type_name("IP");
        command.add_option("--outside", o.outside, "From this address, at any moment")->type_name("IP");
        command.add_option("--limit", o.limit, "At most so many")->type_name("N");
        command.add_flag("--json", o.json, "An array, for programs");
      },
      list);
  add_command<ShowOptions>(
      *session, chosen, "show", "Everything about one session", "sanad session show 3f2a9c0d5b7e4a1f8c6d0e9b2a4f7c11",
      [](CLI::App& command, ShowOptions& o) {
        command.add_option("id", o.id, "The session")->required()->type_name("ID");
        command.add_flag("--json", o.json, "For programs");
      },
      show);
  add_command<WatchOptions>(
      *session, chosen, "watch", "Sessions as they open, move and close; Ctrl-C ends it", "sanad session watch",
      [](CLI::App& command, WatchOptions& o) {
        command.add_option("--from", o.from, "Begin at this index of the log")->type_name("INDEX")->check(CLI::NonNegativeNumber);
        command.add_flag("--json", o.json, "A leaf a line, for programs");
      },
      watch);
  add_command<WhoHeldOptions>(
      *session, chosen, "who-held", "Who had an address in the tunnel at a moment",
      "sanad session who-held 10.66.0.2 --at \"2027-03-14 14:03 Asia/Karachi\"",
      [](CLI::App& command, WhoHeldOptions& o) {
        command.add_option("address", o.address, "The address inside the tunnel")->required()->type_name("ADDR");
        command.add_option("--at", o.at, "The moment")->capture_default_str()->type_name("WHEN");
        command.add_flag("--json", o.json, "An array of sessions, for programs");
      },
      who_held);
}

}  // namespace sanad::cli
