// doctor: looks at the host and says what would keep a gateway from running well, and how to mend it. Changes nothing.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "config/reader.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/doctor_checks.hpp"
#include "control/cli/host.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/text.hpp"
#include "control/registration/certificate.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string config = "/etc/sanad/sanad.yaml";
  bool json = false;
};

std::string first_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// CapEff of /proc/self/status; CAP_NET_ADMIN is bit 12 (include/uapi/linux/capability.h).
bool has_net_admin() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("CapEff:")) continue;
    return ((std::strtoull(line.c_str() + 7, nullptr, 16) >> 12U) & 1U) != 0;
  }
  return false;
}

std::int64_t free_bytes(fs::path path) {
  struct ::statvfs figures {};
  // Before the first start the state directory may not be there; what it will be made in decides.
  while (::statvfs(path.c_str(), &figures) != 0) {
    if (path == path.parent_path()) return 0;
    path = path.parent_path();
  }
  return static_cast<std::int64_t>(figures.f_bavail) * static_cast<std::int64_t>(figures.f_frsize);
}

void look_at_certificate(const config::Config& config, HostFacts& facts) {
  const fs::path& path = config.registration.certificate;
  const auto text = read_file(path, registration::kMaxPem);
  if (!text) {
    facts.certificate_problem = text.error().message;
    return;
  }
  const auto chain = registration::split_chain(*text);
  const auto leaf = chain ? registration::parse_certificate(chain->front()) : Result<registration::Certificate>(chain.error());
  if (!leaf) {
    facts.certificate_problem = path.string() + ": " + leaf.error().message;
    return;
  }
  facts.certificate_ends = leaf->not_after;
  facts.registered = leaf->claims.addresses;
  const auto secret = read_secret_file(config.registration.private_key.path, registration::kMaxPem);
  if (!secret) {
    if (facts.is_root) facts.certificate_problem = secret.error().message;
    return;
  }
  if (const auto match = registration::check_key_matches(leaf->pem, registration::PrivateKeyPem(*secret)); !match)
    facts.certificate_problem = match.error().message;
}

void ask_daemon(Context& context, HostFacts& facts) {
  const auto status = get_json(context.client(), "/v1/status");
  if (status) {
    facts.daemon_detail =
        "answers, version " + shown(*status, "version") + ", up for " + std::to_string(int_at(*status, "uptime_s")) + " s";
    facts.session_events = text_at(*status, "session_events.state");
    facts.session_events_detail =
        text_at(*status, facts.session_events == "followed" ? "session_events.hook" : "session_events.problem");
    facts.session_events_mend = text_at(*status, "session_events.hint");
    for (const auto& interface : array_at(*status, "interfaces")) {
      if (text_at(interface, "state") == "up") {
        if (find(interface, "problem") != nullptr)
          facts.interface_problem = shown(interface, "name") + ": " + shown(interface, "problem");
        continue;
      }
      facts.daemon = DaemonAnswer::broken;
      facts.daemon_detail = shown(interface, "name") + " is " + shown(interface, "state");
    }
    return;
  }
  const Failure& failure = status.error();
  const bool absent = failure.message.starts_with("sanadd is not running");
  facts.daemon = failure.exit == Exit::denied ? DaemonAnswer::denied : absent ? DaemonAnswer::not_running : DaemonAnswer::broken;
  facts.daemon_detail = failure.message;
}

HostFacts look(Context& context, const Options& options) {
  HostFacts facts;
  facts.config_path = options.config;
  facts.now = context.now();
  facts.is_root = ::geteuid() == 0;
  facts.net_admin = has_net_admin();
  facts.kernel_wireguard = kernel_has("wireguard");
  facts.nf_tables = nf_tables_answers() || kernel_has("nf_tables");
  facts.wireguard_go = find_program("wireguard-go");
  facts.wg = find_program("wg");
  facts.tun_usable = static_cast<bool>(UniqueFd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)));
  facts.forwarding_v4 = first_word("/proc/sys/net/ipv4/ip_forward") == "1";
  facts.forwarding_v6 = first_word("/proc/sys/net/ipv6/conf/all/forwarding") == "1";
  facts.clock = read_clock_sync();
  for (const auto& local : local_addresses()) facts.local.push_back(local.address);
  fs::path state = "/var/lib/sanad";
  auto read = config::read(options.config);
  facts.config_errors = read.errors;
  if (read.config) {
    state = read.config->gateway.state_dir;
    if (context.socket_path == kDefaultSocket) context.socket_path = read.config->socket.path;
    for (const auto& interface : read.config->interfaces) {
      facts.backend = config::to_string(interface.backend);
      facts.wants_nat |= interface.nat.masquerade;
    }
    facts.local.insert(facts.local.end(), read.config->registration.public_addresses.begin(),
                       read.config->registration.public_addresses.end());
    look_at_certificate(*read.config, facts);
  } else {
    facts.certificate_problem = "not looked at, for want of a configuration";
  }
  facts.disk_free = free_bytes(state);
  ask_daemon(context, facts);
  return facts;
}

std::string_view word(Verdict verdict) { return verdict == Verdict::ok ? "ok" : verdict == Verdict::warn ? "warn" : "FAIL"; }

Outcome<void> doctor(Context& context, const Options& options) {
  const auto checks = judge(look(context, options));
  bool failed = false;
  json::array list;
  for (const auto& check : checks) {
    failed |= check.verdict == Verdict::fail;
    if (options.json) {
      const std::string_view verdict = check.verdict == Verdict::fail ? "fail" : word(check.verdict);
      list.push_back(json::value{{"check", check.name}, {"verdict", verdict}, {"detail", check.detail}, {"mend", check.mend}});
      continue;
    }
    const std::string_view colour = check.verdict == Verdict::ok ? "32" : check.verdict == Verdict::warn ? "33" : "31";
    context.out << context.paint(pad_right(word(check.verdict), 5), colour) << " " << pad_right(check.name, 14)
                << safe(check.detail) << "\n";
    if (!check.mend.empty()) context.out << std::string(20, ' ') << "-> " << safe(check.mend) << "\n";
  }
  if (options.json) context.out << to_line(list) << "\n";
  if (failed) return Failure{};
  return {};
}

}  // namespace

void add_doctor_command(CLI::App& app, Chosen& chosen) {
  add_command<Options>(
      app, chosen, "doctor", "Check this host, and say how to mend what is wrong", "sanad doctor",
      [](CLI::App& command, Options& o) {
        command.add_option("--config", o.config, "The configuration file")->capture_default_str()->type_name("PATH");
        command.add_flag("--json", o.json, "An array, for programs");
      },
      doctor);
}

}  // namespace sanad::cli
