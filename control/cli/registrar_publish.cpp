// registrar crl, publish, and the two steps of a key that is kept elsewhere: prepare, sign, accept.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>

#include "control/cli/json_view.hpp"
#include "control/cli/registrar_commands.hpp"
#include "control/cli/text.hpp"
#include "control/registration/signing.hpp"
#include "control/registration/standing.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {
namespace {

namespace fs = std::filesystem;
using registration::to_date;

constexpr std::string_view kCertificate = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kRevocationList = "-----BEGIN X509 CRL-----";

struct PublishOptions {
  RegistrarPlace place;
};

struct PrepareOptions {
  RegistrarPlace place;
  ApplicationOptions application;
  std::string request, out;
  bool crl = false, genuine = false, despite = false;
};

struct SignOptions {
  std::string file, ca, key, out;
};

struct AcceptOptions {
  RegistrarPlace place;
  std::string file, signature, out;
};

Outcome<void> write(const fs::path& file, std::string_view content) {
  auto written = write_file_durably(file, content, 0644);
  if (!written) return registrar_failure(written.error());
  return {};
}

Outcome<void> finish(Context& context, registrar::Registrar& registrar, const std::vector<std::string>& names) {
  if (auto published = registrar.publish_log(context.now()); !published) return registrar_failure(published.error());
  context.out << "published in " << safe((registrar.directory() / "public").string()) << ":";
  for (const auto& name : names) context.out << " " << name;
  context.out << "\n";
  return {};
}

Outcome<void> crl(Context& context, const PublishOptions& options) {
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  auto key = registrar->key(options.place.key);
  if (!key) return registrar_failure(key.error());
  auto list = registrar->revocation_list(&*key, context.now());
  if (!list) return registrar_failure(list.error());
  if (auto done = registrar->publish_revocation_list(*list, context.now()); !done) return registrar_failure(done.error());
  return finish(context, *registrar, {"crl.pem"});
}

Outcome<void> publish(Context& context, const PublishOptions& options) {
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  auto key = registrar->key(options.place.key);
  if (!key) return registrar_failure(key.error());
  const WallTime now = context.now();
  auto list = registrar->revocation_list(&*key, now);
  if (!list) return registrar_failure(list.error());
  if (auto done = registrar->publish_revocation_list(*list, now); !done) return registrar_failure(done.error());
  auto genuine = registrar->genuine_list(now);
  if (!genuine) return registrar_failure(genuine.error());
  auto signature = registration::sign_genuine_list(*genuine, {registrar->authority_pem(), *key});
  if (!signature) return registrar_failure(signature.error());
  if (auto done = registrar->publish_genuine_list(*genuine, *signature, now); !done) return registrar_failure(done.error());
  if (auto done = finish(context, *registrar, {"ca.pem", "crl.pem", "genuine.json", "genuine.json.sig"}); !done) return done;
  context.out << "Good until " << to_date(now + std::min(registrar->policy().crl_lifetime, registrar->policy().list_lifetime))
              << "; publish again before that.\n";
  return {};
}

Outcome<void> prepare(Context& context, const PrepareOptions& options) {
  if ((options.request.empty() ? 0 : 1) + (options.crl ? 1 : 0) + (options.genuine ? 1 : 0) != 1)
    return Failure{Exit::usage, "prepare one thing: an application, --crl or --list"};
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  Result<std::string> prepared = Error{};
  if (options.crl) {
    prepared = registrar->revocation_list(nullptr, context.now());
  } else if (options.genuine) {
    prepared = registrar->genuine_list(context.now());
  } else {
    auto application = application_of(context, options.request, options.application);
    if (!application) return application.error();
    prepared = registrar->prepare(*application, options.despite, context.now());
  }
  if (!prepared) return registrar_failure(prepared.error());
  if (auto done = write(options.out, *prepared); !done) return done;
  context.out << "wrote " << safe(options.out) << ", not signed yet. Where the key is: sanad registrar sign " << safe(options.out)
              << " --ca ca.pem --key FILE\n";
  return {};
}

Outcome<void> sign(Context& context, const SignOptions& options) {
  auto file = read_file(options.file, registration::kMaxGenuineList);
  if (!file) return failure_of(file.error());
  auto ca = read_file(options.ca, registration::kMaxPem);
  if (!ca) return failure_of(ca.error());
  auto chain = registration::split_chain(*ca);
  if (!chain) return failure_of(std::move(chain).error().within(options.ca));
  auto key_pem = read_secret_file(options.key, 16 * 1024);
  if (!key_pem) return failure_of(key_pem.error());
  const registration::PrivateKeyPem key(*std::move(key_pem));
  const registration::Issuer issuer{chain->front(), key};
  if (file->starts_with(kCertificate)) {
    auto certificate = registration::sign_prepared_certificate(issuer, *file);
    if (!certificate) return registrar_failure(certificate.error());
    const auto parsed = registration::parse_certificate(*certificate);
    if (parsed)
      context.out << "signed: " << safe(parsed->claims.legal_name) << ", gateway " << safe(parsed->claims.gateway_id)
                  << ", until " << to_date(parsed->not_after) << "\n";
    return write(options.out, *certificate);
  }
  if (file->starts_with(kRevocationList)) {
    auto list = registration::sign_prepared_revocation_list(issuer, *file);
    if (!list) return registrar_failure(list.error());
    context.out << "signed: a revocation list\n";
    return write(options.out, *list);
  }
  auto list = registration::read_genuine_list(*file);
  if (!list) return Failure{Exit::failure, "nothing that sanad registrar prepare writes: " + safe(list.error().message)};
  auto signature = registration::sign_genuine_list(*file, issuer);
  if (!signature) return registrar_failure(signature.error());
  context.out << "signed: a list of " << list->gateways.size() << " genuine gateways\n";
  return write(options.out, {reinterpret_cast<const char*>(signature->data()), signature->size()});
}

Outcome<void> accept(Context& context, const AcceptOptions& options) {
  auto registrar = open_registrar(options.place);
  if (!registrar) return registrar.error();
  auto file = read_file(options.file, registration::kMaxGenuineList);
  if (!file) return failure_of(file.error());
  const WallTime now = context.now();
  if (file->starts_with(kRevocationList)) {
    if (auto done = registrar->publish_revocation_list(*file, now); !done) return registrar_failure(done.error());
    return finish(context, *registrar, {"crl.pem"});
  }
  if (!file->starts_with(kCertificate)) {
    if (options.signature.empty())
      return Failure{Exit::usage, "a list of genuine gateways needs --signature FILE, what sign wrote"};
    auto signature = read_file(options.signature, registration::kMaxListSignature);
    if (!signature) return failure_of(signature.error());
    if (auto done = registrar->publish_genuine_list(*file, as_bytes(*signature), now); !done)
      return registrar_failure(done.error());
    return finish(context, *registrar, {"genuine.json", "genuine.json.sig"});
  }
  auto issued = registrar->accept_certificate(*file, now);
  if (!issued) return registrar_failure(issued.error());
  const std::string out = options.out.empty() ? slug(issued->certificate.gateway_id) + ".pem" : options.out;
  if (auto done = write(out, issued->chain); !done) return done;
  context.out << "issued " << safe(issued->certificate.legal_name) << ", gateway " << safe(issued->certificate.gateway_id)
              << ", serial " << issued->certificate.serial << "   record #" << issued->record << "\nwrote " << safe(out) << "\n";
  return {};
}

}  // namespace

