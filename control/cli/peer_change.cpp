// peer add, edit, revoke, enable, disable, rotate-psk: changing one peer.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <optional>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/profile_file.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::cli {
namespace {

struct AddOptions {
  std::string name, email, handle, public_key, profile, expires, not_before, note, interface;
  std::string device = "device";
  std::string psk = "generate";
  std::vector<std::string> allowed_ips, groups;
  std::optional<int> keepalive;
  bool qr = false, force = false, json = false;
};

struct EditOptions {
  std::string name;
  std::optional<std::string> device, person, email, public_key, expires, not_before, note;
  std::vector<std::string> allowed_ips, groups;
  std::optional<int> keepalive;
  bool no_groups = false, json = false;
};

struct NameOptions {
  std::string name;
  bool json = false;
};

struct RevokeOptions {
  std::string name, all_of;
  bool json = false;
};

json::array array_of(const std::vector<std::string>& texts) {
  json::array array;
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

// A bare address is what people type; the API speaks of prefixes.
json::array prefixes_of(const std::vector<std::string>& texts) {
  json::array array;
  for (const auto& text : texts) {
    const bool bare = text.find('/') == std::string::npos;
    array.emplace_back(bare ? text + (text.find(':') == std::string::npos ? "/32" : "/128") : text);
  }
  return array;
}

// "never" ends an expiry.
Outcome<json::value> until_of(const std::string& text, std::string_view field, WallTime now) {
  if (text == "never") return json::value(nullptr);
  const auto time = parse_until(text, now);
  if (!time) {
    Failure failure = failure_of(time.error());
    failure.exit = Exit::usage;
    failure.field = field;
    return failure;
  }
  return json::value(to_rfc3339(*time));
}

std::string inside(const json::value& peer) {
  std::string text = joined_at(peer, "allowed_ips", ", ");
  for (const std::string_view tail : {"/32", "/128"}) {
    for (std::size_t at = text.find(tail); at != std::string::npos; at = text.find(tail, at)) {
      const std::size_t end = at + tail.size();
      if (end == text.size() || text[end] == ',') {
        text.erase(at, tail.size());
      } else {
        at = end;
      }
    }
  }
  return text;
}

std::string evidence_of(const json::value& answer) {
  return find(answer, "evidence.index") == nullptr ? "" : fmt::format("   evidence #{}", int_at(answer, "evidence.index"));
}

// The person may be known already: a second device belongs to the same owner. The e-mail tells two people of one name apart.
Outcome<json::value> owner_of(Context& context, const AddOptions& options) {
  const auto theirs = peers_of(context.client(), options.name);
  if (!theirs) return theirs.error();
  for (const auto& peer : *theirs) {
    const bool same = options.email.empty() || text_at(peer, "owner.email") == options.email;
    if (same && options.handle.empty()) return json::value{{"id", text_at(peer, "owner.id")}};
  }
  json::object owner{{"name", options.name}};
  if (!options.email.empty()) owner["email"] = options.email;
  if (!options.handle.empty()) owner["handle"] = options.handle;
  return json::value(std::move(owner));
}

Outcome<json::value> creation_of(Context& context, const AddOptions& options) {
  auto owner = owner_of(context, options);
  if (!owner) return owner.error();
  json::object body{{"owner", *owner}, {"device", options.device}, {"preshared_key", options.psk}, {"profile", true}};
  if (options.public_key.empty()) {
    body["make_key"] = true;
  } else {
    body["public_key"] = options.public_key;
  }
  if (!options.allowed_ips.empty()) body["allowed_ips"] = prefixes_of(options.allowed_ips);
  if (!options.groups.empty()) body["groups"] = array_of(options.groups);
  if (options.keepalive) body["keepalive_s"] = *options.keepalive;
  if (!options.note.empty()) body["note"] = options.note;
  if (!options.interface.empty()) body["interface"] = options.interface;
  if (!options.expires.empty()) {
    auto time = until_of(options.expires, "expires_at", context.now());
    if (!time) return time.error();
    body["expires_at"] = *time;
  }
  if (!options.not_before.empty()) {
    const auto time = parse_when(options.not_before, context.now());
    if (!time) {
      Failure failure = failure_of(time.error());
      failure.exit = Exit::usage;
      failure.field = "not_before";
      return failure;
    }
    body["not_before"] = to_rfc3339(time->time);
  }
  return json::value(std::move(body));
}

Outcome<void> add(Context& context, const AddOptions& options) {
  const bool made_here = options.public_key.empty();
  const bool to_stdout = options.profile == "-";
  std::string path = to_stdout ? "" : options.profile;
  // A key made here exists nowhere else: without any place named for it, it still goes into a file.
  if (path.empty() && made_here && !to_stdout && !options.qr && !options.json)
    path = slug(options.name) + "-" + slug(options.device) + ".conf";
  auto body = creation_of(context, options);
  if (!body) return body.error();
  std::optional<ProfileFile> file;
  if (!path.empty()) {
    auto reserved = ProfileFile::reserve(path, options.force);
    if (!reserved) return reserved.error();
    file.emplace(std::move(*reserved));
  }
  const auto answer = send_json(context.client(), "POST", "/v1/peers", *body);
  if (!answer) return answer.error();
  const std::string profile = text_at(*answer, "profile");
  std::ostream& told = to_stdout || options.json ? context.err : context.out;
  if (options.json) {
    context.out << to_line(*answer) << "\n";
  } else {
    const auto expires = time_at(*answer, "peer.expires_at");
    told << "added  " << shown(*answer, "peer.name") << "  " << inside(*find(*answer, "peer")) << "   expires "
         << (expires ? show_time(*expires, context.now()) : "never") << evidence_of(*answer) << "\n";
  }
  if (profile.empty()) {
    const std::string problem = text_at(*answer, "profile_problem");
    if (!problem.empty() && (file || to_stdout || options.qr))
      return Failure{Exit::failure, "the peer is added, but there is no profile for it: " + problem};
    if (!problem.empty()) told << "no profile: " << safe(problem) << "\n";
    return {};
  }
  if (file) {
    if (auto kept = file->keep(profile); !kept) {
      // Printed rather than lost: the peer exists now and its key is nowhere else.
      if (made_here) context.out << profile;
      return kept.error();
    }
    told << "profile written to " << path << " (0600). ";
    told << (made_here ? "Its key was made here and is not kept. Show as QR: sanad peer profile --file " + path + " --qr\n"
                       : std::string("Put the client's own private key into it.\n"));
  }
  if (to_stdout) context.out << (context.terminal.out ? safe_lines(profile) : profile);
  if (options.qr) {
    if (!made_here)
      return Failure{Exit::failure, "the peer is added, but a QR code without the client's private key helps nobody",
                     "Use the profile with --profile FILE"};
    if (auto drawn = print_qr(context, profile); !drawn) {
      if (!file && !to_stdout) context.out << profile;
      return drawn.error();
    }
  }
  return {};
}

// Tells what became of a changed peer.
Outcome<void> report(Context& context, const json::value& answer, std::string_view verb, bool as_json) {
  if (as_json) {
    context.out << to_line(answer) << "\n";
  } else {
    context.out << verb << "  " << shown(answer, "peer.name") << evidence_of(answer) << "\n";
  }
  return {};
}

Outcome<void> edit(Context& context, const EditOptions& options) {
  json::object body;
  json::object owner;
  if (options.person) owner["name"] = *options.person;
  if (options.email) owner["email"] = options.email->empty() ? json::value(nullptr) : json::value(*options.email);
  if (!owner.empty()) body["owner"] = owner;
  if (options.device) body["device"] = *options.device;
  if (options.public_key) body["public_key"] = *options.public_key;
  if (options.note) body["note"] = *options.note;
  if (options.keepalive) body["keepalive_s"] = *options.keepalive;
  if (!options.allowed_ips.empty()) body["allowed_ips"] = prefixes_of(options.allowed_ips);
  if (!options.groups.empty() || options.no_groups) body["groups"] = array_of(options.groups);
  for (const auto& [field, text] : {std::pair{"expires_at", &options.expires}, std::pair{"not_before", &options.not_before}}) {
    if (!*text) continue;
    auto time = until_of(**text, field, context.now());
    if (!time) return time.error();
    body[field] = *time;
  }
  if (body.empty()) return Failure{Exit::usage, "nothing to change", "See: sanad peer edit --help"};
  const auto peer = resolve_peer(context.client(), options.name);
  if (!peer) return peer.error();
  Request request{"PATCH", "/v1/peers/" + text_at(*peer, "id"), json::serialize(body), "application/json"};
  // What was looked up is what is changed: another admin's change in between is not overwritten.
  request.headers.emplace_back("If-Match", fmt::format("\"{}\"", int_at(*peer, "version")));
  const auto response = context.client().send(request);
  if (!response) return response.error();
  return report(context, parse_json(response->body).value_or(nullptr), "changed", options.json);
}

Outcome<void> act(Context& context, const NameOptions& options, const std::string& action, std::string_view verb) {
  const auto peer = resolve_peer(context.client(), options.name);
  if (!peer) return peer.error();
  const auto answer = send_json(context.client(), "POST", "/v1/peers/" + text_at(*peer, "id") + "/" + action, nullptr);
  if (!answer) return answer.error();
  if (auto told = report(context, *answer, verb, options.json); !told) return told;
  if (const std::string key = text_at(*answer, "preshared_key"); !options.json && !key.empty()) {
    context.out << "PresharedKey = " << safe(key) << "\nPut this line into the client's [Peer] section; it is shown only now.\n";
  }
  return {};
}

Outcome<void> revoke_one(Context& context, const json::value& peer, bool as_json) {
  const auto answer = send_json(context.client(), "DELETE", "/v1/peers/" + text_at(peer, "id"), nullptr);
  if (!answer) return answer.error();
  if (auto told = report(context, *answer, "revoked", as_json); !told) return told;
  if (const auto* stopped = find(*answer, "stopped"); stopped != nullptr && !bool_at(*answer, "stopped")) {
    context.err << context.paint("warning:", "33") << " its traffic is not stopped yet: " << shown(*answer, "reason") << "\n";
  }
  return {};
}

Outcome<void> revoke(Context& context, const RevokeOptions& options) {
  if (options.name.empty() == options.all_of.empty()) return Failure{Exit::usage, "name a peer, or a person with --all-of"};
  if (!options.name.empty()) {
    const auto peer = resolve_peer(context.client(), options.name, true);
    if (!peer) return peer.error();
    return revoke_one(context, *peer, options.json);
  }
  const auto peers = peers_of(context.client(), options.all_of);
  if (!peers) return peers.error();
  if (peers->empty())
    return Failure{Exit::not_found, "no peer belongs to \"" + safe(options.all_of) + "\"", "See them all: sanad peer list"};
  for (const auto& peer : *peers) {
    if (auto done = revoke_one(context, peer, options.json); !done) return done;
  }
  return {};
}

void define_name(CLI::App& command, NameOptions& o) {
  command.add_option("name", o.name, "The peer")->required()->type_name("NAME");
  command.add_flag("--json", o.json, "For programs");
}

}  // namespace

void add_peer_change_commands(CLI::App& peer, Chosen& chosen) {
  add_command<AddOptions>(
      peer, chosen, "add", "Add a person's device",
      "sanad peer add \"Ayesha Khan\" --email ayesha@example.com --device laptop --profile ayesha.conf",
      [](CLI::App& command, AddOptions& o) {
        command.add_option("name", o.name, "The person; one already known (name, handle) gets another device")
            ->required()
            ->type_name("NAME");
        command.add_option("--email", o.email, "The person's e-mail")->type_name("ADDRESS");
        command.add_option("--handle", o.handle, "Short name in commands; made from the name otherwise")->type_name("HANDLE");
        command.add_option("--device", o.device, "Which of their devices")->capture_default_str()->type_name("DEVICE");
        command
            .add_option("--public-key", o.public_key,
                        "The client's own key; without it one is made here and given in the profile")
            ->type_name("KEY");
        command.add_option("--profile", o.profile, "Where the profile goes, 0600; - for standard output")->type_name("FILE");
        command.add_flag("--qr", o.qr, "Show the profile as a QR code");
        command.add_flag("--force", o.force, "Replace the file of --profile");
        command.add_option("--expires", o.expires, "End of access: a date (through its end), a time, +30d, +12h")
            ->type_name("WHEN");
        command.add_option("--not-before", o.not_before, "Start of access")->type_name("WHEN");
        command.add_option("--allowed-ip", o.allowed_ips, "Address inside, repeatable; from the pools otherwise")
            ->type_name("PREFIX")
            ->allow_extra_args(false);
        command.add_option("--keepalive", o.keepalive, "Seconds, 0 = off")->type_name("SECONDS")->check(CLI::Range(0, 65535));
        command.add_option("--psk", o.psk, "Pre-shared key: generate, none, or one in base64")
            ->capture_default_str()
            ->type_name("KEY");
        command.add_option("--group", o.groups, "A group, repeatable")->type_name("GROUP")->allow_extra_args(false);
        command.add_option("--note", o.note, "Anything worth knowing")->type_name("TEXT");
        command.add_option("--interface", o.interface, "Where there are several")->type_name("NAME");
        command.add_flag("--json", o.json, "The answer for programs, profile included");
      },
      add);
  add_command<EditOptions>(
      peer, chosen, "edit", "Change a peer; what is not named stays", "sanad peer edit ayesha-khan/laptop --expires +30d",
      [](CLI::App& command, EditOptions& o) {
        // The parser reads an empty text into an optional as none; here it means "remove", hence the two functions.
        command.add_option("name", o.name, "The peer")->required()->type_name("NAME");
        command.add_option("--device", o.device, "New device name")->type_name("DEVICE");
        command.add_option("--person", o.person, "New name of the person, for all their devices")->type_name("NAME");
        command
            .add_option_function<std::string>(
                "--email", [&o](const std::string& text) { o.email = text; }, "New e-mail of the person; \"\" removes it")
            ->type_name("ADDRESS");
        command.add_option("--public-key", o.public_key, "New key of the client")->type_name("KEY");
        command.add_option("--expires", o.expires, "New end of access; never")->type_name("WHEN");
        command.add_option("--not-before", o.not_before, "New start of access; never removes it")->type_name("WHEN");
        command.add_option("--allowed-ip", o.allowed_ips, "New addresses inside, repeatable")
            ->type_name("PREFIX")
            ->allow_extra_args(false);
        command.add_option("--keepalive", o.keepalive, "Seconds, 0 = off")->type_name("SECONDS")->check(CLI::Range(0, 65535));
        command.add_option("--group", o.groups, "New groups, repeatable")->type_name("GROUP")->allow_extra_args(false);
        command.add_flag("--no-groups", o.no_groups, "Out of every group")->excludes("--group");
        command
            .add_option_function<std::string>(
                "--note", [&o](const std::string& text) { o.note = text; }, "New note; \"\" removes it")
            ->type_name("TEXT");
        command.add_flag("--json", o.json, "For programs");
      },
      edit);
  add_command<RevokeOptions>(
      peer, chosen, "revoke", "End a peer for good; its traffic stops at once", "sanad peer revoke ayesha-khan/phone",
      [](CLI::App& command, RevokeOptions& o) {
        command.add_option("name", o.name, "The peer")->type_name("NAME");
        command.add_option("--all-of", o.all_of, "Every peer of this person")->type_name("PERSON");
        command.add_flag("--json", o.json, "For programs");
      },
      revoke);
  add_command<NameOptions>(peer, chosen, "enable", "Let a disabled peer connect again", "sanad peer enable ayesha-khan/phone",
                           define_name,
                           [](Context& context, const NameOptions& o) { return act(context, o, "enable", "enabled"); });
  add_command<NameOptions>(peer, chosen, "disable", "Keep a peer, but let it not connect", "sanad peer disable ayesha-khan/phone",
                           define_name,
                           [](Context& context, const NameOptions& o) { return act(context, o, "disable", "disabled"); });
  add_command<NameOptions>(peer, chosen, "rotate-psk", "Give a peer a new pre-shared key",
                           "sanad peer rotate-psk ayesha-khan/phone", define_name,
                           [](Context& context, const NameOptions& o) { return act(context, o, "rotate-psk", "changed"); });
}

}  // namespace sanad::cli
