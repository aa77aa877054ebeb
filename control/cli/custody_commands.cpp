// hold add, list, release; erase; confirm: what must be kept, what must go, and the second admin.

#include <fmt/format.h>

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/table.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"

namespace sanad::cli {
namespace {

struct HoldOptions {
  std::string person, address, from, to, reason, approver, expires;
  bool json = false;
};

struct ListOptions {
  bool json = false;
};

struct IdOptions {
  std::string id;
  bool json = false;
};

struct EraseOptions {
  std::string person, reason;
  bool yes = false, json = false;
};

Outcome<json::value> moment(Context& context, const std::string& text, const std::string& option) {
  const auto when = parse_when(text, context.now());
  if (when) return json::value(to_rfc3339(when->time));
  Failure failure = failure_of(when.error());
  failure.exit = Exit::usage;
  failure.field = option;
  return failure;
}

Outcome<std::string> person_id(Context& context, const std::string& person) {
  if (person.starts_with("o-")) return person;
  return resolve_owner(context.client(), person);
}

// An answer that a second admin has to confirm says so instead of what was done.
bool told_waiting(Context& context, const json::value& answer) {
  if (find(answer, "confirmation") == nullptr) return false;
  const auto until = time_at(answer, "confirmation.expires_at");
  context.out << "waiting for a second admin   evidence #" << int_at(answer, "evidence.index") << "\n"
              << "a different admin confirms it" << (until ? " until " + show_time(*until, context.now()) : "")
              << ": sanad confirm " << shown(answer, "confirmation.id") << "\n";
  return true;
}

void tell_erased(Context& context, const json::value& erasure, std::int64_t evidence) {
  context.out << fmt::format("erased  {}  {} disclosures, {} outer addresses   evidence #{}\n", shown(erasure, "person"),
                             int_at(erasure, "disclosures"), int_at(erasure, "addresses"), evidence);
  if (bool_at(erasure, "overwritten")) {
    context.out << "No file of the gateway holds the person any more. Backups do: see to them.\n";
  } else {
    context.err << context.paint("warning:", "33")
                << " deleted, but not overwritten everywhere yet: " << shown(erasure, "why_not")
                << ". The gateway goes on by itself; ask again with the same command\n";
  }
}

// ---- hold ----

Outcome<void> add(Context& context, const HoldOptions& options) {
  json::object body{{"reason", options.reason}, {"approver", options.approver}};
  if (!options.person.empty()) {
    auto person = person_id(context, options.person);
    if (!person) return person.error();
    body["person"] = *person;
  }
  if (!options.address.empty()) body["address"] = options.address;
  for (const auto& [name, text] :
       {std::pair{"from", &options.from}, std::pair{"to", &options.to}, std::pair{"expires", &options.expires}}) {
    if (text->empty()) continue;
    if (std::string_view(name) == "expires") {
      const auto until = parse_until(*text, context.now());
      if (!until) return Failure{Exit::usage, until.error().message, until.error().hint, "--expires"};
      body[name] = to_rfc3339(*until);
      continue;
    }
    auto time = moment(context, *text, std::string("--") + name);
    if (!time) return time.error();
    body[name] = *time;
  }
  const auto answer = send_json(context.client(), "POST", "/v1/holds", body);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
    return {};
  }
  const auto until = time_at(*answer, "hold.expires_at");
  context.out << "held  " << shown(*answer, "hold.id") << "  "
              << (until ? "until " + show_time(*until, context.now()) : "until it is released") << "   evidence #"
              << int_at(*answer, "evidence.index") << "\n";
  return {};
}

Outcome<void> list(Context& context, const ListOptions& options) {
  const auto answer = get_json(context.client(), "/v1/holds");
  if (!answer) return answer.error();
  const auto& holds = array_at(*answer, "holds");
  if (options.json) {
    context.out << to_line(holds) << "\n";
    return {};
  }
  if (holds.empty()) {
    context.out << "no holds\n";
    return {};
  }
  Table table({{"HOLD"}, {"PERSON"}, {"ADDRESS"}, {"WINDOW"}, {"UNTIL"}, {"APPROVED BY"}, {"REASON"}});
  const auto day = [](const json::value& hold, std::string_view path, std::string_view none) {
    const auto time = time_at(hold, path);
    return time ? show_date(*time) : std::string(none);
  };
  for (const auto& hold : holds) {
    const bool window = find(hold, "from") != nullptr || find(hold, "to") != nullptr;
    table.add({shown(hold, "id"), shown(hold, "person"), shown(hold, "address"),
               window ? day(hold, "from", "...") + " to " + day(hold, "to", "...") : "-", day(hold, "expires_at", "released"),
               shown(hold, "approver"), shown(hold, "reason")});
  }
  context.out << table.render();
  return {};
}

Outcome<void> release(Context& context, const IdOptions& options) {
  const auto answer = send_json(context.client(), "DELETE", "/v1/holds/" + slug(options.id), nullptr);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
  } else if (!told_waiting(context, *answer)) {
    context.out << "released  " << shown(*answer, "released") << "   evidence #" << int_at(*answer, "evidence.index") << "\n";
  }
  return {};
}

// ---- erase ----

constexpr const char* kWhatGoes =
    "goes:   name, e-mail and handle; every outer address; device names, notes, groups and keys; what opens the\n"
    "        digests in the log. Overwritten in every file of the gateway. It cannot be brought back.\n"
    "stays:  the records themselves, with times, byte counts and addresses inside the tunnel, under the opaque id; all\n"
    "        proofs still verify. And this: who erased it, when, and the reason you give.\n";

