// peer list, show, profile: looking at peers.

#include <fmt/format.h>

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/profile_file.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/table.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {
namespace {

constexpr std::size_t kMaxProfileFile = 64 * 1024;  // bytes; the daemon's own limit

struct ListOptions {
  std::string match;
  std::string state;
  std::string interface;
  bool names = false;
  bool json = false;
};

struct ShowOptions {
  std::string name;
  bool json = false;
};

struct ProfileOptions {
  std::string name;
  std::string from_file;
  std::string out_file;
  bool qr = false;
  bool force = false;
};

// "10.66.0.2" for a host prefix: the length says nothing there.
std::string inside(const json::value& peer) {
  std::string text;
  for (const auto& item : array_at(peer, "allowed_ips")) {
    if (!item.is_string()) continue;
    std::string prefix = safe(std::string_view(item.get_string()));
    const std::string_view tail = prefix.find(':') == std::string::npos ? "/32" : "/128";
    if (prefix.ends_with(tail)) prefix.resize(prefix.size() - tail.size());
    text += (text.empty() ? "" : ", ") + prefix;
  }
  return text.empty() ? "-" : text;
}

std::string last_seen(const json::value& peer, WallTime now) {
  if (find(peer, "connected") != nullptr) {
    const auto since = time_at(peer, "connected.since");
    return since ? "connected " + humane_duration(now - *since) : "connected";
  }
  const auto last = time_at(peer, "last_session_at");
  return last ? show_time(*last, now) : "never";
}

Outcome<void> list(Context& context, const ListOptions& options) {
  Table table({{"NAME"}, {"PERSON"}, {"INSIDE"}, {"STATE"}, {"EXPIRES"}, {"SEEN"}});
  const WallTime now = context.now();
  std::size_t count = 0;
  const auto listed = for_each(
      context.client(), "/v1/peers", {{"match", options.match}, {"state", options.state}, {"interface", options.interface}},
      "peers", [&](const json::value& peer) {
        if (options.json) {
          context.out << (count == 0 ? "[\n" : ",\n") << to_line(peer);
        } else if (options.names) {
          if (text_at(peer, "state") != "revoked") context.out << shown(peer, "name") << "\n";
        } else {
          const auto expires = time_at(peer, "expires_at");
          const std::string name = text_at(peer, "name");
          const std::string gone = erased_text(peer);
          table.add({name.empty() ? text_at(peer, "id") : name, gone.empty() ? shown(peer, "owner.name") : gone, inside(peer),
                     shown(peer, "state"), expires ? show_date(*expires) : "never", last_seen(peer, now)});
        }
        ++count;
        return true;
      });
  if (!listed) return listed.error();
  if (options.json) {
    context.out << (count == 0 ? "[]\n" : "\n]\n");
  } else if (!options.names && count == 0) {
    context.out << (options.match.empty()
                        ? "no peers yet. Add one: sanad peer add \"Ayesha Khan\" --device laptop --profile ayesha.conf\n"
                        : fmt::format("no peer matches \"{}\"\n", safe(options.match)));
  } else if (!options.names) {
    context.out << table.render();
  }
  return {};
}

Outcome<void> show(Context& context, const ShowOptions& options) {
  const auto peer = resolve_peer(context.client(), options.name);
  if (!peer) return peer.error();
  if (options.json) {
    context.out << to_line(*peer) << "\n";
    return {};
  }
  const WallTime now = context.now();
  const auto line = [&context](std::string_view name, std::string_view value) {
    context.out << pad_right(name, 14) << value << "\n";
  };
  const auto when = [&](std::string_view path, std::string_view none) {
    const auto time = time_at(*peer, path);
    return time ? show_time(*time, now) : std::string(none);
  };
  const std::string erased = erased_text(*peer);
  line("name", erased.empty() ? shown(*peer, "name") : erased);
  line("id", shown(*peer, "id"));
  line("person", !erased.empty() ? erased + ", " + shown(*peer, "owner.id")
                                 : shown(*peer, "owner.name") +
                                       (text_at(*peer, "owner.email").empty() ? "" : " <" + shown(*peer, "owner.email") + ">"));
  line("device", erased.empty() ? shown(*peer, "device") : "erased");
  line("state", shown(*peer, "state"));
  line("inside", inside(*peer));
  line("public key", erased.empty() ? shown(*peer, "public_key") : "erased");
  line("pre-shared", bool_at(*peer, "has_preshared_key") ? "yes" : "no");
  const auto keepalive = int_at(*peer, "keepalive_s");
  line("keepalive", keepalive == 0 ? "off" : fmt::format("{} s", keepalive));
  line("interface", shown(*peer, "interface"));
  if (!text_at(*peer, "not_before").empty()) line("not before", when("not_before", "-"));
  line("expires", when("expires_at", "never"));
  if (!array_at(*peer, "groups").empty()) line("groups", joined_at(*peer, "groups", ", "));
  if (!text_at(*peer, "note").empty()) line("note", shown(*peer, "note"));
  line("added", when("created_at", "-"));
  line("changed", when("updated_at", "-") + fmt::format(" (version {})", int_at(*peer, "version")));
  if (find(*peer, "connected") != nullptr) {
    line("connected", "from " + shown(*peer, "connected.endpoint") + " since " + when("connected.since", "-") + ", in " +
                          humane_bytes(int_at(*peer, "connected.rx_bytes")) + ", out " +
                          humane_bytes(int_at(*peer, "connected.tx_bytes")));
    line("session", shown(*peer, "connected.session"));
  } else {
    line("last session", when("last_session_at", "never"));
  }
  return {};
}

Outcome<void> profile(Context& context, const ProfileOptions& options) {
  if (options.name.empty() == options.from_file.empty())
    return Failure{Exit::usage, "name a peer, or a profile's file with --file"};
  if (!options.from_file.empty()) {
    auto text = read_file(options.from_file, kMaxProfileFile);
    if (!text) return failure_of(text.error());
    if (options.qr) return print_qr(context, *text);
    context.out << safe_lines(*text);
    return {};
  }
  const auto peer = resolve_peer(context.client(), options.name);
  if (!peer) return peer.error();
  const auto answer = get_json(context.client(), "/v1/peers/" + text_at(*peer, "id") + "/profile");
  if (!answer) return answer.error();
  const std::string text = text_at(*answer, "profile");
  if (options.qr && !bool_at(*answer, "complete")) {
    return Failure{
        Exit::failure,
        "the private key of " + shown(*peer, "name") + " is not kept here, so no app could use a QR code of its profile",
        "Use the file written when the peer was added: sanad peer profile --file FILE --qr"};
  }
  if (options.qr) return print_qr(context, text);
  if (options.out_file.empty() || options.out_file == "-") {
    context.out << (context.terminal.out ? safe_lines(text) : text);
    return {};
  }
  auto file = ProfileFile::reserve(options.out_file, options.force);
  if (!file) return file.error();
  if (auto kept = file->keep(text); !kept) return kept.error();
  context.out << "profile written to " << options.out_file << " (0600), without the client's private key\n";
  return {};
}

}  // namespace

void add_peer_view_commands(CLI::App& peer, Chosen& chosen) {
  add_command<ListOptions>(
      peer, chosen, "list", "Peers, all or those that match", "sanad peer list ayesha",
      [](CLI::App& command, ListOptions& o) {
        command.add_option("match", o.match, "Beginning of a name, handle, e-mail or public key")->type_name("MATCH");
        command.add_option("--state", o.state, "Only these")
            ->check(CLI::IsMember({"active", "disabled", "pending", "expired", "suspended", "revoked"}));
        command.add_option("--interface", o.interface, "Only of this interface")->type_name("NAME");
        command.add_flag("--names", o.names, "Only the names, one a line");
        command.add_flag("--json", o.json, "An array, for programs");
      },
      list);
  add_command<ShowOptions>(
      peer, chosen, "show", "Everything about one peer", "sanad peer show ayesha-khan/laptop",
      [](CLI::App& command, ShowOptions& o) {
        command.add_option("name", o.name, "The peer")->required()->type_name("NAME");
        command.add_flag("--json", o.json, "For programs");
      },
      show);
  add_command<ProfileOptions>(
      peer, chosen, "profile", "The client's profile (its private key only from the file made when it was added)",
      "sanad peer profile --file ayesha.conf --qr",
      [](CLI::App& command, ProfileOptions& o) {
        command.add_option("name", o.name, "The peer")->type_name("NAME");
        command.add_option("--file", o.from_file, "A profile in a file, instead of a peer's")->type_name("FILE");
        command.add_option("--out", o.out_file, "Write it here, 0600")->type_name("FILE");
        command.add_flag("--qr", o.qr, "As a QR code in the terminal");
        command.add_flag("--force", o.force, "Replace the file of --out");
      },
      profile);
}

}  // namespace sanad::cli
