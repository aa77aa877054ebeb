// registration show, install, grace.

#include <fmt/format.h>

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/registration_request.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/status_view.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"
#include "control/registration/certificate.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {
namespace {

// What scripts see of a certificate that is not installed: one exit status for each way. Listed in --help.
struct Fault {
  std::string_view field;  // as the daemon names it
  int exit;
  std::string_view meaning;
};
constexpr Fault kFaults[] = {
    {"certificate_pem", 10, "no certificate of the profile: not PEM, something behind it, a claim missing or malformed"},
    {"certificate_pem.strength", 11, "a weak key or signature"},
    {"certificate_pem.usage", 12, "its usage is not a gateway's"},
    {"certificate_pem.extension", 13, "a critical extension that nobody here knows"},
    {"certificate_pem.issuer", 14, "nobody trusted issued it"},
    {"certificate_pem.signature", 15, "edited: its signature does not fit"},
    {"certificate_pem.chain", 16, "its chain is not allowed, or too long"},
    {"certificate_pem.dates", 17, "expired, or not yet valid"},
    {"certificate_pem.key", 18, "for another registration key"},
    {"certificate_pem.wireguard_key", 19, "for another WireGuard key"},
    {"certificate_pem.facts", 20, "its port or addresses are not this gateway's"},
    {"certificate_pem.request", 21, "not what was asked for"},
};

std::string exit_statuses() {
  std::string text = "Exit status of a refusal:\n";
  for (const Fault& fault : kFaults) text += "  " + std::to_string(fault.exit) + "  " + std::string(fault.meaning) + "\n";
  return text;
}

struct ShowOptions {
  bool json = false, pem = false;
};

struct InstallOptions {
  std::string certificate, reference, valid_until, note;
  bool json = false, despite = false;
};

struct GraceOptions {
  std::string until, announcement;
  bool json = false;
};

void tell_standing(Context& context, const json::value& standing) {
  const auto line = [&context](std::string_view name, std::string_view value) {
    context.out << pad_right(name, 14) << value << "\n";
  };
  line("registration", shown(standing, "sentence"));
  line("standing", standing_text(context, standing));
  for (const auto& finding : array_at(standing, "findings")) line("", shown(finding, "code") + ": " + shown(finding, "detail"));
  if (text_at(standing, "standing") != "unregistered" && find(standing, "revocation") != nullptr)
    line("revocation", revocation_text(context, standing));
}

std::string list_text(const json::value& list, WallTime now) {
  std::string text = shown(list, "source") + "  ";
  const auto read = time_at(list, "read_at");
  if (read) text += "read " + show_time(*read, now);
  if (const auto issued = time_at(list, "issued_at")) text += ", issued " + show_time(*issued, now);
  if (const auto next = time_at(list, "next_update")) text += ", the next is due " + show_time(*next, now);
  const std::string problem = text_at(list, "problem");
  if (problem.empty()) return text;
  const auto since = time_at(list, "failing_since");
  return text + (read ? "; " : "never read; ") + (since ? "failing since " + show_time(*since, now) : "failing") + ": " +
         safe(problem);
}

Outcome<void> show(Context& context, const ShowOptions& options) {
  const auto answer = get_json(context.client(), "/v1/registration");
  if (!answer) return answer.error();
  if (options.json) {
    context.out << to_line(*answer) << "\n";
    return {};
  }
  if (options.pem) {
    const std::string pem = text_at(*answer, "certificate_pem");
    if (pem.empty())
      return Failure{Exit::not_found, "no registration certificate is installed", "Install one: sanad registration install CERT"};
    context.out << safe_lines(pem);
    return {};
  }
  const auto line = [&context](std::string_view name, std::string_view value) {
    context.out << pad_right(name, 14) << value << "\n";
  };
  const WallTime now = context.now();
  if (const auto* standing = find(*answer, "standing")) {
    tell_standing(context, *standing);
    const auto from = time_at(*standing, "valid_from");
    const auto until = time_at(*standing, "valid_until");
    if (from && until) line("valid", show_date(*from) + " to " + show_date(*until));
    if (!text_at(*standing, "reference").empty()) line("reference", shown(*standing, "reference"));
    if (text_at(*standing, "level") == "self") {
      line("level", "self: the company says so itself. A confirmation: sanad registration install CERT");
    } else {
      line("level", shown(*standing, "level"));
    }
  }
  for (const auto& list : array_at(*answer, "revocation_lists")) line("list", list_text(list, now));
  for (const auto& anchor : array_at(*answer, "anchors"))
    line("trusted", shown(anchor, "subject") + " (" + shown(anchor, "level") + ")");
  for (const auto& entry : array_at(*answer, "history")) {
    const auto installed = time_at(entry, "installed_at");
    line("installed", (installed ? show_time(*installed, now) : "-") +
                          fmt::format("  in force from record #{}  ", int_at(entry, "from_index")) + shown(entry, "fingerprint"));
  }
  return {};
}

Outcome<void> changed(Context& context, const Outcome<json::value>& answer, bool as_json, std::string_view what) {
  if (!answer) return answer.error();
  if (as_json) {
    context.out << to_line(*answer) << "\n";
    return {};
  }
  context.out << what << "   evidence #" << int_at(*answer, "evidence.index") << "\n";
  if (const auto* standing = find(*answer, "standing")) tell_standing(context, *standing);
  return {};
}

Outcome<json::value> moment(Context& context, const std::string& text, std::string_view field) {
  const auto time = parse_until(text, context.now());
  if (time) return json::value(to_rfc3339(*time));
  Failure failure = failure_of(time.error());
  failure.exit = Exit::usage;
  failure.field = field;
  return failure;
}

Outcome<void> install(Context& context, const InstallOptions& options) {
  auto pem = read_file(options.certificate, registration::kMaxPem);
  if (!pem) {
    Failure failure = failure_of(pem.error());
    if (pem.error().code == Errc::invalid_argument) failure.exit = static_cast<Exit>(kFaults[0].exit);  // larger than any chain
    return failure;
  }
  if (pem->find("PRIVATE KEY") != std::string::npos) {
    return Failure{Exit::usage, options.certificate + " holds a private key, which must not leave its file",
                   "Give the certificate alone"};
  }
  json::object body{{"certificate_pem", *pem}};
  if (!options.reference.empty()) body["reference"] = options.reference;
  if (!options.note.empty()) body["note"] = options.note;
  if (options.despite) body["despite_differences"] = true;
  if (!options.valid_until.empty()) {
    auto time = moment(context, options.valid_until, "authority_valid_until");
    if (!time) return time.error();
    body["authority_valid_until"] = *time;
  }
  auto installed = changed(context, send_json(context.client(), "PUT", "/v1/registration", body), options.json, "installed");
  if (installed) return {};
  Failure failure = installed.error();
  for (const Fault& fault : kFaults)
    if (fault.field == failure.field) failure.exit = static_cast<Exit>(fault.exit);
  return failure;
}

Outcome<void> grace(Context& context, const GraceOptions& options) {
  auto until = moment(context, options.until, "until");
  if (!until) return until.error();
  const json::value body{{"until", *until}, {"announcement", options.announcement}};
  return changed(context, send_json(context.client(), "POST", "/v1/registration/grace", body), options.json, "grace recorded");
}

}  // namespace

