// registrar init, inspect, issue, revoke, list. The registrar's folder is its own: no daemon is asked.

#include "control/cli/registrar_commands.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "control/cli/json_view.hpp"
#include "control/cli/table.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"
#include "control/registration/standing.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

namespace fs = std::filesystem;
using registrar::IssuedCertificate;
using registration::to_date;

struct InitOptions {
  RegistrarPlace place;
  registrar::Beginning beginning;
  std::string level = "association", key_file, parent, parent_key;
  bool p256 = false;
};

struct IssueOptions {
  RegistrarPlace place;
  ApplicationOptions application;
  std::vector<std::string> requests;
  std::string out;
  bool despite = false, json = false;
};

struct InspectOptions {
  RegistrarPlace place;
  ApplicationOptions application;
  std::string request;
  bool json = false;
};

struct RevokeOptions {
  RegistrarPlace place;
  std::string which, reason = "unspecified";
  bool json = false;
};

struct ListOptions {
  RegistrarPlace place;
  std::string due, word;
  std::size_t limit = 100;
  bool json = false;
};

Outcome<std::optional<WallTime>> moment(Context& context, const std::string& text, std::string_view option) {
  if (text.empty()) return std::optional<WallTime>{};
  const auto time = parse_until(text, context.now());
  if (time) return std::optional{WallTime{time->ns / 1'000'000'000 * 1'000'000'000}};
  Failure failure = failure_of(time.error());
  failure.exit = Exit::usage;
  failure.field = option;
  return failure;
}

Outcome<void> init(Context& context, const InitOptions& options) {
  const auto level = registration::level_from_string(options.level);
  if (!level || *level == registration::Level::self)
    return Failure{Exit::usage, "--level: one of company, association, regulator"};
  if (options.parent.empty() != options.parent_key.empty())
    return Failure{Exit::usage, "--parent and --parent-key belong together"};
  registrar::Beginning beginning = options.beginning;
  beginning.key_file = options.key_file;
  beginning.parent_certificate = options.parent;
  beginning.parent_key = options.parent_key;
  if (options.p256) beginning.algorithm = registration::KeyAlgorithm::ecdsa_p256;
  const fs::path directory = options.place.directory;
  if (auto begun = registrar::Registrar::begin(directory, beginning, this_actor(), context.now()); !begun)
    return registrar_failure(begun.error());
  const std::string key = options.key_file.empty() ? (directory / "keys" / "ca.key").string() : options.key_file;
  context.out << "wrote " << (directory / "ca.pem").string() << ", " << key << " (0600), " << (directory / "policy.yaml").string()
              << "\n"
              << "Read and edit policy.yaml first. Then: sanad registrar inspect REQUEST, sanad registrar issue REQUEST\n"
              << "Give ca.pem to whoever is to believe this registrar; what it is worth, they decide. On a gateway:\n"
              << "  registration:\n    anchors:\n      - file: /etc/sanad/ca.pem\n        level: " << options.level
              << "\n        name: \"" << safe(beginning.name) << "\"\n";
  return {};
}

void tell_claims(Context& context, const registration::RegistrationClaims& claims) {
  const auto line = [&context](std::string_view name, const std::string& value) {
    if (!value.empty()) context.out << pad_right(name, 16) << safe(value) << "\n";
  };
  const auto listed = [](const auto& values, auto text) {
    std::string out;
    for (const auto& value : values) out += (out.empty() ? "" : ", ") + text(value);
    return out;
  };
  line("holder", claims.legal_name + ", " + claims.country);
  line("identifier", claims.organization_identifier);
  line("category", std::string(to_string(claims.category)));
  line("authority", claims.authority + ", " + claims.regime);
  line("reference", claims.reference.value_or(""));
  line("approved", claims.approved_on ? to_date(*claims.approved_on) : "");
  line("registered until", claims.registration_valid_until ? to_date(*claims.registration_valid_until) : "");
  line("gateway", claims.gateway_id);
  line("addresses", listed(claims.addresses, [](const IpAddress& a) { return a.to_string(); }));
  line("names", listed(claims.dns_names, [](const std::string& n) { return n; }));
  line("ports", listed(claims.listen_ports, [](std::uint16_t p) { return std::to_string(p); }));
  line("key", claims.wireguard_key.to_base64());
  line("purpose", claims.purpose);
}

json::object row_json(const IssuedCertificate& row) {
  json::object out{{"serial", row.serial},
                   {"certificate_sha256", hex_encode(row.fingerprint)},
                   {"legal_name", row.legal_name},
                   {"gateway_id", row.gateway_id},
                   {"category", to_string(row.category)},
                   {"valid_from", to_rfc3339(row.not_before)},
                   {"ends", to_rfc3339(row.ends)}};
  if (row.reference) out["reference"] = *row.reference;
  if (row.revoked_at) {
    out["revoked_at"] = to_rfc3339(*row.revoked_at);
    out["reason"] = to_string(row.reason);
  }
  return out;
}

