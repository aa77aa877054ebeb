// witness: cosigns the checkpoints of logs it is told to watch. An auditor runs it on a machine of their own.

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>

#include "control/audit/ed25519.hpp"
#include "control/audit/policy.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/host.hpp"
#include "control/cli/text.hpp"
#include "control/witness/server.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/url.hpp"

namespace sanad::cli {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::size_t kMaxKeyFile = 16 * 1024;

struct Options {
  std::string listen = "127.0.0.1:7380";
  std::string store = "/var/lib/sanad-witness";
  std::string key_file;  // empty: in the store
  std::string name;      // empty: the host's
  std::vector<std::string> logs;
  std::string policy;
  std::string tls_certificate, tls_key;
};

Failure usage(std::string message, std::string option, std::string hint = {}) {
  return {Exit::usage, std::move(message), std::move(hint), std::move(option)};
}

void wipe_text(std::string& text) { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }

// Reads the witness's key, or makes it where there is none.
Result<Secret32> read_or_make_key(Context& context, const fs::path& file) {
  auto pem = read_secret_file(file, kMaxKeyFile);
  if (pem) {
    auto seed = audit::ed25519_from_pem(*pem);
    wipe_text(*pem);
    if (!seed) return std::move(seed).error().within(file.string());
    return seed;
  }
  if (pem.error().code != Errc::not_found) return std::move(pem).error();
  auto seed = audit::generate_ed25519();
  if (!seed) return seed;
  auto made = audit::ed25519_to_pem(*seed);
  if (!made) return std::move(made).error();
  std::error_code ignored;
  if (fs::create_directories(file.parent_path(), ignored)) fs::permissions(file.parent_path(), fs::perms(0750), ignored);
  auto written = write_file_durably(file, *made, 0600);
  wipe_text(*made);
  if (!written) return std::move(written).error();
  context.err << "made a new key: " << safe(file.string()) << "\n";
  return seed;
}

Outcome<audit::Signer> signer_of(Context& context, const Options& options) {
  const fs::path file = options.key_file.empty() ? fs::path(options.store) / "witness.key" : fs::path(options.key_file);
  audit::Signer signer{options.name.empty() ? host_name() : options.name, {}};
  if (!audit::is_key_name(signer.name)) return usage("a name has no spaces, control characters or '+'", "--name");
  auto seed = read_or_make_key(context, file);
  if (!seed) return failure_of(std::move(seed).error());
  signer.seed = *seed;
  return signer;
}

Outcome<std::string> vkey_of(const audit::Signer& signer) {
  const auto key = audit::verifier_of(signer, audit::KeyType::cosignature_v1);
  if (!key) return failure_of(key.error());
  return audit::to_vkey(*key);
}

void trust(std::vector<audit::WitnessedLog>& logs, std::string origin, audit::VerifierKey key) {
  for (auto& log : logs)
    if (log.origin == origin) return log.keys.push_back(std::move(key));
  logs.push_back({std::move(origin), {std::move(key)}});
}

// "VKEY", whose name is the origin, or "ORIGIN=VKEY".
Outcome<void> add_log(const std::string& text, std::vector<audit::WitnessedLog>& logs) {
  auto key = audit::parse_vkey(text);
  std::string origin = key ? key->name : std::string();
  if (const std::size_t equals = text.find('='); !key && equals != std::string::npos) {
    key = audit::parse_vkey(std::string_view(text).substr(equals + 1));
    origin = text.substr(0, equals);
  }
  if (!key) return usage(key.error().message, "--log", "print it on the gateway: sanad log key");
  if (key->type != audit::KeyType::ed25519 || origin.empty()) return usage("not the key of a log (type 1, Ed25519)", "--log");
  trust(logs, std::move(origin), *std::move(key));
  return {};
}

Outcome<std::vector<audit::WitnessedLog>> logs_of(const Options& options) {
  std::vector<audit::WitnessedLog> logs;
  for (const auto& text : options.logs) {
    if (auto added = add_log(text, logs); !added) return added.error();
  }
  if (!options.policy.empty()) {
    const auto text = read_file(options.policy, audit::kMaxPolicyBytes);
    if (!text) return failure_of(text.error());
    auto policy = audit::parse_policy(*text);
    if (!policy) return failure_of(std::move(policy).error().within(options.policy));
    for (auto& log : policy->logs) trust(logs, log.key.name, log.key);
  }
  if (logs.empty()) return usage("no log to witness", "--log", "give the line that \"sanad log key\" prints on the gateway");
  return logs;
}

Outcome<asio::ip::tcp::endpoint> endpoint_of(asio::io_context& loop, const std::string& listen) {
  const auto url = parse_http_url("http://" + listen);
  const bool with_port = listen.find_last_of(':') != std::string::npos && !listen.ends_with(']');
  if (!url || !url->path.empty() || listen.ends_with('/') || !with_port)
    return usage("not HOST:PORT (an IPv6 address in brackets)", "--listen");
  boost::system::error_code error;
  asio::ip::tcp::resolver resolver(loop);
  const auto found = resolver.resolve(url->host, std::to_string(url->port), asio::ip::tcp::resolver::passive, error);
  if (error || found.empty()) return usage("no such host: " + url->host, "--listen");
  return found.begin()->endpoint();
}

Outcome<void> key(Context& context, const Options& options) {
  const auto signer = signer_of(context, options);
  if (!signer) return signer.error();
  const auto vkey = vkey_of(*signer);
  if (!vkey) return vkey.error();
  context.out << safe(*vkey) << "\n";
  return {};
}

void introduce(Context& context, const Options& options, const std::string& vkey, const std::vector<audit::WitnessedLog>& logs,
               std::size_t remembered) {
  const bool tls = !options.tls_certificate.empty();
  context.out << "witness  " << safe(vkey) << "\n"
              << "serves   " << (tls ? "https://" : "http://") << safe(options.listen) << "\n"
              << "store    " << safe(options.store) << ", " << remembered << (remembered == 1 ? " log" : " logs")
              << " seen before\n";
  for (const auto& log : logs)
    context.out << "log      " << safe(log.origin) << ", " << log.keys.size() << (log.keys.size() == 1 ? " key" : " keys")
                << "\n";
  if (!tls)
    context.out
        << "note: plain HTTP. Nothing secret is said, but in a public network put it behind TLS: --tls-cert and --tls-key, or "
           "a local proxy.\n";
  context.out << std::flush;
}

Outcome<void> serve(Context& context, const Options& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty())
    return usage("a certificate needs its key, and the key its certificate", "--tls-cert");
  auto logs = logs_of(options);
  if (!logs) return logs.error();
  asio::io_context loop(1);
  const auto endpoint = endpoint_of(loop, options.listen);
  if (!endpoint) return endpoint.error();
  auto signer = signer_of(context, options);
  if (!signer) return signer.error();
  const auto vkey = vkey_of(*signer);
  if (!vkey) return vkey.error();
  auto store = witness::Store::open(options.store, audit::verifier_of(*signer, audit::KeyType::cosignature_v1).value());
  if (!store) return failure_of(std::move(store).error());
  const std::size_t remembered = store->size();