void add_registrar_publish_commands(CLI::App& registrar, Chosen& chosen) {
  add_command<PublishOptions>(
      registrar, chosen, "crl", "Publish a new revocation list", "sanad registrar crl",
      [](CLI::App& command, PublishOptions& o) {
        define_place(command, o.place);
        define_key(command, o.place);
      },
      crl);
  add_command<PublishOptions>(
      registrar, chosen, "publish", "Publish revocation list and list of genuine gateways; copy public/ to a web server",
      "sanad registrar publish",
      [](CLI::App& command, PublishOptions& o) {
        define_place(command, o.place);
        define_key(command, o.place);
      },
      publish);
  add_command<PrepareOptions>(
      registrar, chosen, "prepare", "First of two steps, where the key is not here: what is to be signed",
      "sanad registrar prepare gateway.csr --out to-sign.pem",
      [](CLI::App& command, PrepareOptions& o) {
        define_place(command, o.place);
        define_application(command, o.application);
        command.add_option("request", o.request, "An application (PEM)")->type_name("REQUEST");
        command.add_flag("--crl", o.crl, "A revocation list instead");
        command.add_flag("--list", o.genuine, "The list of genuine gateways instead");
        command.add_option("--out", o.out, "What to carry to the key")->required()->type_name("FILE");
        command.add_flag("--despite-policy", o.despite, "Also where the policy stands against it");
      },
      prepare);
  add_command<SignOptions>(
      registrar, chosen, "sign", "Second step, where the key is: needs nothing but the file, the key and its certificate",
      "sanad registrar sign to-sign.pem --ca ca.pem --key ca.key --out signed.pem",
      [](CLI::App& command, SignOptions& o) {
        command.add_option("file", o.file, "What prepare wrote")->required()->type_name("FILE");
        command.add_option("--ca", o.ca, "The registrar's certificate")->required()->type_name("CERT");
        command.add_option("--key", o.key, "Its key")->required()->type_name("FILE");
        command.add_option("--out", o.out, "The signed certificate or list; for a list of genuine gateways, its signature")
            ->required()
            ->type_name("FILE");
      },
      sign);
  add_command<AcceptOptions>(
      registrar, chosen, "accept", "Take back what was signed elsewhere: record it, publish it",
      "sanad registrar accept signed.pem",
      [](CLI::App& command, AcceptOptions& o) {
        define_place(command, o.place);
        command.add_option("file", o.file, "What sign wrote; or the list of genuine gateways that was prepared")
            ->required()
            ->type_name("FILE");
        command.add_option("--signature", o.signature, "The list's signature, what sign wrote")->type_name("FILE");
        command.add_option("--out", o.out, "The certificate's file; else GATEWAY.pem")->type_name("FILE");
      },
      accept);
}

}  // namespace sanad::cli
