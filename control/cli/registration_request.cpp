// registration request, renew, history: the way to a certificate.

#include "control/cli/registration_request.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <map>

#include "config/reader.hpp"
#include "control/cli/host.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"
#include "control/registration/archive.hpp"
#include "control/registration/dossier.hpp"
#include "control/registration/envelope.hpp"
#include "control/registration/request.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {
namespace {

namespace fs = std::filesystem;
using registration::Answers;
using registration::Document;

constexpr std::size_t kMaxKeyFile = 16 * 1024;

struct RequestOptions {
  std::string config = "/etc/sanad/sanad.yaml";
  std::string answers, out = "registration-request", passphrase_file, recipient, category;
};

struct RenewOptions {
  std::string config = "/etc/sanad/sanad.yaml";
  std::string out = "renewal.csr";
};

struct HistoryOptions {
  bool json = false;
};

// What of this host goes into a request.
struct ThisGateway {
  config::Config config;
  wg::PublicKey wireguard_key;
  registration::PrivateKeyPem registration_key;
};

struct Papers {
  std::vector<Document> documents;
  std::vector<registration::ArchivedFile> files;
};

Outcome<ThisGateway> this_gateway(const std::string& path) {
  auto read = config::load(path);
  if (!read) return failure_of(read.error());
  ThisGateway gateway{*std::move(read), {}, {}};
  auto key = read_secret_file(gateway.config.interfaces.front().private_key.path, kMaxKeyFile);
  if (!key) return failure_of(key.error());
  const auto secret = wg::secret_from_base64(std::string_view(*key).substr(0, key->find('\n')));
  wipe({reinterpret_cast<std::uint8_t*>(key->data()), key->size()});
  if (!secret) return failure_of(Error(secret.error()).within("the interface's private key"));
  const auto derived = wg::derive_public_key(*secret);
  if (!derived) return failure_of(derived.error());
  gateway.wireguard_key = *derived;
  auto registration_key = read_secret_file(gateway.config.registration.private_key.path, kMaxKeyFile);
  if (!registration_key) return failure_of(registration_key.error());
  gateway.registration_key = registration::PrivateKeyPem(*std::move(registration_key));
  return gateway;
}

std::string ask(Context& context, const registration::Question& question) {
  for (;;) {
    context.out << safe(question.prompt) << (question.list ? " (several: separated by commas)" : "")
                << (question.optional ? ", Enter for none" : "") << "\n  e.g. " << safe(question.example) << "\n> " << std::flush;
    std::string line;
    if (!std::getline(context.in, line)) return {};
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    if (!line.empty() || question.optional) return line;
  }
}

Outcome<std::string> asked_answers(Context& context, const std::string& category) {
  const auto known = registration::category_from_string(category);
  if (!known)
    return Failure{Exit::usage, "--category: one of company, freelancer, call-centre, video-conference, licensed-provider"};
  context.out
      << "Application for registration, as the authority asks it. Nothing is written before all of it has been checked.\n";
  std::map<std::string, std::string> by_key{{"category", category}};
  std::size_t addresses = 0;
  // The papers depend on how many addresses there are: asked anew once that is known.
  for (bool again = true; again;) {
    again = false;
    for (const auto& question : registration::questions_for(*known, addresses)) {
      const std::string key(question.key);
      if (by_key.contains(key)) continue;
      by_key[key] = ask(context, question);
      if (!context.in) return Failure{Exit::failure, "the answers end too early; nothing was written"};
      if (key != "addresses") continue;
      addresses = static_cast<std::size_t>(std::count(by_key[key].begin(), by_key[key].end(), ',')) + 1;
      again = true;
      break;
    }
  }
  return registration::answers_text(by_key);
}

// The host's side of what only it can know; each line a fault.
void check_against_host(const ThisGateway& gateway, const Answers& answers, std::vector<std::string>& faults) {
  const auto& interface = gateway.config.interfaces.front();
  for (const std::uint16_t port : answers.listen_ports) {
    if (port != interface.listen_port)
      faults.push_back(fmt::format("listen_ports: this gateway listens on {}, not on {}", interface.listen_port, port));
  }
  if (answers.gateway_id != gateway.config.gateway.id)
    faults.push_back(fmt::format("gateway_id: this gateway is {}", gateway.config.gateway.id));
  const auto local = local_addresses();
  const auto& mapped = gateway.config.registration.public_addresses;
  for (const auto& address : answers.addresses) {
    const bool here = std::any_of(local.begin(), local.end(), [&](const LocalAddress& one) { return one.address == address; }) ||
                      std::find(mapped.begin(), mapped.end(), address) != mapped.end();
    if (!here)
      faults.push_back(fmt::format("addresses: {} is not on this host; behind 1:1 NAT, name it in registration.public_addresses",
                                   address.to_string()));
  }
}

Papers read_documents(const Answers& answers, const fs::path& beside, std::vector<std::string>& faults) {
  Papers papers;
  std::size_t total = 0;
  for (const auto& kind : registration::document_kinds()) {
    const auto named = answers.documents.find(std::string(kind.name));
    if (named == answers.documents.end()) continue;
    const fs::path path = named->second.is_absolute() ? named->second : beside / named->second;
    auto content = read_file(path, registration::kMaxDocument);
    if (!content || content->empty()) {
      faults.push_back(
          fmt::format("documents.{}: {}", kind.name, content ? path.string() + " is empty" : content.error().message));
      continue;
    }
    total += content->size();
    papers.documents.push_back({std::string(kind.name), path.filename().string(), sha256(as_bytes(*content)), content->size()});
    papers.files.push_back({fmt::format("documents/{}{}", kind.name,
                                        slug(path.extension().string()).empty() ? "" : "." + slug(path.extension().string())),
                            *std::move(content)});
  }
  if (total > registration::kMaxDocuments) faults.push_back("documents: more than 100 MiB together; scan them smaller");
  return papers;
}

// Typed twice, not shown.
Outcome<std::string> typed_passphrase(Context& context) {
  if (!context.terminal.in)
    return Failure{Exit::usage, "the dossier is encrypted: to a passphrase or a recipient",
                   "Name one: --passphrase-file FILE, or --recipient CERT"};
  ::termios before{};
  ::tcgetattr(STDIN_FILENO, &before);
  ::termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  std::string first;
  std::string second;
  context.out << "Passphrase for the dossier (12 characters or more): " << std::flush;
  std::getline(context.in, first);
  context.out << "\nAgain: " << std::flush;
  std::getline(context.in, second);
  context.out << "\n";
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  if (first != second) return Failure{Exit::usage, "the two are not the same; nothing was written"};
  return first;
}

Outcome<Bytes> sealed(Context& context, const RequestOptions& options, std::string_view content) {
  if (!options.recipient.empty()) {
    auto pem = read_file(options.recipient, registration::kMaxPem);
    if (!pem) return failure_of(pem.error());
    auto done = registration::seal_for_recipient(content, *pem);
    if (!done) return failure_of(std::move(done).error().within(options.recipient));
    return *done;
  }
  std::string passphrase;
  if (options.passphrase_file.empty()) {
    auto typed = typed_passphrase(context);
    if (!typed) return typed.error();
    passphrase = *std::move(typed);
  } else {
    auto text = read_secret_file(options.passphrase_file, registration::kMostPassphrase + 1);
    if (!text) return failure_of(text.error());
    passphrase = text->substr(0, text->find('\n'));
    wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  }
  auto done = registration::seal_with_passphrase(content, passphrase);
  wipe({reinterpret_cast<std::uint8_t*>(passphrase.data()), passphrase.size()});
  if (!done) return failure_of(done.error());
  return *done;
}

Outcome<void> write(const fs::path& path, std::string_view content, mode_t mode) {
  auto written = write_file_durably(path, content, mode);
  if (!written) return failure_of(std::move(written).error());
  return {};
}

std::string_view text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Hashes only. The papers are written already: a daemon that is not there is told about, not a failure.
Outcome<void> record(Context& context, const std::string& request, const std::vector<Document>& documents) {
  json::array list;
  for (const auto& document : documents) list.emplace_back(document.kind + ":" + hex_encode(document.sha256));
  auto answer = send_json(context.client(), "POST", "/v1/registration/requests",
                          json::object{{"request_pem", request}, {"documents", std::move(list)}});
  if (answer) {
    context.out << "recorded, hashes only   evidence #" << int_at(*answer, "evidence.index") << "\n";
    return {};
  }
  if (answer.error().exit != Exit::unreachable) return answer.error();
  context.err << context.paint("warning:", "33")
              << " not recorded, because sanadd does not run; install will not compare the certificate with this request\n";
  return {};
}

std::string refusal(const std::vector<std::string>& faults) {
  std::string text = "nothing was written; put this right first:";
  for (const auto& fault : faults) text += "\n  " + fault;
  return text;
}

Outcome<void> request(Context& context, const RequestOptions& options) {
  auto gateway = this_gateway(options.config);
  if (!gateway) return gateway.error();
  std::string text;
  if (options.answers.empty()) {
    if (!context.terminal.in) return Failure{Exit::usage, "there is nobody to ask", "Give the answers in a file: --answers FILE"};
    auto asked = asked_answers(context, options.category.empty() ? "company" : options.category);
    if (!asked) return asked.error();
    text = *std::move(asked);
  } else {
    auto file = read_file(options.answers, registration::kMaxAnswersFile);
    if (!file) return failure_of(file.error());
    text = *std::move(file);
  }
  auto answers = registration::parse_answers(text, options.answers.empty() ? "answers" : options.answers);
  if (!answers) return failure_of(answers.error());
  if (answers->listen_ports.empty()) answers->listen_ports = {gateway->config.interfaces.front().listen_port};
  if (answers->gateway_id.empty()) answers->gateway_id = gateway->config.gateway.id;

  auto faults = registration::shortcomings(*answers);
  check_against_host(*gateway, *answers, faults);
  auto papers = read_documents(
      *answers, options.answers.empty() ? fs::current_path() : fs::absolute(options.answers).parent_path(), faults);
  auto claims = registration::claims_from(*answers, gateway->wireguard_key);
  if (!claims) faults.push_back(claims.error().message);
  if (!faults.empty()) return Failure{Exit::failure, refusal(faults)};
  auto csr = registration::make_request(*claims, gateway->registration_key);
  if (!csr) return failure_of(csr.error());

  const WallTime now = context.now();
  const std::string summary = registration::summary_html(*answers, *claims, papers.documents, now);
  const Sha256 digest = sha256(as_bytes(*csr));
  std::vector<registration::ArchivedFile> files{{"index.json", registration::index_json(*claims, papers.documents, digest, now)},
                                                {"request.csr", *csr},
                                                {"summary.html", summary},
                                                {"answers.yaml", text}};
  for (auto& file : papers.files) files.push_back(std::move(file));
  auto archive = registration::make_archive(files, now);
  if (!archive) return failure_of(archive.error());
  auto dossier = sealed(context, options, *archive);
  if (!dossier) return dossier.error();

  const fs::path out = options.out;
  if (::mkdir(out.c_str(), 0700) != 0 && errno != EEXIST) return failure_of(from_errno(errno, "couldn't create " + out.string()));
  for (const auto& [name, content, mode] : {std::tuple{"request.csr", std::string_view(*csr), 0644},
                                            {"summary.html", std::string_view(summary), 0600},
                                            {"answers.yaml", std::string_view(text), 0600},
                                            {"dossier.cms", text_of(*dossier), 0600}}) {
    if (auto done = write(out / name, content, static_cast<mode_t>(mode)); !done) return done;
  }
  context.out << "wrote " << safe(out.string()) << "/:\n"
              << "  request.csr   for who confirms: it claims, and holds nothing personal\n"
              << "  dossier.cms   " << papers.documents.size()
              << " documents and their index, encrypted: openssl cms -decrypt -inform DER -binary\n"
              << "  summary.html  to print and to copy from, in the portal's order\n"
              << "  answers.yaml  for the renewal\n"
              << "  checked here  papers, port and key; addresses are public and this host's: whether the Internet reaches them, "
                 "nobody tried\n"
              << "  key           " << registration::fingerprint_text(registration::parse_request(*csr)->key_fingerprint) << "\n";
  return record(context, *csr, papers.documents);
}

// A request that asks for what is installed now, with today's key, port and addresses.
Outcome<void> renew(Context& context, const RenewOptions& options) {
  auto gateway = this_gateway(options.config);
  if (!gateway) return gateway.error();
  auto answer = get_json(context.client(), "/v1/registration");
  if (!answer) return answer.error();
  const std::string pem = text_at(*answer, "certificate_pem");
  if (pem.empty())
    return Failure{Exit::not_found, "no registration certificate is installed that could be renewed",
                   "Apply for one: sanad registration request"};
  auto chain = registration::split_chain(pem);
  if (!chain) return failure_of(chain.error());
  auto installed = registration::parse_certificate(chain->front());
  if (!installed) return failure_of(installed.error());
  auto claims = installed->claims;
  // The issuer's to say anew.
  claims.approved_on.reset();
  claims.registration_valid_until.reset();
  if (const std::string reference = text_at(*answer, "standing.reference"); !reference.empty()) claims.reference = reference;
  const auto before = claims;
  claims.wireguard_key = gateway->wireguard_key;
  claims.listen_ports = {gateway->config.interfaces.front().listen_port};
  claims.gateway_id = gateway->config.gateway.id;
  auto csr = registration::make_request(claims, gateway->registration_key);
  if (!csr) return failure_of(csr.error());
  if (auto done = write(options.out, *csr, 0644); !done) return done;
  context.out << "wrote " << safe(options.out) << ": asks for " << safe(claims.legal_name) << ", gateway "
              << safe(claims.gateway_id) << ", as installed now\n";
  if (claims.wireguard_key != before.wireguard_key)
    context.out << "  new: the WireGuard key " << claims.wireguard_key.to_base64() << "\n";
  if (claims.listen_ports != before.listen_ports) context.out << "  new: port " << claims.listen_ports.front() << "\n";
  context.out << "Other addresses, or another holder, are another application: sanad registration request\n"
              << "Give it to who confirmed the last one. Then: sanad registration install CERT\n";
  return record(context, *csr, {});
}

Outcome<void> history(Context& context, const HistoryOptions& options) {
  auto answer = get_json(context.client(), "/v1/registration");
  if (!answer) return answer.error();
  const auto& entries = array_at(*answer, "history");
  if (options.json) {
    context.out << to_line(entries) << "\n";
    return {};
  }
  if (entries.empty()) context.out << "No registration certificate was ever installed.\n";
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto installed = time_at(entries[i], "installed_at");
    const std::string until =
        i + 1 < entries.size() ? fmt::format("to #{}", int_at(entries[i + 1], "from_index") - 1) : "on, in force";
    context.out << (installed ? show_time(*installed, context.now()) : "-")
                << fmt::format("  records #{} {}  ", int_at(entries[i], "from_index"), until) << shown(entries[i], "fingerprint")
                << "\n";
  }
  return {};
}

