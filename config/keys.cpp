#include "config/keys.hpp"

#include <fmt/format.h>

#include <charconv>

namespace sanad::config {
namespace {

constexpr std::int64_t kMaxPath = 1024;       // far below PATH_MAX, and fit for a message
constexpr std::int64_t kMaxSocketPath = 107;  // sizeof sockaddr_un.sun_path less the terminator, unix(7)
constexpr std::int64_t kDay = 86'400;

Rule boolean() { return {Rule::Kind::boolean}; }
Rule number(std::int64_t low, std::int64_t high) { return {Rule::Kind::integer, low, high}; }
Rule bytes(std::int64_t low, std::int64_t high) { return {Rule::Kind::bytes, low, high}; }
Rule seconds(std::int64_t low, std::int64_t high) { return {Rule::Kind::seconds, low, high}; }
Rule days(std::int64_t low, std::int64_t high) { return {Rule::Kind::days, low, high}; }
Rule text(std::int64_t longest) { return {Rule::Kind::text, 1, longest}; }
Rule word(std::int64_t longest) { return {Rule::Kind::word, 1, longest}; }
Rule path(std::int64_t longest = kMaxPath) { return {Rule::Kind::path, 1, longest}; }
Rule secret() { return {Rule::Kind::secret, 1, kMaxPath}; }
Rule of(Rule::Kind kind) { return {kind}; }

template <class E>
Rule choice() {
  Rule rule{Rule::Kind::choice};
  for (const E value : all_values<E>()) rule.words.push_back(to_string(value));
  return rule;
}

Rule list(Rule item, std::size_t min_items, std::size_t max_items) {
  item.list = true;
  item.min_items = min_items;
  item.max_items = max_items;
  return item;
}

struct Words {
  std::string_view fallback{};
  std::string_view example{};
  std::string_view sentence{};
};
enum class When { any, required, restart, required_restart };

// A row whose value lies in one field, found by `field`.
template <class Field>
Key row(std::string_view key, const Rule& rule, Field field, const Words& words, When when = When::any) {
  Key made{key,
           rule,
           words.fallback,
           words.example,
           words.sentence,
           when == When::required || when == When::required_restart,
           when == When::restart || when == When::required_restart,
           {},
           {}};
  made.read = [rule, field](Input& in, const Scope& scope) { assign(rule, in, field(scope)); };
  made.show = [rule, field](const Scope& scope) { return show(rule, field(scope)); };
  return made;
}

Key subject_row(std::string_view key, RoleGrant::Subject subject, const Rule& rule, const Words& words) {
  Key made{key, rule, "none", words.example, words.sentence, false, false, {}, {}};
  made.read = [rule, subject](Input& in, const Scope& scope) {
    if (!scope.grant->name.empty()) return in.refuse("one of user, uid, group and gid, not two: write a second entry");
    RoleGrant& grant = *scope.grant;
    if (subject == RoleGrant::Subject::user || subject == RoleGrant::Subject::group) {
      assign(rule, in, grant.name);
    } else {
      assign(rule, in, grant.id);
      grant.name = std::to_string(grant.id);
    }
    grant.subject = subject;
  };
  made.show = [subject](const Scope& scope) {
    return scope.grant->subject == subject ? scope.grant->name : std::string("unset");
  };
  return made;
}

void read_endpoint(const Rule& rule, Input& in, Client& client) {
  const auto wrong = [&rule, &in](std::string_view why) { in.refuse(fmt::format("expected {}: {}", describe(rule), why)); };
  if (in.value().kind != Value::Kind::scalar) return wrong("not a single value");
  std::string_view rest = in.value().text;
  std::string host;
  if (rest.starts_with('[')) {
    const std::size_t bracket = rest.find(']');
    if (bracket == std::string_view::npos) return wrong("no closing bracket");
    const Result<IpAddress> address = IpAddress::parse(rest.substr(1, bracket - 1));
    if (!address || address->is_v4()) return wrong("not an IPv6 address inside the brackets");
    host = address->to_string();
    rest.remove_prefix(bracket + 1);
  } else {
    const std::size_t colon = rest.find(':');
    if (colon != rest.rfind(':')) return wrong("an IPv6 address needs brackets");
    const std::string_view name = rest.substr(0, colon);
    const bool numeric = !name.empty() && name.find_first_not_of("0123456789.") == std::string_view::npos;
    if (numeric && !IpAddress::parse(name)) return wrong("not an IPv4 address");
    Value value{Value::Kind::scalar, in.value().at};
    value.text = name;
    std::vector<Problem> ignored;
    Input as_name(value, {}, ignored);
    assign({Rule::Kind::domain}, as_name, host);
    if (as_name.refused()) return wrong("not a DNS name or an address");
    rest.remove_prefix(name.size());
  }
  std::uint16_t port = 0;
  if (!rest.empty()) {
    rest.remove_prefix(1);  // ':' or, after a bracket, what should be one
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    const bool colon = *(rest.data() - 1) == ':';
    if (!colon || error != std::errc{} || end != rest.data() + rest.size() || port == 0 || rest.starts_with('0')) {
      return wrong("the port must be 1 to 65535");
    }
  }
  client.endpoint_host = std::move(host);
  client.endpoint_port = port;
}

void read_routes(const Rule& rule, Input& in, Client& client) {
  if (in.value().kind == Value::Kind::scalar && in.value().text == "full") {
    client.routing = Routing::full;
    client.routes.clear();  // filled in with the defaults
    return;
  }
  if (in.value().kind != Value::Kind::list) return in.refuse(fmt::format("expected {}", describe(rule)));
  client.routing = Routing::split;
  assign(list({Rule::Kind::prefix}, 1, 1024), in, client.routes);
}

std::vector<Key> make_keys() {
  using Kind = Rule::Kind;
  std::vector<Key> rows;
  const auto add = [&rows](Key key) { rows.push_back(std::move(key)); };

  add(row(
      "gateway.id", word(64), [](const Scope& s) -> auto& { return s.config->gateway.id; },
      {"", "example-khi-1", "The gateway's name in records, in the registration certificate and in profiles. Keep it for life."},
      When::required_restart));
  add(row(
      "gateway.state_dir", path(), [](const Scope& s) -> auto& { return s.config->gateway.state_dir; },
      {"", "/var/lib/sanad", "What must survive a power cut: database, evidence, keys."}, When::restart));
  add(row(
      "gateway.run_dir", path(90), [](const Scope& s) -> auto& { return s.config->gateway.run_dir; },
      {"", "/run/sanad", "What need not survive: the socket."}, When::restart));

  add(row(
      "socket.path", path(kMaxSocketPath), [](const Scope& s) -> auto& { return s.config->socket.path; },
      {"<gateway.run_dir>/admin.sock", "/run/sanad/admin.sock", "The admin socket."}, When::restart));
  add(row(
      "socket.group", of(Kind::account), [](const Scope& s) -> auto& { return s.config->socket.group; },
      {"", "sanad", "The group that may connect. What its members may do is another matter: access.roles."}, When::restart));
  Rule mode{Kind::mode};
  mode.words = {"0600", "0660"};
  add(row(
      "socket.mode", mode, [](const Scope& s) -> auto& { return s.config->socket.mode; },
      {"", "0660", "File mode of the socket. Never open to everybody: add people to the group."}, When::restart));

  add(subject_row("access.roles[].user", RoleGrant::Subject::user, of(Kind::account), {"", "ayesha", "A user, by name."}));
  add(subject_row("access.roles[].uid", RoleGrant::Subject::uid, number(0, 4'294'967'294), {"", "1004", "A user, by number."}));
  add(subject_row("access.roles[].group", RoleGrant::Subject::group, of(Kind::account),
                  {"", "auditors", "Everybody in a group, by name."}));
  add(subject_row("access.roles[].gid", RoleGrant::Subject::gid, number(0, 4'294'967'294),
                  {"", "2004", "Everybody in a group, by number."}));
  add(row(
      "access.roles[].role", choice<Role>(), [](const Scope& s) -> auto& { return s.grant->role; },
      {"", "operator",
       "What they may do: monitor sees status; auditor reads evidence; operator manages peers; admin does everything."},
      When::required));
  add(row("access.dual_control", list(choice<GuardedAct>(), 0, 3),
          [](const Scope& s) -> auto& { return s.config->access.dual_control; },
          {"", "[erasure, retention]", "Acts that a second, different admin must confirm within 15 minutes."}));

  add(row(
      "interfaces[].name", of(Kind::interface_name), [](const Scope& s) -> auto& { return s.interface->name; },
      {"", "wg0", "The WireGuard interface: adopted when it exists, made when it does not."}, When::restart));
  add(row(
      "interfaces[].backend", choice<Backend>(), [](const Scope& s) -> auto& { return s.interface->backend; },
      {"", "auto",
       "Who carries the packets: the kernel, or wireguard-go (userspace). auto takes the kernel where the host has it."},
      When::restart));
  add(row("interfaces[].private_key_file", secret(), [](const Scope& s) -> auto& { return s.interface->private_key; },
          {"<gateway.state_dir>/keys/<name>.key", "/var/lib/sanad/keys/wg0.key",
           "The interface's private key as `wg genkey` writes it, mode 0600; or credential:NAME for a systemd credential."}));
  add(row("interfaces[].listen_port", number(1, 65'535), [](const Scope& s) -> auto& { return s.interface->listen_port; },
          {"", "51820", "UDP port. It is part of the registration."}));
  add(row(
      "interfaces[].addresses", list(of(Kind::interface_address), 1, 16),
      [](const Scope& s) -> auto& { return s.interface->addresses; },
      {"", "[10.66.0.1/16, \"fd66::1/64\"]", "The gateway's own addresses inside the tunnel, with the network's prefix length."},
      When::required));
  add(row(
      "interfaces[].mtu", number(576, 65'455), [](const Scope& s) -> auto& { return s.interface->mtu; },
      {"", "1420", "Bytes. 1420 fits in 1500 outside over IPv6 as over IPv4; at least 1280 where there are IPv6 addresses."}));
  add(row("interfaces[].fwmark", number(0, 4'294'967'295), [](const Scope& s) -> auto& { return s.interface->fwmark; },
          {"", "51820", "Mark on the tunnel's outer packets, for policy routing; 0 for none."}));
  add(row("interfaces[].pools", list(of(Kind::prefix), 1, 64), [](const Scope& s) -> auto& { return s.interface->pools; },
          {"the networks of addresses", "[10.66.0.0/16, \"fd66::/64\"]",
           "Where peers' addresses are taken from: one IPv4 and one IPv6 each. They lie inside the interface's networks."}));
  add(row("interfaces[].quarantine", days(0, 3650), [](const Scope& s) -> auto& { return s.interface->quarantine; },
          {"", "30d", "How long a deleted peer's address is not given to another, so that \"who had it then\" has one answer."}));
  add(row("interfaces[].peers_may_talk", boolean(), [](const Scope& s) -> auto& { return s.interface->peers_may_talk; },
          {"", "false", "Whether peers may reach each other through this interface."}));

  add(row("interfaces[].nat.masquerade", boolean(), [](const Scope& s) -> auto& { return s.interface->nat.masquerade; },
          {"", "true", "Whether peers leave the gateway with the gateway's own address."}));
  add(row("interfaces[].nat.sources", list(of(Kind::prefix), 1, 64),
          [](const Scope& s) -> auto& { return s.interface->nat.sources; },
          {"the pools", "[10.66.0.0/16]", "Whose packets are masqueraded."}));
  add(row("interfaces[].nat.out_interface", of(Kind::interface_name),
          [](const Scope& s) -> auto& { return s.interface->nat.out_interface; },
          {"whichever way the route goes", "eth0", "Only what leaves by this interface is masqueraded."}));

  Key endpoint{"interfaces[].client.endpoint",
               of(Kind::host_port),
               "none: profiles cannot be written",
               "vpn.example.com:51820",
               "Where clients find the gateway from outside. The port is listen_port unless given.",
               false,
               false,
               {},
               {}};
  endpoint.read = [rule = endpoint.rule](Input& in, const Scope& s) { read_endpoint(rule, in, s.interface->client); };
  endpoint.show = [](const Scope& s) {
    return s.interface->client.endpoint_host.empty() ? "unset" : s.interface->client.endpoint();
  };
  add(std::move(endpoint));
  Key routes{"interfaces[].client.routes",
             of(Kind::routes),
             "the pools",
             "[10.66.0.0/16, 192.0.2.0/24]",
             "What clients send through the tunnel: a list of prefixes (split tunnel), or full for everything.",
             false,
             false,
             {},
             {}};
  routes.read = [rule = routes.rule](Input& in, const Scope& s) { read_routes(rule, in, s.interface->client); };
  routes.show = [](const Scope& s) {
    return s.interface->client.routing == Routing::full ? "full" : show({Kind::prefix}, s.interface->client.routes);
  };
  add(std::move(routes));
  add(row("interfaces[].client.dns", list(of(Kind::address), 0, 8),
          [](const Scope& s) -> auto& { return s.interface->client.dns; },
          {"", "[10.66.0.1]", "Resolvers that clients use while connected."}));
  add(row("interfaces[].client.search_domains", list(of(Kind::domain), 0, 8),
          [](const Scope& s) -> auto& { return s.interface->client.search_domains; },
          {"", "[corp.example]", "Domains that clients look names up in."}));
  add(row("interfaces[].client.mtu", number(576, 65'455), [](const Scope& s) -> auto& { return s.interface->client.mtu; },
          {"the client's app decides", "1420", "Bytes."}));
  add(row("interfaces[].client.keepalive_s", number(0, 65'535),
          [](const Scope& s) -> auto& { return s.interface->client.keepalive_s; },
          {"", "25", "Seconds between keepalives that hold a NAT open; 0 for none."}));
  add(row("interfaces[].client.name", text(64), [](const Scope& s) -> auto& { return s.interface->client.name; },
          {"the gateway's id", "Example VPN", "What the client's app may show."}));

  add(row("sessions.poll_interval", seconds(1, 60), [](const Scope& s) -> auto& { return s.config->sessions.poll_interval; },
          {"", "10s", "How often the device is read. The start and end of a session are known to this precision."}));
  add(row("sessions.idle_timeout", seconds(180, kDay), [](const Scope& s) -> auto& { return s.config->sessions.idle_timeout; },
          {"", "180s", "A session ends this long after its last handshake. WireGuard keys die at 180 s: only upwards."}));
  add(row("sessions.checkpoint", seconds(10, 3600), [](const Scope& s) -> auto& { return s.config->sessions.checkpoint; },
          {"", "60s", "How often the figures of open sessions are made durable: what a power cut can cost."}));
  add(row("sessions.attempt_interval", seconds(1, kDay),
          [](const Scope& s) -> auto& { return s.config->sessions.attempt_interval; },
          {"", "5m", "Failed attempts of one peer are recorded at most this often, counted together."}));
  add(row(
      "sessions.events", choice<SessionEvents>(), [](const Scope& s) -> auto& { return s.config->sessions.events; },
      {"", "auto",
       "auto: where the kernel backend can tell of handshakes (sanad doctor says whether), a session is seen as it begins, and "
       "not at "
       "the next reading. off: readings alone."},
      When::restart));

  add(row("registration.certificate", path(), [](const Scope& s) -> auto& { return s.config->registration.certificate; },
          {"<gateway.state_dir>/registration/certificate.pem", "/var/lib/sanad/registration/certificate.pem",
           "The registration certificate and its chain; without one the gateway is unregistered."}));
  add(row("registration.private_key_file", secret(), [](const Scope& s) -> auto& { return s.config->registration.private_key; },
          {"<gateway.state_dir>/keys/registration.key", "/var/lib/sanad/keys/registration.key",
           "The key of that certificate, mode 0600; or credential:NAME."}));
  add(row("registration.crl_files", list(path(), 0, 32), [](const Scope& s) -> auto& { return s.config->registration.crl_files; },
          {"", "[/etc/sanad/association.crl]", "Lists of revoked certificates, PEM or DER."}));
  add(row("registration.crl_urls", list(text(2048), 0, 32),
          [](const Scope& s) -> auto& { return s.config->registration.crl_urls; },
          {"", "[\"http://association.example/crl.pem\"]",
           "The same, fetched over http or https. They are signed, so http is enough. What was fetched last is kept over "
           "restarts."}));
  add(row("registration.crl_interval", seconds(10, 7 * 86'400),
          [](const Scope& s) -> auto& { return s.config->registration.crl_interval; },
          {"", "1h", "How often they are fetched; after a failure, every minute at the latest."}));
  add(row("registration.public_addresses", list(of(Kind::address), 0, 64),
          [](const Scope& s) -> auto& { return s.config->registration.public_addresses; },
          {"", "[203.0.113.10]", "The gateway's public addresses, where they are not on its own interfaces (1:1 NAT)."}));
  add(row("registration.warn_before", list(days(1, 366), 0, 16),
          [](const Scope& s) -> auto& { return s.config->registration.warn_before; },
          {"", "[30d, 14d, 7d, 1d]", "When before its end the registration is called expiring."}));
  add(row("registration.on_expired", choice<StandingAction>(),
          [](const Scope& s) -> auto& { return s.config->registration.on_expired; },
          {"", "refuse_new",
           "After its end: warn, refuse_new (no new or re-enabled peers) or suspend (peers removed until it is in force)."}));
  add(row("registration.on_mismatch", choice<StandingAction>(),
          [](const Scope& s) -> auto& { return s.config->registration.on_mismatch; },
          {"", "refuse_new", "When key, port or address is not the registered one."}));
  add(row("registration.on_revoked", choice<StandingAction>(),
          [](const Scope& s) -> auto& { return s.config->registration.on_revoked; },
          {"", "suspend", "When the issuer has revoked it."}));
  add(row(
      "registration.anchors[].file", path(), [](const Scope& s) -> auto& { return s.anchor->file; },
      {"", "/etc/sanad/association.pem", "Certificate (PEM) in which a chain may end."}, When::required));
  add(row(
      "registration.anchors[].level", choice<AnchorLevel>(), [](const Scope& s) -> auto& { return s.anchor->level; },
      {"", "association", "What a chain that ends here proves."}, When::required));
  add(row(
      "registration.anchors[].name", text(128), [](const Scope& s) -> auto& { return s.anchor->name; },
      {"", "Example Association", "Who that is, in the words that people will read."}, When::required));

  add(row(
      "evidence.epoch", seconds(3600, 366 * kDay), [](const Scope& s) -> auto& { return s.config->evidence.epoch; },
      {"", "30d",
       "How long one key signs the log. Then the next is announced and the old one destroyed: nobody can sign for that time "
       "again."},
      When::restart));
  add(row("evidence.quorum", number(1, 32), [](const Scope& s) -> auto& { return s.config->evidence.quorum; },
          {"all of them", "1", "How many of the witnesses an auditor's check of the log shall ask for, as log/policy says it."}));
  add(row("evidence.push_interval", seconds(1, 3600), [](const Scope& s) -> auto& { return s.config->evidence.push_interval; },
          {"", "10s", "How often each witness is asked to cosign, while there is something new."}));
  add(row("evidence.alarm_after", seconds(10, 30 * kDay), [](const Scope& s) -> auto& { return s.config->evidence.alarm_after; },
          {"", "5m", "A witness that has not cosigned records for this long is an alarm: in the status, and a record itself."}));
  add(row("evidence.witnesses[].name", word(64), [](const Scope& s) -> auto& { return s.witness->name; },
          {"the name in the key", "audit", "What the witness is called in the status and in log/policy."}));
  add(row(
      "evidence.witnesses[].key", of(Kind::witness_key), [](const Scope& s) -> auto& { return s.witness->key; },
      {"", "audit.example.net+11cf445d+BJ5dYg0/gs2F7ZfkH0XJJfI4a457i7quu/8IYOouOxVl",
       "The witness's verifier key: only what is signed by it counts."},
      When::required));
  add(row(
      "evidence.witnesses[].url", of(Kind::url), [](const Scope& s) -> auto& { return s.witness->url; },
      {"", "https://audit.example.net", "Where it is asked: /add-checkpoint is added."}, When::required));

  add(row(
      "retention.sessions", days(1, 3650), [](const Scope& s) -> auto& { return s.config->retention.sessions; },
      {"", "365d", "How long ended sessions are kept: then what is personal of them is deleted, and the records of that time."}));

  add(row("limits.connections", number(4, 4096), [](const Scope& s) -> auto& { return s.config->limits.connections; },
          {"", "64", "Open connections on the admin socket."}));
  add(row("limits.body_bytes", bytes(4096, 64 << 20), [](const Scope& s) -> auto& { return s.config->limits.body_bytes; },
          {"", "1MiB", "Largest request."}));
  add(row("limits.import_bytes", bytes(4096, 1 << 30), [](const Scope& s) -> auto& { return s.config->limits.import_bytes; },
          {"", "64MiB", "Largest import of peers: some 200,000."}));

  add(row("log.level", choice<LogLevel>(), [](const Scope& s) -> auto& { return s.config->log.level; },
          {"", "info", "Messages for the journal; evidence is apart and always complete."}));

  add(row("stop.keep_interfaces", boolean(), [](const Scope& s) -> auto& { return s.config->stop.keep_interfaces; },
          {"", "true", "Whether tunnels live on while the daemon is stopped; a start adopts them without a dropped packet."}));
  return rows;
}

std::vector<Section> make_sections() {
  std::vector<Section> made;
  made.push_back({"gateway", "Who this gateway is and where it keeps things.", {}, {}});
  made.push_back({"socket", "The admin socket.", {}, {}});
  made.push_back({"access", "Who may do what. uid 0 is always an admin; everybody else nothing until named here.", {}, {}});
  made.push_back({"access.roles[]", "One person or group and one role. The highest of all that fit counts.",
                  [](const Scope& s) {
                    return Scope{s.config, nullptr, nullptr, &s.config->access.roles.emplace_back()};
                  },
                  [](const Scope& s) {
                    std::vector<std::pair<std::string, Scope>> items;
                    for (RoleGrant& grant : s.config->access.roles) {
                      items.emplace_back(std::to_string(items.size()), Scope{s.config, nullptr, nullptr, &grant});
                    }
                    return items;
                  }});
  made.push_back({"interfaces[]", "The WireGuard interfaces; one is the usual case.",
                  [](const Scope& s) {
                    return Scope{s.config, &s.config->interfaces.emplace_back(), nullptr, nullptr};
                  },
                  [](const Scope& s) {
                    std::vector<std::pair<std::string, Scope>> items;
                    for (Interface& interface : s.config->interfaces) {
                      items.emplace_back(interface.name, Scope{s.config, &interface, nullptr, nullptr});
                    }
                    return items;
                  }});
  made.push_back({"interfaces[].nat", "Masquerading for the interface's peers.", {}, {}});
  made.push_back({"interfaces[].client", "What the profiles of this interface's clients say.", {}, {}});
  made.push_back({"sessions", "How sessions are observed.", {}, {}});
  made.push_back({"registration", "The registration of this gateway and what follows from its standing.", {}, {}});
  made.push_back({"registration.anchors[]",
                  "Whom to believe, and how far. With none, only a self-declared certificate can be in force.",
                  [](const Scope& s) {
                    return Scope{s.config, nullptr, &s.config->registration.anchors.emplace_back(), nullptr};
                  },
                  [](const Scope& s) {
                    std::vector<std::pair<std::string, Scope>> items;
                    for (Anchor& anchor : s.config->registration.anchors) {
                      items.emplace_back(std::to_string(items.size()), Scope{s.config, nullptr, &anchor, nullptr});
                    }
                    return items;
                  }});
  made.push_back({"evidence", "How long a key signs the log, and who beside the gateway vouches for it.", {}, {}});
  made.push_back(
      {"evidence.witnesses[]",
       "Witnesses (c2sp.org/tlog-witness) on machines of others: what they have cosigned, nobody here can rewrite unseen.",
       [](const Scope& s) {
         return Scope{s.config, nullptr, nullptr, nullptr, &s.config->evidence.witnesses.emplace_back()};
       },
       [](const Scope& s) {
         std::vector<std::pair<std::string, Scope>> items;
         for (Witness& witness : s.config->evidence.witnesses) {
           items.emplace_back(witness.name, Scope{s.config, nullptr, nullptr, nullptr, &witness});
         }
         return items;
       }});
  made.push_back({"retention", "How long what is personal is kept.", {}, {}});
  made.push_back({"limits", "What one caller may take.", {}, {}});
  made.push_back({"log", "Messages.", {}, {}});
  made.push_back({"stop", "What a stop leaves behind.", {}, {}});
  return made;
}

}  // namespace

const std::vector<Key>& keys() {
  static const std::vector<Key> table = make_keys();
  return table;
}

const std::vector<Section>& sections() {
  static const std::vector<Section> table = make_sections();
  return table;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

std::string_view leaf_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

}  // namespace sanad::config
