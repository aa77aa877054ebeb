// interface key, rotate-key: a new WireGuard key for the gateway, and who has not followed yet.

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string>

#include "config/reader.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/table.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"
#include "control/registration/certificate.hpp"
#include "control/registration/request.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {
namespace {

namespace fs = std::filesystem;

struct KeyOptions {
  std::string interface = "wg0";
  bool json = false;
};

struct RotateOptions {
  std::string interface = "wg0", certificate, reference, profiles, config = "/etc/sanad/sanad.yaml", request = "next-key.csr";
  bool now = false, despite = false, json = false;
};

void tell(Context& context, const json::value& status, const std::string& interface) {
  const auto line = [&context](std::string_view name, std::string_view value) {
    context.out << pad_right(name, 10) << value << "\n";
  };
  line("key", shown(status, "public_key"));
  if (find(status, "next_key") != nullptr)
    line("next key",
         shown(status, "next_key") + (bool_at(status, "registered") ? ", waiting for its certificate" : ", not in use yet"));
  const auto rotated = time_at(status, "rotated_at");
  if (!rotated) return;
  const auto& waiting = array_at(status, "waiting");
  line("in use", "since " + show_time(*rotated, context.now()));
  if (waiting.empty()) {
    line("peers", fmt::format("all {} from before have connected with it", int_at(status, "peers")));
    return;
  }
  line("peers", fmt::format("{} of {} from before have not connected with it: they hold the old profile", waiting.size(),
                            int_at(status, "peers")));
  Table table({{"PEER"}, {"ID"}, {"NEEDS PROFILE", Align::right}});
  for (const auto& peer : waiting)
    table.add({text_at(peer, "name"), text_at(peer, "id"), std::to_string(int_at(peer, "sequence"))});
  context.out << table.render();
  if (bool_at(status, "registered"))
    context.out << "Write them: sanad interface rotate-key " << safe(interface) << " --profiles DIR\n";
  else
    context.out << "No profile is signed for this interface: each client needs PublicKey = " << shown(status, "public_key")
                << " by hand\n";
}

Outcome<void> key(Context& context, const KeyOptions& options) {
  auto status = get_json(context.client(), "/v1/interfaces/" + options.interface + "/key");
  if (!status) return status.error();
  if (options.json)
    context.out << to_line(*status) << "\n";
  else
    tell(context, *status, options.interface);
  return {};
}

// The request for the next key's certificate: what is installed now, with that key.
Outcome<std::string> next_request(Context& context, const RotateOptions& options, const std::string& next_key) {
  auto installed = get_json(context.client(), "/v1/registration");
  if (!installed) return installed.error();
  const std::string pem = text_at(*installed, "certificate_pem");
  if (pem.empty())
    return Failure{Exit::not_found, "no registration certificate is installed",
                   "Install one first: sanad registration install CERT"};
  auto chain = registration::split_chain(pem);
  if (!chain) return failure_of(chain.error());
  auto certificate = registration::parse_certificate(chain->front());
  if (!certificate) return failure_of(certificate.error());
  auto wireguard_key = wg::PublicKey::from_base64(next_key);
  if (!wireguard_key) return failure_of(wireguard_key.error());
  auto config = config::load(options.config);
  if (!config) return failure_of(config.error());
  auto registration_key = read_secret_file(config->registration.private_key.path, 16 * 1024);
  if (!registration_key) return failure_of(registration_key.error());
  auto claims = certificate->claims;
  claims.wireguard_key = *wireguard_key;
  const registration::PrivateKeyPem own(*std::move(registration_key));
  auto request = registration::make_request(claims, own);
  if (!request) return failure_of(request.error());
  return *request;
}

Outcome<void> begin(Context& context, const RotateOptions& options) {
  auto status = send_json(context.client(), "POST", "/v1/interfaces/" + options.interface + "/next-key", json::value(nullptr));
  if (!status) return status.error();
  const std::string next_key = text_at(*status, "next_key");
  if (!bool_at(*status, "registered")) {
    if (options.json)
      context.out << to_line(*status) << "\n";
    else
      context.out << "made the next key of " << safe(options.interface) << ": " << safe(next_key) << "   evidence #"
                  << int_at(*status, "evidence.index") << "\n"
                  << "The registration does not name this interface's key, so nobody has to confirm the new one.\n"
                  << "The old key serves on until you take the new one into use:\n"
                  << "  sanad interface rotate-key " << safe(options.interface) << " --now\n";
    return {};
  }
  auto request = next_request(context, options, next_key);
  if (!request) return request.error();
  if (auto written = write_file_durably(options.request, *request, 0644); !written) return failure_of(written.error());
  if (options.json) {
    context.out << to_line(*status) << "\n";
    return {};
  }
  context.out << "made the next key of " << safe(options.interface) << ": " << safe(next_key) << "   evidence #"
              << int_at(*status, "evidence.index") << "\n"
              << "wrote " << safe(options.request)
              << ": a certificate names the WireGuard key, so the new key needs a new one first.\n"
              << "The old key serves on until you take both into use:\n"
              << "  sanad interface rotate-key " << safe(options.interface) << " --certificate CERT\n";
  return {};
}

Outcome<void> finish(Context& context, const RotateOptions& options) {
  json::object body;
  if (!options.certificate.empty()) {
    auto pem = read_file(options.certificate, registration::kMaxPem);
    if (!pem) return failure_of(pem.error());
    body["certificate_pem"] = *pem;
  }
  if (!options.reference.empty()) body["reference"] = options.reference;
  if (options.despite) body["despite_differences"] = true;
  auto status = send_json(context.client(), "POST", "/v1/interfaces/" + options.interface + "/rotate-key", body);
  if (!status) return status.error();
  if (options.json) {
    context.out << to_line(*status) << "\n";
    return {};
  }
  context.out << "the new key is in use   evidence #" << int_at(*status, "evidence.index") << "\n";
  tell(context, *status, options.interface);
  return {};
}

Outcome<void> write_profiles(Context& context, const RotateOptions& options) {
  auto status = get_json(context.client(), "/v1/interfaces/" + options.interface + "/key");
  if (!status) return status.error();
  if (::mkdir(options.profiles.c_str(), 0700) != 0 && errno != EEXIST)
    return failure_of(from_errno(errno, "couldn't create " + options.profiles));
  const auto& waiting = array_at(*status, "waiting");
  std::set<std::string> names;
  for (const auto& peer : waiting) {
    auto profile = get_json(context.client(), "/v1/peers/" + text_at(peer, "id") + "/profile");
    if (!profile) return profile.error();
    std::string name = slug(text_at(peer, "name"));
    if (!names.insert(name).second) name += "-" + text_at(peer, "id");
    const fs::path file = fs::path(options.profiles) / (name + ".conf");
    if (auto written = write_file_durably(file, text_at(*profile, "profile"), 0600); !written) return failure_of(written.error());
  }
  context.out << "wrote " << waiting.size() << " profiles into " << safe(options.profiles)
              << ", without the clients' private keys: each keeps its own, and takes the rest\n";
  return {};
}

Outcome<void> rotate(Context& context, const RotateOptions& options) {
  if (!options.profiles.empty()) return write_profiles(context, options);
  if (options.now || !options.certificate.empty()) return finish(context, options);
  return begin(context, options);
}

}  // namespace

