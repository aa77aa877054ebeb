// init: from nothing to a gateway that can be started: keys, configuration, a self-declared registration.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "config/reader.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/host.hpp"
#include "control/cli/init_plan.hpp"
#include "control/cli/text.hpp"
#include "control/registration/certificate.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string config = "/etc/sanad/sanad.yaml";
  std::string public_address, company, gateway_id;
  std::string network = "10.66.0.0/16, fd66::/64";
  InitAnswers answers;
  bool yes = false, force = false, new_keys = false;
};

struct Places {
  fs::path config, interface_key, registration_key, certificate;
};

Failure usage(Error error) {
  Failure failure = failure_of(std::move(error));
  failure.exit = Exit::usage;
  return failure;
}

// One line of the form: the default is taken by Enter, and by everything that is no terminal.
std::string ask(Context& context, bool interactive, std::string_view name, const std::string& fallback,
                std::string_view remark = {}) {
  context.out << "  " << pad_right(name, 16) << " " << fallback << (remark.empty() ? "" : " ") << remark;
  if (!interactive) {
    context.out << "\n";
    return fallback;
  }
  context.out << (fallback.empty() ? " (needed): " : "   [enter to accept]: ") << std::flush;
  std::string line;
  if (!std::getline(context.in, line)) {
    context.out << "\n";
    return fallback;
  }
  const std::size_t start = line.find_first_not_of(" \t");
  if (start == std::string::npos) return fallback;
  return line.substr(start, line.find_last_not_of(" \t\r") - start + 1);
}

Outcome<InitAnswers> answers_of(Context& context, const Options& options) {
  const bool interactive = context.terminal.in && context.terminal.out && !options.yes;
  InitAnswers answers = options.answers;
  context.out << "Sanad will run a WireGuard gateway on this host.\n";

  const auto outward = outward_address();
  std::string address = options.public_address;
  std::string remark;
  if (address.empty() && outward) {
    address = outward->address.to_string();
    remark = "(" + outward->interface + ")";
  }
  address = ask(context, interactive && options.public_address.empty(), "public address", address, remark);
  const auto parsed = IpAddress::parse(address);
  if (!parsed)
    return usage({Errc::invalid_argument, address.empty() ? "no public address found on this host" : parsed.error().message,
                  "--public-address", "As in 203.0.113.10"});
  answers.public_address = *parsed;
  answers.address_is_here = false;
  for (const auto& local : local_addresses()) answers.address_is_here |= local.address == *parsed;

  const auto networks =
      parse_networks(ask(context, interactive && options.network == Options{}.network, "tunnel network", options.network));
  if (!networks) return usage(networks.error());
  answers.networks = *networks;

  answers.company = ask(context, interactive && options.company.empty(), "company", options.company);
  if (answers.company.empty())
    return usage({Errc::invalid_argument, "the legal name of who runs this gateway is needed", "--company",
                  "As in \"Example Software (Pvt) Ltd\""});
  answers.gateway_id = options.gateway_id.empty() ? slug(host_name()) : options.gateway_id;
  if (is_private(answers.public_address)) {
    context.err << context.paint("warning:", "33") << " " << address
                << " cannot be reached from the Internet. Behind NAT, give the outer address: --public-address\n";
  }
  return answers;
}

Outcome<void> make_directory(const fs::path& directory, mode_t mode) {
  std::error_code ec;
  if (fs::is_directory(directory, ec)) return {};
  fs::create_directories(directory.parent_path(), ec);
  if (::mkdir(directory.c_str(), mode) != 0 && errno != EEXIST)
    return failure_of(from_errno(errno, "couldn't create " + directory.string()));
  return {};
}