Outcome<void> inspect(Context& context, const InspectOptions& options) {
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  auto application = application_of(context, options.request, options.application);
  if (!application) return application.error();
  auto inspection = registrar->inspect(*application, context.now());
  if (!inspection) return registrar_failure(inspection.error());
  if (options.json) {
    json::array objections;
    for (const auto& one : inspection->objections)
      objections.push_back(json::object{{"field", one.field}, {"reason", one.message}});
    const auto& claims = inspection->claims;
    context.out << to_line(json::object{{"legal_name", claims.legal_name},
                                        {"gateway_id", claims.gateway_id},
                                        {"category", to_string(claims.category)},
                                        {"wireguard_key", claims.wireguard_key.to_base64()},
                                        {"key_sha256", hex_encode(inspection->request.key_fingerprint)},
                                        {"objections", std::move(objections)}})
                << "\n";
  } else {
    context.out << "It claims, and nobody has confirmed:\n";
    tell_claims(context, inspection->claims);
    context.out << pad_right("request's key", 16) << registration::fingerprint_text(inspection->request.key_fingerprint)
                << "\n                compare it with the applicant, on another way than the file came\n";
    if (inspection->predecessor) {
      const auto& before = *inspection->predecessor;
      context.out << pad_right("renews", 16) << "serial " << before.serial << ", ends " << to_date(before.ends)
                  << (before.key_fingerprint == inspection->request.key_fingerprint ? ", the same key" : ", with another key")
                  << "\n";
    }
    for (const auto& one : inspection->objections)
      context.out << context.paint("against it", "31") << "      " << safe(one.field) << ": " << safe(one.message) << "\n";
    if (inspection->objections.empty())
      context.out << "The policy has nothing against it. Next: sanad registrar issue " << safe(options.request) << "\n";
  }
  if (!inspection->objections.empty()) return Failure{Exit::failure, ""};
  return {};
}

Outcome<void> issue(Context& context, const IssueOptions& options) {
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  std::vector<registrar::Application> applications;
  for (const auto& file : options.requests) {
    auto application = application_of(context, file, options.application);
    if (!application) return application.error();
    applications.push_back(*std::move(application));
  }
  auto key = registrar->key(options.place.key);
  if (!key) return registrar_failure(key.error());
  auto issued = registrar->issue_all(applications, *key, options.despite, context.now());
  if (!issued) return registrar_failure(issued.error());
  std::error_code ec;
  const bool into_directory = fs::is_directory(options.out, ec);
  if (issued->size() > 1 && !options.out.empty() && !into_directory)
    return Failure{Exit::usage, "--out: not a directory, and there are several certificates"};
  for (const auto& one : *issued) {
    fs::path file = slug(one.certificate.gateway_id) + ".pem";
    if (into_directory) file = fs::path(options.out) / file;
    if (!into_directory && !options.out.empty()) file = options.out;
    if (auto written = write_file_durably(file, one.chain, 0644); !written) return registrar_failure(written.error());
    if (options.json) {
      auto out = row_json(one.certificate);
      out["file"] = file.string();
      out["record"] = one.record;
      context.out << to_line(out) << "\n";
      continue;
    }
    context.out << "issued " << safe(one.certificate.legal_name) << ", gateway " << safe(one.certificate.gateway_id)
                << ", serial " << one.certificate.serial << ", ends " << to_date(one.certificate.ends) << "   record #"
                << one.record << "\n"
                << "wrote " << safe(file.string()) << ". On the gateway: sanad registration install "
                << safe(file.filename().string()) << "\n";
  }
  return {};
}

Outcome<IssuedCertificate> chosen_certificate(registrar::Registrar& registrar, const std::string& which, WallTime now) {
  std::vector<IssuedCertificate> found;
  auto looked = registrar.store().look([&]() -> Result<void> {
    found = registrar.store().search(which, 20);
    return {};
  });
  if (!looked) return registrar_failure(looked.error());
  std::erase_if(found, [now](const IssuedCertificate& one) { return one.revoked_at.has_value() || one.ends < now; });
  if (found.empty())
    return Failure{Exit::not_found, "no certificate in force has this serial number, fingerprint, gateway or holder",
                   "Look for it: sanad registrar list " + which};
  if (found.size() == 1) return found.front();
  std::string serials;
  for (const auto& one : found) serials += "\n  " + one.serial + "  gateway " + one.gateway_id + ", ends " + to_date(one.ends);
  return Failure{Exit::not_found, "several certificates match; name one by its serial number:" + serials};
}