void define_request(CLI::App& command, RequestOptions& o) {
  command.add_option("--answers", o.answers, "The answers (YAML); else they are asked")->type_name("FILE");
  command
      .add_option("--category", o.category, "When asked: company, freelancer, call-centre, video-conference, licensed-provider")
      ->type_name("CATEGORY");
  command.add_option("--out", o.out, "The folder for what is written")->capture_default_str()->type_name("DIR");
  command.add_option("--passphrase-file", o.passphrase_file, "Encrypt the dossier to the passphrase in it (mode 0600)")
      ->type_name("FILE");
  command.add_option("--recipient", o.recipient, "Encrypt it to this certificate's key instead")->type_name("CERT");
  command.add_option("--config", o.config, "This gateway's configuration")->capture_default_str()->type_name("PATH");
}

}  // namespace

void add_registration_request_commands(CLI::App& registration, Chosen& chosen) {
  add_command<RequestOptions>(
      registration, chosen, "request", "Apply: check the answers and papers, write request, dossier and a page to print",
      "sanad registration request --answers answers.yaml --passphrase-file pass", define_request, request);
  add_command<RenewOptions>(
      registration, chosen, "renew", "Write a request for what is installed now, with today's key and port",
      "sanad registration renew",
      [](CLI::App& command, RenewOptions& o) {
        command.add_option("--out", o.out, "The request")->capture_default_str()->type_name("FILE");
        command.add_option("--config", o.config, "This gateway's configuration")->capture_default_str()->type_name("PATH");
      },
      renew);
  add_command<HistoryOptions>(
      registration, chosen, "history", "Every certificate, and the records it was in force for", "sanad registration history",
      [](CLI::App& command, HistoryOptions& o) { command.add_flag("--json", o.json, "For programs"); }, history);
}

}  // namespace sanad::cli