void add_registration_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* registration = app.add_subcommand("registration", "Who runs this gateway, and who confirms it");
  registration->require_subcommand(1);
  registration->footer("Example:\n  sanad registration show");
  add_command<ShowOptions>(
      *registration, chosen, "show", "The certificate and what it is worth now", "sanad registration show",
      [](CLI::App& command, ShowOptions& o) {
        command.add_flag("--pem", o.pem, "Only the certificate");
        command.add_flag("--json", o.json, "For programs");
      },
      show);
  add_registration_request_commands(*registration, chosen);
  add_command<InstallOptions>(
      *registration, chosen, "install", "Install a certificate; it is checked first",
      "sanad registration install gateway.pem --reference 24-7781 --valid-until 2027-11-30\n\n" + exit_statuses(),
      [](CLI::App& command, InstallOptions& o) {
        command.add_option("certificate", o.certificate, "PEM: the certificate, then its chain")->required()->type_name("CERT");
        command.add_option("--reference", o.reference, "The authority's reference")->type_name("REFERENCE");
        command.add_option("--valid-until", o.valid_until, "The end the authority gave")->type_name("DATE");
        command.add_option("--note", o.note, "Anything worth knowing")->type_name("TEXT");
        command.add_flag("--despite-differences", o.despite,
                         "Also when it is not what was asked for, or does not match this gateway");
        command.add_flag("--json", o.json, "For programs");
      },
      install);
  add_command<GraceOptions>(
      *registration, chosen, "grace", "Record an extension that was announced",
      "sanad registration grace --until 2027-12-31 --announcement https://authority.example/notice-17",
      [](CLI::App& command, GraceOptions& o) {
        command.add_option("--until", o.until, "Its end")->required()->type_name("DATE");
        command.add_option("--announcement", o.announcement, "Where it was announced: text or URL")
            ->required()
            ->type_name("TEXT");
        command.add_flag("--json", o.json, "For programs");
      },
      grace);
}

}  // namespace sanad::cli