void add_interface_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* interface = app.add_subcommand("interface", "The gateway's WireGuard key");
  interface->require_subcommand(1);
  interface->footer("Example:\n  sanad interface rotate-key wg0");
  add_command<KeyOptions>(
      *interface, chosen, "key", "The key in use, and which peers have not followed its last change", "sanad interface key wg0",
      [](CLI::App& command, KeyOptions& o) {
        command.add_option("interface", o.interface, "The interface")->capture_default_str()->type_name("INTERFACE");
        command.add_flag("--json", o.json, "For programs");
      },
      key);
  add_command<RotateOptions>(
      *interface, chosen, "rotate-key", "Change the key: make it, have it certified, take both into use, write new profiles",
      "sanad interface rotate-key wg0 --certificate new.pem",
      [](CLI::App& command, RotateOptions& o) {
        command.add_option("interface", o.interface, "The interface")->capture_default_str()->type_name("INTERFACE");
        command.add_option("--request", o.request, "First step: where the request for the new certificate is written")
            ->capture_default_str()
            ->type_name("FILE");
        command.add_option("--certificate", o.certificate, "Second step: the certificate for the new key, then its chain")
            ->type_name("CERT");
        command.add_flag("--now", o.now, "Second step for an interface whose key the registration does not name");
        command.add_option("--reference", o.reference, "The authority's reference")->type_name("REFERENCE");
        command.add_option("--profiles", o.profiles, "Third step: write the new profiles of those who need them")
            ->type_name("DIR")
            ->excludes("--certificate")
            ->excludes("--now");
        command.add_option("--config", o.config, "This gateway's configuration")->capture_default_str()->type_name("PATH");
        command.add_flag("--despite-differences", o.despite, "Also when the certificate does not match this gateway");
        command.add_flag("--json", o.json, "For programs");
      },
      rotate);
}

}  // namespace sanad::cli