// The text of the key in `path`, made and written first where there is none yet.
template <class Make>
Outcome<std::string> key_in(const fs::path& path, bool make_new, bool& made, Make make) {
  std::error_code ec;
  made = make_new || !fs::exists(path, ec);
  if (!made) {
    auto kept = read_secret_file(path, 64 * 1024);
    if (!kept) return failure_of(kept.error());
    return *kept;
  }
  Result<std::string> fresh = make();
  if (!fresh) return failure_of(fresh.error());
  if (auto written = write_file_durably(path, *fresh, 0600); !written)
    return failure_of(std::move(written.error()).within("couldn't write " + path.string()));
  return *fresh;
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

Outcome<void> write(const fs::path& path, const std::string& text, mode_t mode) {
  auto written = write_file_durably(path, text, mode);
  if (!written) return failure_of(std::move(written.error()).within("couldn't write " + path.string()));
  return {};
}

Outcome<void> check_free(const Places& places, const Options& options) {
  std::error_code ec;
  for (const fs::path& path : {places.config, places.certificate}) {
    if (!options.force && fs::exists(path, ec)) {
      return Failure{Exit::failure, path.string() + " is there already",
                     "This host has been set up: sanad doctor. To begin anew: --force (keys are kept)"};
    }
  }
  return {};
}

Outcome<void> init(Context& context, const Options& options) {
  const fs::path state = options.answers.state_dir;
  const Places places{options.config, state / "keys" / (options.answers.interface + ".key"), state / "keys" / "registration.key",
                      state / "registration" / "certificate.pem"};
  if (auto free = check_free(places, options); !free) return free;
  const auto answers = answers_of(context, options);
  if (!answers) return answers.error();
  const auto config = config_text(*answers);
  if (!config) return usage(config.error());
  // Everything that can be refused is refused before the first file.
  std::array<std::uint8_t, 32> any{};
  any[0] = 9;
  if (auto early = claims_of(*answers, wg::PublicKey(any)); !early) return usage(early.error());

  for (const auto& [directory, mode] : {std::pair{state, 0755}, std::pair{state / "keys", 0700},
                                        std::pair{state / "registration", 0755}, std::pair{places.config.parent_path(), 0755}}) {
    if (directory.empty()) continue;
    if (auto there = make_directory(directory, static_cast<mode_t>(mode)); !there) return there;
  }
  bool new_interface_key = false;
  const auto interface_key = key_in(places.interface_key, options.new_keys, new_interface_key, []() -> Result<std::string> {
    const auto key = wg::generate_private_key();
    if (!key) return key.error();
    return wg::secret_to_base64(*key) + "\n";
  });
  if (!interface_key) return interface_key.error();
  const auto secret = wg::secret_from_base64(first_line(*interface_key));
  if (!secret) return failure_of(Error(secret.error()).within("couldn't read " + places.interface_key.string()));
  const auto public_key = wg::derive_public_key(*secret);
  if (!public_key) return failure_of(public_key.error());

  bool new_registration_key = false;
  const auto registration_key =
      key_in(places.registration_key, options.new_keys, new_registration_key, []() -> Result<std::string> {
        const auto key = registration::generate_key(registration::KeyAlgorithm::ed25519);
        if (!key) return key.error();
        return key->reveal();
      });
  if (!registration_key) return registration_key.error();

  const auto claims = claims_of(*answers, *public_key);
  if (!claims) return failure_of(claims.error());
  const WallTime now{context.now().ns / 1'000'000'000 * 1'000'000'000};
  const auto certificate = registration::issue_self(*claims, registration::PrivateKeyPem(*registration_key),
                                                    {now, now + std::chrono::hours(24 * kSelfValidDays)});
  if (!certificate) return failure_of(certificate.error());
  if (auto done = write(places.certificate, *certificate, 0644); !done) return done;
  // The configuration last: where it stands, everything it names stands too.
  if (auto done = write(places.config, *config, 0644); !done) return done;
  if (const auto checked = config::read(places.config); !checked.config) {
    return Failure{Exit::failure,
                   "the new configuration does not pass: " + (checked.errors.empty() ? std::string() : checked.errors.front())};
  }

  const std::string tell = "  " + pad_right("registration", 16) + " ";
  const std::string indent(19, ' ');
  context.out << tell << "none yet: a self-declared certificate is made now; staff will see \"declared by "
              << safe(short_name(answers->company)) << "\".\n"
              << indent
              << "It says who you say you are. Nobody else has confirmed it, and it is not a registration with an authority.\n"
              << indent << "When the authority has answered: sanad registration install CERT\n";
  context.out << "wrote " << places.config.string() << ", " << (state / "keys").string() << " (0600)"
              << (new_interface_key && new_registration_key ? "" : "; keys that were there are kept")
              << ". Next: systemctl start sanadd && sanad status\n";
  return {};
}

}  // namespace

void add_init_command(CLI::App& app, Chosen& chosen) {
  add_command<Options>(
      app, chosen, "init", "Set this host up: keys, configuration, a self-declared registration",
      "sanad init --company \"Example Software (Pvt) Ltd\" --public-address 203.0.113.10 --yes",
      [](CLI::App& command, Options& o) {
        command.add_option("--public-address", o.public_address, "Where clients reach this host; found out otherwise")
            ->type_name("IP");
        command.add_option("--network", o.network, "Addresses inside the tunnel")->capture_default_str()->type_name("PREFIXES");
        command.add_option("--company", o.company, "Legal name of who runs this gateway")->type_name("NAME");
        command.add_option("--country", o.answers.country, "Two letters")->capture_default_str()->type_name("CC");
        command
            .add_option("--category", o.answers.category, "company, freelancer, call-centre, video-conference, licensed-provider")
            ->capture_default_str()
            ->type_name("CATEGORY");
        command
            .add_option("--routes", o.answers.routes,
                        "What clients send through the tunnel: tunnel (only it), full (everything), or prefixes")
            ->capture_default_str()
            ->type_name("ROUTES");
        command.add_option("--gateway-id", o.gateway_id, "Name in records; the host's otherwise")->type_name("ID");
        command.add_option("--interface", o.answers.interface, "The WireGuard interface")
            ->capture_default_str()
            ->type_name("NAME");
        command.add_option("--port", o.answers.port, "UDP port")
            ->capture_default_str()
            ->type_name("PORT")
            ->check(CLI::Range(1, 65535));
        command.add_option("--backend", o.answers.backend, "auto, kernel or userspace")
            ->capture_default_str()
            ->check(CLI::IsMember({"auto", "kernel", "userspace"}))
            ->type_name("BACKEND");
        command.add_option("--config", o.config, "The configuration file")->capture_default_str()->type_name("PATH");
        command.add_option("--state-dir", o.answers.state_dir, "Database, evidence, keys")
            ->capture_default_str()
            ->type_name("PATH");
        command.add_option("--run-dir", o.answers.run_dir, "The socket")->capture_default_str()->type_name("PATH");
        command.add_flag("--yes", o.yes, "Ask nothing, take the defaults");
        command.add_flag("--force", o.force, "Replace the configuration and certificate that are there; keys are kept");
        command.add_flag("--new-keys", o.new_keys, "Make new keys too: every client's profile becomes useless");
      },
      init);
}

}  // namespace sanad::cli
