#pragma once
// The configuration as typed values: what config/reader made of /etc/sanad/sanad.yaml after every check passed, defaults filled
// in. A Config never holds a secret: keys are named here (SecretSource) and read where they are used.
// The keys, their defaults and limits are in one table, config/keys.cpp; config/reference.md is generated from it.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/ip.hpp"
#include "gateway/base/result.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::config {

// Where a secret lies. `written` is what the file says ("/etc/x.key", "credential:wg0"), `path` where that is to be read
// now ($CREDENTIALS_DIRECTORY/wg0).
struct SecretSource {
  std::string written;
  std::filesystem::path path;
  bool operator==(const SecretSource& other) const { return written == other.written; }
};

struct Socket {
  std::filesystem::path path;   // default: <run_dir>/admin.sock
  std::string group = "sanad";  // may connect; what it may do, access.roles says
  mode_t mode = 0660;
  bool operator==(const Socket&) const = default;
};

enum class Role : std::uint8_t { monitor, auditor, operator_, admin };
std::string_view to_string(Role role) noexcept;  // "monitor", "auditor", "operator", "admin"

// Names are resolved by the access room when a connection arrives, so that a directory service may be slow at boot.
struct RoleGrant {
  enum class Subject : std::uint8_t { user, uid, group, gid };
  Subject subject = Subject::uid;
  std::string name;      // as written; for uid and gid the digits
  std::uint32_t id = 0;  // for uid and gid
  Role role = Role::monitor;
  bool operator==(const RoleGrant&) const = default;
};

enum class GuardedAct : std::uint8_t { erasure, retention, hold_release };
std::string_view to_string(GuardedAct act) noexcept;

struct Access {
  // uid 0 is always an admin and has no row here: root could read and change everything anyhow.
  std::vector<RoleGrant> roles;
  std::vector<GuardedAct> dual_control;  // acts that need a second, different admin within 15 minutes
  bool operator==(const Access&) const = default;
};

enum class Backend : std::uint8_t { automatic, kernel, userspace };  // automatic: the kernel's where the host has it
std::string_view to_string(Backend backend) noexcept;                // "auto", "kernel", "userspace"

struct Nat {
  bool masquerade = false;
  std::vector<IpPrefix> sources;             // default: the pools; never empty when masquerade is set
  std::optional<std::string> out_interface;  // unset: whichever way the route goes
  bool operator==(const Nat&) const = default;
};

enum class Routing : std::uint8_t { split, full };
std::string_view to_string(Routing routing) noexcept;

// What a client's profile says.
struct Client {
  std::string endpoint_host;        // a name or an address (IPv6 without brackets); empty: not configured yet
  std::uint16_t endpoint_port = 0;  // default: listen_port
  Routing routing = Routing::split;
  std::vector<IpPrefix> routes;  // the client's AllowedIPs: split: as given, default the pools; full: 0.0.0.0/0 and ::/0
  std::vector<IpAddress> dns;
  std::vector<std::string> search_domains;
  std::optional<std::uint16_t> mtu;  // bytes; unset: the app decides
  std::uint16_t keepalive_s = 25;    // 0 = off
  std::string name;                  // what the client's app shows; default: the gateway's id
  // "host:port", brackets around an IPv6 address.
  [[nodiscard]] std::string endpoint() const;
  bool operator==(const Client&) const = default;
};

struct Interface {
  std::string name = "wg0";
  Backend backend = Backend::automatic;
  SecretSource private_key;  // default: <state_dir>/keys/<name>.key
  std::uint16_t listen_port = 51820;
  std::vector<InterfaceAddress> addresses;  // at least one
  std::uint16_t mtu = 1420;                 // bytes
  std::uint32_t fwmark = 0;                 // 0 = none
  std::vector<IpPrefix> pools;              // where peers' addresses come from; default: the networks of `addresses`
  std::chrono::days quarantine{30};         // a deleted peer's address stays unused this long
  Nat nat;
  bool peers_may_talk = false;  // to each other, through this interface
  Client client;
  bool operator==(const Interface&) const = default;
};

// automatic: sessions are seen as they begin where the kernel tells of handshakes (gateway/hints); off: by polls alone.
enum class SessionEvents : std::uint8_t { automatic, off };
std::string_view to_string(SessionEvents events) noexcept;  // "auto", "off"