Outcome<void> revoke(Context& context, const RevokeOptions& options) {
  const auto reason = registration::revocation_reason_from_string(options.reason);
  if (!reason)
    return Failure{
        Exit::usage,
        "--reason: one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn"};
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  auto certificate = chosen_certificate(*registrar, options.which, context.now());
  if (!certificate) return certificate.error();
  auto revoked = registrar->revoke(certificate->serial, *reason, context.now());
  if (!revoked) return registrar_failure(revoked.error());
  if (auto published = registrar->publish_log(context.now()); !published) return registrar_failure(published.error());
  if (options.json) {
    context.out << to_line(row_json(*revoked)) << "\n";
    return {};
  }
  context.out << "revoked " << safe(revoked->legal_name) << ", gateway " << safe(revoked->gateway_id) << ", serial "
              << revoked->serial << "\nNobody knows yet. Next: sanad registrar publish\n";
  return {};
}

Outcome<void> list(Context& context, const ListOptions& options) {
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  const WallTime now = context.now();
  std::optional<WallTime> until;
  if (!options.due.empty()) {
    const std::string text =
        options.due.starts_with('+') || options.due.find('-') != std::string::npos ? options.due : "+" + options.due;
    const auto time = parse_until(text, now);
    if (!time) return Failure{Exit::usage, "--due: " + time.error().message, "As in 30d, or a date"};
    until = *time;
  }
  std::vector<IssuedCertificate> rows;
  registrar::Store::Counts counts;
  auto looked = registrar->store().look([&]() -> Result<void> {
    if (until)
      rows = registrar->store().due(now, *until);
    else if (!options.word.empty())
      rows = registrar->store().search(options.word, options.limit);
    else
      rows = registrar->store().latest(options.limit);
    counts = registrar->store().counts(now);
    return {};
  });
  if (!looked) return registrar_failure(looked.error());
  if (options.json) {
    for (const auto& row : rows) context.out << to_line(row_json(row)) << "\n";
    return {};
  }
  Table table({{"HOLDER"}, {"GATEWAY"}, {"REFERENCE"}, {"ENDS"}, {"IN", Align::right}, {"STATE"}, {"SERIAL"}});
  for (const auto& row : rows) {
    const auto days = std::chrono::duration_cast<std::chrono::hours>(row.ends - now).count() / 24;
    const std::string state = row.revoked_at ? "revoked " + to_date(*row.revoked_at) : now > row.ends ? "ended" : "current";
    table.add({row.legal_name, row.gateway_id, row.reference.value_or("-"), to_date(row.ends),
               now > row.ends ? "-" : fmt::format("{}d", days), state, row.serial});
  }
  if (!table.empty()) context.out << table.render();
  if (until && rows.empty()) context.out << "None ends by " << to_date(*until) << ".\n";
  context.out << counts.issued << " issued, " << counts.current << " current, " << counts.revoked << " revoked\n";
  return {};
}

}  // namespace

void define_place(CLI::App& command, RegistrarPlace& place) {
  command.add_option("--dir", place.directory, "The registrar's folder")
      ->envname("SANAD_REGISTRAR")
      ->type_name("DIR")
      ->capture_default_str();
}

void define_key(CLI::App& command, RegistrarPlace& place) {
  command.add_option("--key", place.key, "The registrar's key, where it is kept elsewhere")->type_name("FILE");
}

void define_application(CLI::App& command, ApplicationOptions& options) {
  command.add_option("--reference", options.reference, "The authority's reference, when you have seen it")
      ->type_name("REFERENCE");
  command.add_option("--approved-on", options.approved_on, "When the authority approved")->type_name("DATE");
  command.add_option("--registered-until", options.registered_until, "The end the authority gave")->type_name("DATE");
  command.add_option("--valid-until", options.valid_until, "The certificate's end; else the policy's longest")->type_name("DATE");
}

Outcome<registrar::Application> application_of(Context& context, const std::string& file, const ApplicationOptions& options) {
  auto request = read_file(file, registration::kMaxRequest);
  if (!request) return failure_of(request.error());
  registrar::Application application{*std::move(request), {}, {}, {}, {}};
  if (!options.reference.empty()) application.reference = options.reference;
  auto approved = moment(context, options.approved_on, "--approved-on");
  if (!approved) return approved.error();
  application.approved_on = *approved;
  auto registered = moment(context, options.registered_until, "--registered-until");
  if (!registered) return registered.error();
  application.registration_valid_until = *registered;
  auto valid = moment(context, options.valid_until, "--valid-until");
  if (!valid) return valid.error();
  application.valid_until = *valid;
  return application;
}