Outcome<void> erase(Context& context, const EraseOptions& options) {
  const auto person = person_id(context, options.person);
  if (!person) return person.error();
  if (!options.yes) {
    if (!context.terminal.in) {
      return Failure{Exit::usage, "erasing cannot be undone, and nobody can be asked here", "Add --yes when it is meant",
                     "--yes"};
    }
    context.err << "erase " << safe(options.person) << " (" << safe(*person) << ")\n"
                << kWhatGoes << "Type yes to go on: " << std::flush;
    std::string line;
    if (!std::getline(context.in, line) || line != "yes") return Failure{Exit::failure, "nothing was erased"};
  }
  const json::value body{{"person", *person}, {"reason", options.reason}};
  const auto answer = send_json(context.client(), "POST", "/v1/erasures", body);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
  } else if (!told_waiting(context, *answer)) {
    if (const auto* erasure = find(*answer, "erasure")) tell_erased(context, *erasure, int_at(*answer, "evidence.index"));
  }
  return {};
}

// ---- confirm ----

Outcome<void> show_waiting(Context& context, bool as_json) {
  const auto answer = get_json(context.client(), "/v1/confirmations");
  if (!answer) return answer.error();
  const auto& waiting = array_at(*answer, "confirmations");
  if (as_json) {
    context.out << to_line(waiting) << "\n";
    return {};
  }
  if (waiting.empty()) {
    context.out << "nothing waits for a confirmation\n";
    return {};
  }
  Table table({{"ID"}, {"ACT"}, {"REQUEST"}, {"ASKED BY UID"}, {"UNTIL"}});
  for (const auto& one : waiting) {
    const auto until = time_at(one, "expires_at");
    const auto* request = find(one, "request");
    table.add({shown(one, "id"), shown(one, "act"), request == nullptr ? "-" : to_line(*request),
               std::to_string(int_at(one, "asked_by_uid")), until ? show_time(*until, context.now()) : "-"});
  }
  context.out << table.render();
  return {};
}

Outcome<void> confirm(Context& context, const IdOptions& options) {
  if (options.id.empty()) return show_waiting(context, options.json);
  const auto answer = send_json(context.client(), "POST", "/v1/confirmations/" + slug(options.id), nullptr);
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
    return {};
  }
  context.out << "confirmed  " << shown(*answer, "act") << "   evidence #" << int_at(*answer, "evidence.index") << "\n";
  if (const auto* erasure = find(*answer, "erasure")) tell_erased(context, *erasure, int_at(*answer, "evidence.index"));
  return {};
}

}  // namespace

void add_custody_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* hold = app.add_subcommand("hold", "Legal holds: what must not be deleted, whoever asks");
  hold->require_subcommand(1);
  hold->footer("Example:\n  sanad hold list");
  add_command<HoldOptions>(
      *hold, chosen, "add", "Keep what belongs to a person, an address or a window",
      "sanad hold add --person ayesha-khan --reason \"case 4711\" --approver \"District Court\" --expires 2028-06-30",
      [](CLI::App& command, HoldOptions& o) {
        command.add_option("--person", o.person, "Name, handle, e-mail or id")->type_name("PERSON");
        command.add_option("--address", o.address, "Inside or outside the tunnel")->type_name("IP");
        command.add_option("--from", o.from, "Sessions that ran at or after")->type_name("WHEN");
        command.add_option("--to", o.to, "Sessions that began before")->type_name("WHEN");
        command.add_option("--reason", o.reason, "Why")->required()->type_name("TEXT");
        command.add_option("--approver", o.approver, "Who decided it")->required()->type_name("TEXT");
        command.add_option("--expires", o.expires, "Its end; else until it is released")->type_name("WHEN");
        command.add_flag("--json", o.json, "For programs");
      },
      add);
  add_command<ListOptions>(
      *hold, chosen, "list", "Holds in force", "sanad hold list",
      [](CLI::App& command, ListOptions& o) { command.add_flag("--json", o.json, "An array, for programs"); }, list);
  add_command<IdOptions>(
      *hold, chosen, "release", "End a hold", "sanad hold release h-5d2wq7n3yzata",
      [](CLI::App& command, IdOptions& o) {
        command.add_option("id", o.id, "The hold")->required()->type_name("HOLD");
        command.add_flag("--json", o.json, "For programs");
      },
      release);
  add_command<EraseOptions>(
      app, chosen, "erase", "Erase a person; what is recorded stays provable and says nothing of who it was",
      "sanad erase ayesha-khan --reason \"request 2027-17\"",
      [](CLI::App& command, EraseOptions& o) {
        command.add_option("person", o.person, "Name, handle, e-mail or id; their devices must be revoked")
            ->required()
            ->type_name("PERSON");
        command.add_option("--reason", o.reason, "Why; it is kept, so without the name")->required()->type_name("TEXT");
        command.add_flag("--yes", o.yes, "Do not ask");
        command.add_flag("--json", o.json, "For programs");
      },
      erase);
  add_command<IdOptions>(
      app, chosen, "confirm", "Confirm what another admin asked for; without an id: show what waits",
      "sanad confirm c-6f3xr2m5wzqna",
      [](CLI::App& command, IdOptions& o) {
        command.add_option("id", o.id, "What waits")->type_name("ID");
        command.add_flag("--json", o.json, "For programs");
      },
      confirm);
}

}  // namespace sanad::cli