struct Sessions {
  std::chrono::seconds poll_interval{10};
  std::chrono::seconds idle_timeout{180};
  std::chrono::seconds checkpoint{60};
  std::chrono::seconds attempt_interval{300};  // at most one `attempted` record a peer in this time
  SessionEvents events = SessionEvents::automatic;
  bool operator==(const Sessions&) const = default;
};

enum class AnchorLevel : std::uint8_t { self, company, association, regulator };  // in rising order of what it proves
std::string_view to_string(AnchorLevel level) noexcept;

struct Anchor {
  std::filesystem::path file;  // PEM, one or more certificates
  AnchorLevel level = AnchorLevel::self;
  std::string name;  // who that is, in words: "P@SHA"
  bool operator==(const Anchor&) const = default;
};

enum class StandingAction : std::uint8_t { warn, refuse_new, suspend };
std::string_view to_string(StandingAction action) noexcept;

struct Registration {
  std::filesystem::path certificate;  // default: <state_dir>/registration/certificate.pem; absent: unregistered
  SecretSource private_key;           // default: <state_dir>/keys/registration.key
  std::vector<Anchor> anchors;        // empty: only the gateway's own self-level certificate can be in force
  std::vector<std::filesystem::path> crl_files;
  std::vector<std::string> crl_urls;  // http or https
  std::chrono::seconds crl_interval = std::chrono::hours{1};
  std::vector<IpAddress> public_addresses;  // empty: the host's own interfaces are asked; set behind 1:1 NAT
  std::vector<std::chrono::days> warn_before{std::chrono::days{30}, std::chrono::days{14}, std::chrono::days{7},
                                             std::chrono::days{1}};  // falling
  StandingAction on_expired = StandingAction::refuse_new;
  StandingAction on_mismatch = StandingAction::refuse_new;
  StandingAction on_revoked = StandingAction::suspend;
  bool operator==(const Registration&) const = default;
};

// Somebody who cosigns the log's checkpoints (c2sp.org/tlog-witness).
struct Witness {
  std::string name;  // in log/policy and in status; default: the name in the key
  std::string key;   // verifier key, "<name>+<8 hex digits>+<base64>", of type cosignature/v1
  std::string url;   // http or https: the prefix of /add-checkpoint
  bool operator==(const Witness&) const = default;
};

struct Evidence {
  std::vector<Witness> witnesses;                      // no two of one name or key
  std::optional<std::uint32_t> quorum;                 // how many of them log/policy asks for; unset: all
  std::chrono::seconds push_interval{10};              // how often each is asked while there is something new
  std::chrono::seconds alarm_after{300};               // a witness that is this far behind is an event
  std::chrono::seconds epoch = std::chrono::days{30};  // how long one key signs the log
  bool operator==(const Evidence&) const = default;
};

struct Retention {
  std::chrono::days sessions{365};  // personal data of ended sessions is kept this long
  bool operator==(const Retention&) const = default;
};

struct Limits {
  std::uint32_t connections = 64;         // open connections on the admin socket
  std::uint64_t body_bytes = 1 << 20;     // one request
  std::uint64_t import_bytes = 64 << 20;  // one POST /peers/import
  bool operator==(const Limits&) const = default;
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };
std::string_view to_string(LogLevel level) noexcept;

struct Log {
  LogLevel level = LogLevel::info;
  bool operator==(const Log&) const = default;
};

struct Stop {
  bool keep_interfaces = true;  // tunnels live on while the daemon is away
  bool operator==(const Stop&) const = default;
};

struct Gateway {
  std::string id;  // as in records and the certificate: "example-khi-1"
  std::filesystem::path state_dir = "/var/lib/sanad";
  std::filesystem::path run_dir = "/run/sanad";
  bool operator==(const Gateway&) const = default;
};

struct Config {
  Gateway gateway;
  Socket socket;
  Access access;
  std::vector<Interface> interfaces;  // at least one; names, ports and pools do not collide
  Sessions sessions;
  Registration registration;
  Evidence evidence;
  Retention retention;
  Limits limits;
  Log log;
  Stop stop;
  bool operator==(const Config&) const = default;
};

inline constexpr std::size_t kMaxKeyFileBytes = 16 << 10;  // a WireGuard key has 45; a registration key in PEM a few hundred

// The content of a key file: 44 characters of base64, white space at the end allowed. The zero key is refused.
Result<wg::PrivateKey> parse_private_key(std::string_view content);

// Reads and decodes a WireGuard private key. permission_denied when group or others may read it. Blocking.
Result<wg::PrivateKey> read_private_key(const SecretSource& source);

}  // namespace sanad::config