audit::Actor this_actor() {
  audit::Actor actor;
  actor.uid = ::getuid();
  actor.gid = ::getgid();
  actor.pid = ::getpid();
  if (const ::passwd* entry = ::getpwuid(actor.uid)) actor.user_name = entry->pw_name;
  return actor;
}

Outcome<registrar::Registrar> open_registrar(const RegistrarPlace& place) {
  auto registrar = registrar::Registrar::open(place.directory, this_actor());
  if (!registrar) return registrar_failure(registrar.error());
  return *std::move(registrar);
}

// The message says what is wrong; `field` is a claim's name, not an option.
Failure registrar_failure(Error error) {
  if (!error.field.empty() && error.message.find(error.field) == std::string::npos)
    error.message = error.field + ": " + error.message;
  error.field.clear();
  return failure_of(std::move(error));
}

void add_registrar_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* registrar = app.add_subcommand("registrar", "Confirm others' gateways: for a company, an association, a provider");
  registrar->require_subcommand(1);
  registrar->footer("Example:\n  sanad registrar list --due 30d");
  add_command<InitOptions>(
      *registrar, chosen, "init", "Begin a registrar: its key, its certificate, a policy to edit",
      "sanad registrar init --name \"Example Association\" --country PK --level association",
      [](CLI::App& command, InitOptions& o) {
        define_place(command, o.place);
        command.add_option("--name", o.beginning.name, "Who confirms, as people will read it")->required()->type_name("NAME");
        command.add_option("--country", o.beginning.country, "Two letters")->required()->type_name("CC");
        command.add_option("--level", o.level, "What it is to those who trust it: company, association, regulator")
            ->capture_default_str()
            ->type_name("LEVEL");
        command.add_option("--days", o.beginning.days, "Validity of its certificate")
            ->check(CLI::Range(1, 36600))
            ->capture_default_str();
        command.add_option("--key", o.key_file, "Put its key there instead, away from this machine")->type_name("FILE");
        command.add_option("--parent", o.parent, "The issuer above it (PEM); else it is its own root")->type_name("CERT");
        command.add_option("--parent-key", o.parent_key, "That issuer's key")->type_name("FILE");
        command.add_flag("--p256", o.p256, "An ECDSA P-256 key instead of Ed25519, for hardware that knows no other");
      },
      init);
  add_command<InspectOptions>(
      *registrar, chosen, "inspect", "Show what an application claims, and what the policy says to it",
      "sanad registrar inspect gateway.csr",
      [](CLI::App& command, InspectOptions& o) {
        define_place(command, o.place);
        define_application(command, o.application);
        command.add_option("request", o.request, "The application (PEM)")->required()->type_name("REQUEST");
        command.add_flag("--json", o.json, "For programs");
      },
      inspect);
  add_command<IssueOptions>(
      *registrar, chosen, "issue", "Confirm: issue the certificate that an application asks for",
      "sanad registrar issue gateway.csr --reference 24-7781 --registered-until 2027-11-30 --out gateway.pem",
      [](CLI::App& command, IssueOptions& o) {
        define_place(command, o.place);
        define_key(command, o.place);
        define_application(command, o.application);
        command.add_option("requests", o.requests, "Applications (PEM)")->required()->type_name("REQUEST");
        command.add_option("--out", o.out, "The certificate's file, or a directory; else GATEWAY.pem")->type_name("PATH");
        command.add_flag("--despite-policy", o.despite, "Also where the policy stands against it; recorded as such");
        command.add_flag("--json", o.json, "For programs");
      },
      issue);
  add_command<RevokeOptions>(
      *registrar, chosen, "revoke", "Take a confirmation back", "sanad registrar revoke example-khi-1 --reason keyCompromise",
      [](CLI::App& command, RevokeOptions& o) {
        define_place(command, o.place);
        command.add_option("which", o.which, "Serial number, fingerprint, gateway id or holder")->required()->type_name("WHICH");
        command.add_option("--reason", o.reason, "As RFC 5280 calls it")->capture_default_str()->type_name("REASON");
        command.add_flag("--json", o.json, "For programs");
      },
      revoke);
  add_command<ListOptions>(
      *registrar, chosen, "list", "What was issued; whose registration ends soon", "sanad registrar list --due 30d",
      [](CLI::App& command, ListOptions& o) {
        define_place(command, o.place);
        command.add_option("word", o.word, "Serial number, fingerprint, gateway id or holder")->type_name("WHICH");
        command.add_option("--due", o.due, "Only what ends in that time and has not been renewed")->type_name("TIME");
        command.add_option("--limit", o.limit, "At most so many, the newest first")->capture_default_str();
        command.add_flag("--json", o.json, "For programs, a line each");
      },
      list);
  add_registrar_publish_commands(*registrar, chosen);
}

}  // namespace sanad::cli
