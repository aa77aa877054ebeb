// peer import, export: many peers at once.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "control/cli/commands.hpp"
#include "control/cli/csv.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/text.hpp"

namespace sanad::cli {
namespace {

struct ImportOptions {
  std::string file;
  bool atomic = false;
  bool json = false;
};

struct ExportOptions {
  std::string match;
};

Outcome<std::string> read_all(Context& context, const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return failure_of(from_errno(errno, "couldn't read " + path));
  }
  std::istream& in = path == "-" ? context.in : file;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// NDJSON begins with an object; everything else is taken for CSV.
Outcome<std::string> to_ndjson(std::string text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == std::string::npos) return Failure{Exit::failure, "nothing to import: the file is empty"};
  if (text[start] == '{') return text;
  const auto lines = peers_of_csv(text);
  if (!lines) return failure_of(lines.error());
  std::string out;
  for (const auto& line : *lines) out += line + "\n";
  return out;
}

Outcome<void> import(Context& context, const ImportOptions& options) {
  auto text = read_all(context, options.file);
  if (!text) return text.error();
  auto body = to_ndjson(std::move(*text));
  if (!body) return body.error();
  const auto total = static_cast<std::size_t>(std::count(body->begin(), body->end(), '\n')) + (body->ends_with('\n') ? 0 : 1);
  json::value summary;
  const BootTime started = now().boot;
  {
    Progress progress(context, "importing", total);
    std::size_t done = 0;
    const Request request{"POST", with_query("/v1/peers/import", {{"atomic", options.atomic ? "true" : ""}}), std::move(*body),
                          "application/x-ndjson"};
    const auto streamed = context.client().stream(request, [&](std::string_view line) {
      const auto answer = parse_json(line);
      if (!answer) return true;
      progress.at(++done);
      if (options.json) context.out << to_line(*answer) << "\n";
      if (const auto* figures = find(*answer, "summary")) summary = *figures;
      if (find(*answer, "problem") != nullptr && !options.json) {
        const std::string field = text_at(*answer, "problem.field");
        context.err << "line " << int_at(*answer, "line") << ": " << (field.empty() ? "" : safe(field) + ": ")
                    << shown(*answer, "problem.detail") << "\n";
      }
      return true;
    });
    if (!streamed) return streamed.error();
  }
  if (summary.is_null())
    return Failure{Exit::failure, "the daemon stopped before the end of the import", "See what arrived: sanad peer list"};
  const auto failed = int_at(summary, "failed");
  if (!options.json) {
    context.out << fmt::format("{} added, {} failed, in {}{}\n", with_thousands(int_at(summary, "added")), with_thousands(failed),
                               humane_duration(now().boot - started),
                               failed != 0 && options.atomic ? "; nothing was changed (--atomic)" : "");
  }
  if (failed != 0) return Failure{};
  return {};
}

Outcome<void> export_peers(Context& context, const ExportOptions& options) {
  return for_each(context.client(), "/v1/peers", {{"match", options.match}}, "peers", [&context](const json::value& peer) {
    if (text_at(peer, "state") == "revoked") return true;
    json::object line;
    json::object owner;
    for (const char* key : {"name", "email", "handle"}) {
      if (const auto* value = find(peer, std::string("owner.") + key)) owner[key] = *value;
    }
    line["owner"] = owner;
    for (const char* key : {"device", "public_key", "allowed_ips", "keepalive_s", "enabled", "not_before", "expires_at", "groups",
                            "note", "interface"}) {
      if (const auto* value = find(peer, key)) line[key] = *value;
    }
    // A pre-shared key never leaves the gateway; a peer that had one gets a new one where it is imported.
    line["preshared_key"] = bool_at(peer, "has_preshared_key") ? "generate" : "none";
    context.out << to_line(line) << "\n";
    return true;
  });
}

}  // namespace

void add_peer_bulk_commands(CLI::App& peer, Chosen& chosen) {
  add_command<ImportOptions>(
      peer, chosen, "import", "Add many peers from NDJSON, or CSV with a header line", "sanad peer import staff.csv --atomic",
      [](CLI::App& command, ImportOptions& o) {
        command
            .add_option("file", o.file,
                        "The file; - for standard input. CSV columns: name, public_key (both needed), email, handle, device,\n"
                        "preshared_key, allowed_ips, keepalive, expires_at, not_before, groups, note, interface")
            ->required()
            ->type_name("FILE");
        command.add_flag("--atomic", o.atomic, "All or nothing");
        command.add_flag("--json", o.json, "A result a line, for programs");
      },
      import);
  add_command<ExportOptions>(
      peer, chosen, "export", "Peers as NDJSON that peer import takes; without their secrets", "sanad peer export > peers.ndjson",
      [](CLI::App& command, ExportOptions& o) {
        command.add_option("match", o.match, "Only those that match")->type_name("MATCH");
      },
      export_peers);
}

}  // namespace sanad::cli
