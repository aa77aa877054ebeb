#include "config/checks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/base/secret.hpp"

namespace sanad::config {
namespace {

class Reporter {
 public:
  Reporter(const Places& places, std::vector<Problem>& problems) : places_(places), problems_(problems) {}

  void add(std::string path, std::string message) {
    const Position at = find(path);
    problems_.push_back({at, std::move(path), std::move(message)});
  }
  [[nodiscard]] bool written(const std::string& path) const { return places_.contains(path); }

  // ", line 12" for a reference to the other party of a collision.
  [[nodiscard]] std::string line_of(const std::string& path) const { return fmt::format("line {}", find(path).line); }

 private:
  // A key that was left out stands where its nearest section does.
  [[nodiscard]] Position find(std::string path) const {
    while (true) {
      if (const auto found = places_.find(path); found != places_.end()) return found->second;
      const std::size_t cut = path.find_last_of(".[");
      if (cut == std::string::npos) return {};
      path.resize(cut);
    }
  }

  const Places& places_;
  std::vector<Problem>& problems_;
};

std::string interface_path(std::size_t index) { return fmt::format("interfaces[{}]", index); }

void check_addresses(const Interface& interface, const std::string& path, Reporter& report) {
  const bool v6 = std::any_of(interface.addresses.begin(), interface.addresses.end(),
                              [](const InterfaceAddress& a) { return !a.address.is_v4(); });
  constexpr std::uint16_t kSmallestIpv6Mtu = 1280;  // RFC 8200 section 5
  if (v6 && interface.mtu < kSmallestIpv6Mtu) {
    report.add(path + ".mtu", fmt::format("{} is too small for IPv6, which needs at least {}", interface.mtu, kSmallestIpv6Mtu));
  }
  if (v6 && interface.client.mtu && *interface.client.mtu < kSmallestIpv6Mtu) {
    report.add(path + ".client.mtu",
               fmt::format("{} is too small for IPv6, which needs at least {}", *interface.client.mtu, kSmallestIpv6Mtu));
  }
  for (std::size_t i = 0; i < interface.addresses.size(); ++i) {
    const InterfaceAddress& own = interface.addresses[i];
    const auto bytes = own.address.bytes();
    const bool unspecified = std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
    const bool multicast = own.address.is_v4() ? bytes[0] >= 224 : bytes[0] == 0xff;
    const bool loopback = own.address.is_v4() ? bytes[0] == 127 : own.address == *IpAddress::parse("::1");
    const std::string item = fmt::format("{}.addresses[{}]", path, i);
    if (unspecified || multicast || loopback)
      report.add(item, fmt::format("{} cannot be a host's address in a tunnel", own.to_string()));
    const IpPrefix network = own.network();
    const bool crowded = network.length() + 1 < own.address.max_prefix();
    if (own.address.is_v4() && crowded && (own.address == network.address() || own.address == network.last())) {
      report.add(item, fmt::format("{} is the network or broadcast address of {}", own.address.to_string(), network.to_string()));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (interface.addresses[j].address == own.address)
        report.add(item, fmt::format("{} is given twice", own.address.to_string()));
    }
  }
}

void check_pools(const Interface& interface, const std::string& path, Reporter& report) {
  for (std::size_t i = 0; i < interface.pools.size(); ++i) {
    const IpPrefix& pool = interface.pools[i];
    const std::string item = report.written(path + ".pools") ? fmt::format("{}.pools[{}]", path, i) : path + ".addresses";
    const bool routed = std::any_of(interface.addresses.begin(), interface.addresses.end(),
                                    [&pool](const InterfaceAddress& own) { return own.network().contains(pool); });
    if (!routed) {
      report.add(item,
                 fmt::format("pool {} lies in none of the interface's networks: answers to its peers would have no way back",
                             pool.to_string()));
    }
    if (pool.length() + 1 >= pool.address().max_prefix()) {
      report.add(item, fmt::format("pool {} is too small to give a peer an address", pool.to_string()));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (interface.pools[j].overlaps(pool)) {
        report.add(item,
                   fmt::format("pool {} overlaps {} of the same interface", pool.to_string(), interface.pools[j].to_string()));
      }
    }
  }
}

void check_pair(const Interface& earlier, const std::string& earlier_path, const Interface& later, const std::string& path,
                Reporter& report) {
  if (earlier.name == later.name) {
    report.add(path + ".name", fmt::format("{} is taken by the interface at {}", later.name, report.line_of(earlier_path)));
  }
  if (earlier.listen_port == later.listen_port) {
    report.add(path + ".listen_port", fmt::format("UDP port {} is taken by interface {}", later.listen_port, earlier.name));
  }
  for (const InterfaceAddress& theirs : earlier.addresses) {
    for (std::size_t i = 0; i < later.addresses.size(); ++i) {
      const IpPrefix ours = later.addresses[i].network();
      if (!theirs.network().overlaps(ours)) continue;
      // Pools lie inside these networks, so this covers overlapping pools as well.
      report.add(fmt::format("{}.addresses[{}]", path, i),
                 fmt::format("{} overlaps {} of interface {}", ours.to_string(), theirs.network().to_string(), earlier.name));
    }
  }
  if (earlier.private_key == later.private_key) {
    report.add(path + ".private_key_file", fmt::format("the same key as interface {}: each needs its own", earlier.name));
  }
}

void check_grants(const Access& access, Reporter& report) {
  for (std::size_t i = 0; i < access.roles.size(); ++i) {
    const RoleGrant& grant = access.roles[i];
    const std::string path = fmt::format("access.roles[{}]", i);
    if (grant.name.empty()) report.add(path, "one of user, uid, group and gid is needed");
    for (std::size_t j = 0; j < i; ++j) {
      const RoleGrant& other = access.roles[j];
      if (!grant.name.empty() && other.subject == grant.subject && other.name == grant.name) {
        report.add(path,
                   fmt::format("{} has a role already, at {}", grant.name, report.line_of(fmt::format("access.roles[{}]", j))));
      }
    }
  }
}

// What follows the second '+': the same for one key under two names.
std::string_view key_material(std::string_view vkey) { return vkey.substr(vkey.find('+', vkey.find('+') + 1)); }

void check_witnesses(const Evidence& evidence, Reporter& report) {
  for (std::size_t i = 0; i < evidence.witnesses.size(); ++i) {
    const Witness& witness = evidence.witnesses[i];
    const std::string path = fmt::format("evidence.witnesses[{}]", i);
    if (witness.name == "none") report.add(path + ".name", "\"none\" means no witness in a policy");
    for (std::size_t j = 0; j < i; ++j) {
      const Witness& other = evidence.witnesses[j];
      const std::string at = report.line_of(fmt::format("evidence.witnesses[{}]", j));
      if (other.name == witness.name)
        report.add(path + ".name", fmt::format("{} is taken by the witness at {}", witness.name, at));
      if (key_material(other.key) == key_material(witness.key))
        report.add(path + ".key", fmt::format("the same key as the witness at {}", at));
    }
  }
  if (evidence.quorum && *evidence.quorum > std::max<std::size_t>(evidence.witnesses.size(), 1))
    report.add("evidence.quorum", fmt::format("{} of {} witnesses", *evidence.quorum, evidence.witnesses.size()));
  if (evidence.alarm_after < evidence.push_interval)
    report.add("evidence.alarm_after", "shorter than evidence.push_interval: it would never be quiet");
}

// What of `source` can be known without reading it.
bool locate(SecretSource& source, const std::string& path, FileAccess& files, Reporter& report) {
  constexpr std::string_view kCredentialPrefix = "credential:";
  if (!source.written.starts_with(kCredentialPrefix)) {
    source.path = source.written;
    return true;
  }
  const auto directory = files.credentials();
  const std::string name = source.written.substr(kCredentialPrefix.size());
  if (!directory) {
    report.add(path, fmt::format("no credentials were passed to this process: add LoadCredential={}:FILE to the unit", name));
    return false;
  }
  source.path = *directory / name;
  return true;
}

void wipe_text(std::string& text) { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }

std::string with_hint(const Error& error) {
  return error.hint.empty() ? error.message : fmt::format("{} ({})", error.message, error.hint);
}

void check_wireguard_key(SecretSource& source, const std::string& path, FileAccess& files, Reporter& report) {
  if (!locate(source, path, files, report)) return;
  Result<std::string> content = files.read_secret(source.path);
  if (!content) {
    const bool absent = content.error().code == Errc::not_found;
    return report.add(path,
                      with_hint(content.error()) + (absent ? " (sanad init makes one; or: umask 077; wg genkey > FILE)" : ""));
  }
  const Result<wg::PrivateKey> key = parse_private_key(*content);
  wipe_text(*content);
  if (!key) report.add(path, fmt::format("{}: {}", source.written, with_hint(key.error())));
}

void check_registration_files(Registration& registration, FileAccess& files, Reporter& report) {
  const std::string key_path = "registration.private_key_file";
  if (locate(registration.private_key, key_path, files, report)) {
    Result<std::string> content = files.read_secret(registration.private_key.path);
    if (content) {
      wipe_text(*content);
    } else if (report.written(key_path) || content.error().code != Errc::not_found) {
      // An unregistered gateway has no key yet; one that is named has to be there.
      report.add(key_path, with_hint(content.error()));
    }
  }
  for (std::size_t i = 0; i < registration.anchors.size(); ++i) {
    if (registration.anchors[i].file.empty()) continue;  // missing or refused, and said so
    if (auto found = files.readable(registration.anchors[i].file); !found) {
      report.add(fmt::format("registration.anchors[{}].file", i), with_hint(found.error()));
    }
  }
  for (std::size_t i = 0; i < registration.crl_files.size(); ++i) {
    if (auto found = files.readable(registration.crl_files[i]); !found) {
      report.add(fmt::format("registration.crl_files[{}]", i), with_hint(found.error()));
    }
  }
}

}  // namespace

void complete(Config& config) {
  const std::filesystem::path keys = config.gateway.state_dir / "keys";
  if (config.socket.path.empty()) config.socket.path = config.gateway.run_dir / "admin.sock";
  if (config.registration.certificate.empty()) {
    config.registration.certificate = config.gateway.state_dir / "registration" / "certificate.pem";
  }
  if (config.registration.private_key.written.empty()) config.registration.private_key.written = keys / "registration.key";
  std::sort(config.registration.warn_before.begin(), config.registration.warn_before.end(), std::greater<>());
  for (Witness& witness : config.evidence.witnesses) {
    if (witness.name.empty()) witness.name = witness.key.substr(0, witness.key.find('+'));
  }
  for (Interface& interface : config.interfaces) {
    if (interface.private_key.written.empty()) interface.private_key.written = keys / (interface.name + ".key");
    if (interface.pools.empty()) {
      for (const InterfaceAddress& own : interface.addresses) {
        const bool known = std::find(interface.pools.begin(), interface.pools.end(), own.network()) != interface.pools.end();
        if (!known) interface.pools.push_back(own.network());
      }
    }
    if (interface.nat.sources.empty()) interface.nat.sources = interface.pools;
    Client& client = interface.client;
    if (client.endpoint_port == 0) client.endpoint_port = interface.listen_port;
    if (client.name.empty()) client.name = config.gateway.id;
    if (client.routing == Routing::full) client.routes = {*IpPrefix::parse("0.0.0.0/0"), *IpPrefix::parse("::/0")};
    if (client.routes.empty()) client.routes = interface.pools;
  }
}

void check_whole(const Config& config, const Places& places, std::vector<Problem>& problems) {
  Reporter report(places, problems);
  for (std::size_t i = 0; i < config.interfaces.size(); ++i) {
    const Interface& interface = config.interfaces[i];
    const std::string path = interface_path(i);
    check_addresses(interface, path, report);
    check_pools(interface, path, report);
    if (interface.nat.out_interface == interface.name) {
      report.add(path + ".nat.out_interface",
                 "this is the tunnel itself: name the interface towards the outside, eth0 for example");
    }
    for (std::size_t j = 0; j < i; ++j) check_pair(config.interfaces[j], interface_path(j), interface, path, report);
  }
  check_grants(config.access, report);
  check_witnesses(config.evidence, report);
  if (config.sessions.checkpoint < config.sessions.poll_interval) {
    report.add("sessions.checkpoint", "shorter than sessions.poll_interval: there would be nothing new to keep");
  }
  for (std::size_t i = 0; i < config.registration.crl_urls.size(); ++i) {
    const std::string& url = config.registration.crl_urls[i];
    const std::string path = fmt::format("registration.crl_urls[{}]", i);
    if (!url.starts_with("http://") && !url.starts_with("https://")) report.add(path, "not a URL of http or https");
    if (url.find_first_of(" @") != std::string::npos) report.add(path, "no spaces and no password belong into it");
  }
  const auto& warn_before = config.registration.warn_before;
  if (std::adjacent_find(warn_before.begin(), warn_before.end()) != warn_before.end()) {
    report.add("registration.warn_before", "the same number of days twice");
  }
}

void check_files(Config& config, const Places& places, FileAccess& files, std::vector<Problem>& problems) {
  Reporter report(places, problems);
  for (std::size_t i = 0; i < config.interfaces.size(); ++i) {
    check_wireguard_key(config.interfaces[i].private_key, interface_path(i) + ".private_key_file", files, report);
  }
  check_registration_files(config.registration, files, report);
}

}  // namespace sanad::config