  std::optional<witness::TlsFiles> tls;
  if (!options.tls_certificate.empty()) tls = {options.tls_certificate, options.tls_key};
  witness::Witness witness(*std::move(signer), *logs, *std::move(store), [&context](const std::string& line) {
    context.err << to_rfc3339(context.now()) << " " << safe(line) << std::endl;
  });
  auto server = witness::Server::open(loop, *endpoint, tls, witness);
  if (!server) return failure_of(std::move(server).error());

  asio::signal_set stop_signals(loop, SIGTERM, SIGINT);
  asio::signal_set reload_signal(loop, SIGHUP);
  stop_signals.async_wait([&](const boost::system::error_code& ec, int) {
    if (ec) return;
    reload_signal.cancel();
    (*server)->stop();
  });
  const std::function<void()> await_reload = [&] {
    reload_signal.async_wait([&](const boost::system::error_code& ec, int) {
      if (ec) return;
      auto changed = logs_of(options);
      if (changed) {
        witness.trust(*std::move(changed));
        context.err << "the logs to witness were read again" << std::endl;
      } else {
        context.err << render(changed.error()) << "the logs stay as they were" << std::endl;
      }
      await_reload();
    });
  };
  await_reload();
  (*server)->start();
  introduce(context, options, *vkey, *logs, remembered);
  loop.run();
  return {};
}

}  // namespace

void add_witness_command(CLI::App& app, Chosen& chosen) {
  CLI::App* command =
      app.add_subcommand("witness", "Run a witness: cosign the checkpoints of logs, so that none can rewrite its past");
  // Held by the parser's closures: it must live from parsing until the command runs.
  auto options = std::make_shared<Options>();
  Options& o = *options;
  command->add_option("--listen", o.listen, "Where to serve")->type_name("HOST:PORT")->capture_default_str();
  command->add_option("--store", o.store, "Directory for what was cosigned last; never lose it, never share it")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--key", o.key_file,
                   "The witness's private key (PEM, 0600), made when missing; default: witness.key in the store")
      ->type_name("FILE");
  command->add_option("--name", o.name, "The witness's name in cosignatures, witness.example/w1 for example; default: the host's")
      ->type_name("NAME");
  command->add_option("--log", o.logs, "A log to witness: the line \"sanad log key\" prints, or ORIGIN=VKEY (repeatable)")
      ->type_name("VKEY")
      ->allow_extra_args(false);
  command->add_option("--policy", o.policy, "The logs of a tlog-policy file too; read again on SIGHUP")->type_name("FILE");
  command->add_option("--tls-cert", o.tls_certificate, "Serve HTTPS with this certificate chain (PEM)")->type_name("FILE");
  command->add_option("--tls-key", o.tls_key, "and its private key (PEM)")->type_name("FILE");
  CLI::App* print_key = command->add_subcommand("key", "Print the witness's verifier key, for evidence.witnesses on the gateway");
  print_key->footer("Example:\n  sanad witness key --name audit.example.net");
  command->footer(
      "Speaks c2sp.org/tlog-witness: POST /add-checkpoint, GET /<SHA-256 of the origin, hex>/checkpoint.\n"
      "Run it where the gateway's administrators are not root.\n"
      "Example:\n"
      "  sanad witness --name audit.example.net --listen 0.0.0.0:7380 --log 'sanad/gw-khi-01+53a1f6c2+AZ...'");
  command->callback([&chosen, options, print_key] {
    const bool only_key = print_key->parsed();
    chosen = [options, only_key](Context& context) { return only_key ? key(context, *options) : serve(context, *options); };
  });
}

}  // namespace sanad::cli
