#pragma once
// Questions: sessions, evidence, status. Reading evidence is itself recorded (record_read).

#include <optional>
#include <string>
#include <vector>

#include "control/ledger/records.hpp"
#include "control/registration/standing.hpp"
#include "control/service/peers.hpp"
#include "control/service/request.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::service {

struct SessionView {
  ledger::SessionRecord session;
  ledger::PeerRecord peer;  // as it is now; revoked peers are kept
};

struct SessionQuery {
  std::string peer_id;
  std::string owner_id;
  std::optional<bool> active;
  std::optional<WallTime> from;  // sessions that overlap [from, to)
  std::optional<WallTime> to;
  std::optional<IpAddress> inner;
  std::optional<IpAddress> outer;
  std::optional<WallTime> at;  // sessions that were open then
  std::string cursor;
  std::size_t limit = 500;
};

struct LeafView {
  std::uint64_t index = 0;
  std::string leaf;  // the exact bytes
  struct Disclosure {
    std::string name;
    std::string value_json;
    std::string salt;
  };
  std::vector<Disclosure> disclosures;
};

struct InterfaceStatus {
  std::string name;
  std::string backend;  // "kernel" or "userspace"
  std::string state;    // "up", "down", "backend_down"
  std::string problem;  // why it is not up, or what its device does not take; empty: nothing
  std::uint16_t listen_port = 0;
  wg::PublicKey public_key;
  std::vector<InterfaceAddress> addresses;
  std::size_t peers = 0;  // served now
  std::size_t connected = 0;
  std::optional<WallTime> last_snapshot;
  double snapshot_ms = 0;
  std::uint64_t interruptions = 0;
  std::uint64_t drift_total = 0;
  std::uint64_t polls = 0;
  std::uint64_t late_polls = 0;
  std::uint64_t hints = 0;  // of the kernel, that a session may begin
  std::uint64_t looks = 0;  // because of them
  std::uint64_t backend_restarts = 0;
};

// One revocation list, and how well it is known.
struct RevocationSource {
  std::string name;                     // the file or URL
  std::optional<WallTime> read_at;      // when a usable list was last read or fetched; unset: never
  std::optional<WallTime> issued_at;    // of that list, by its issuer's clock
  std::optional<WallTime> next_update;  // when its issuer owes the next
  std::string problem;                  // of the last attempt, in plain words; empty: it went well
  std::optional<WallTime> failing_since;
};

struct RevocationStatus {
  // "good", "revoked", "unavailable" (no list can be used), "not_checked" (none is configured), "no_issuer" (self-declared:
  // nobody above could revoke it).
  std::string status = "not_checked";
  std::optional<WallTime> checked_at;  // the latest read_at
  std::vector<RevocationSource> lists;
};

struct RegistrationStatus {
  registration::Standing standing;
  std::string level;  // "self", "company", "association", "regulator"; empty when unregistered
  std::string sentence;
  std::string legal_name;
  std::optional<std::string> reference;
  std::optional<WallTime> valid_from;
  std::optional<WallTime> valid_until;
  std::string certificate_pem;
  RevocationStatus revocation;
  struct Installed {
    std::string fingerprint;
    std::uint64_t from_index = 0;
    WallTime installed;
  };
  std::vector<Installed> history;
  struct Anchor {
    std::string subject;
    std::string level;
  };
  std::vector<Anchor> anchors;
};

struct WitnessStatus {
  std::string name;
  std::string url;
  std::optional<std::uint64_t> records;  // that it has cosigned; unset: none yet
  std::optional<WallTime> cosigned_at;   // by its own clock
  std::uint64_t lag_records = 0;
  std::chrono::nanoseconds lag{};  // age of the oldest record that it has not cosigned
  bool alarm = false;              // behind for longer than allowed, or of another history
  std::string problem;             // why the last attempt failed, in our words; empty: it did not
  std::uint64_t failures = 0;      // attempts, since the start
};

// How the beginnings of sessions are seen before the next poll.
struct SessionEventsStatus {
  enum class State { followed, off, userspace, refused };
  State state = State::off;  // userspace: no interface with the kernel's backend wants it
  std::string hook;          // how the kernel tells, when followed
  std::string problem;       // why it does not, when refused
  std::string hint;          // what to do about it; empty: nothing
};

struct Status {
  std::string gateway_id;
  WallTime started;
  std::chrono::seconds uptime{};
  std::vector<InterfaceStatus> interfaces;
  SessionEventsStatus session_events;
  RegistrationStatus registration;
  std::size_t peers_total = 0;
  std::size_t peers_enabled = 0;
  std::size_t peers_expiring = 0;  // within ledger::kExpiryWarning
  std::size_t sessions_today = 0;
  std::size_t sessions_open = 0;
  std::uint64_t records = 0;      // leaves so far
  std::uint64_t events_held = 0;  // observed, waiting for storage to write again
  bool writable = true;
  std::string storage_problem;
  ClockSync clock;
  std::uint64_t signed_records = 0;       // of them under the latest signed checkpoint
  std::optional<WallTime> checkpoint_at;  // when the published log was last signed; unset: not yet
  std::vector<WitnessStatus> witnesses;
  std::uint64_t log_epoch = 0;  // of the signing key
  std::string log_problem;      // why the log is not published; empty: it is
  std::uint64_t disk_free_bytes = 0;
};

class Queries {
 public:
  explicit Queries(Gateway& gateway) : gateway_(gateway) {}

  void sessions(SessionQuery query, Done<Page<SessionView>> done);
  void session(std::string id_hex, Done<SessionView> done);
  // Leaves from `from`, at most `limit` (1..1000). An empty page means: nothing there yet.
  void leaves(std::uint64_t from, std::size_t limit, Done<std::vector<LeafView>> done);
  void status(Done<Status> done);
  void registration(Done<RegistrationStatus> done);

  // Calls `wake` on the loop thread after each commit that added leaves, until unsubscribed. For followers (SSE).
  std::uint64_t subscribe(std::function<void()> wake);
  void unsubscribe(std::uint64_t id);

  // One leaf for a call that reads evidence, committed before the answer starts. `target`: "sessions", "log", ...
  void record_read(Caller caller, std::string verb, std::string target, Done<std::uint64_t> done);
  // One leaf for a refused call. Bounded: above 30 a minute and uid, refusals are counted into one leaf a minute, so that
  // nobody without a role can fill the disk.
  void record_refusal(Caller caller, std::string verb, std::string target, std::string why);

 private:
  Gateway& gateway_;
};

struct InstallRegistration {
  std::string certificate_pem;  // the chain, the gateway's certificate first
  std::optional<std::string> reference;
  std::optional<WallTime> authority_valid_until;
  std::string note;
  bool despite_differences = false;  // also when it is not what was asked for, or does not match the live gateway
};

// An application that was written: what it asks for, and its papers by their hashes alone.
struct RecordRequest {
  std::string request_pem;
  struct Document {
    std::string kind;
    Sha256 sha256{};
  };
  std::vector<Document> documents;
};

// A server key that was changed, and who has not followed yet.
struct RotationStatus {
  wg::PublicKey public_key;                 // in use
  bool registered = false;                  // the registration names this interface's key: a new one needs a certificate
  std::optional<wg::PublicKey> next_key;    // made, and waiting for its certificate
  std::optional<WallTime> rotated;          // when the key in use came
  std::vector<ledger::PeerRecord> waiting;  // peers older than that which have not connected since: they hold the old profile
  std::size_t peers = 0;                    // those older than that in all
};

class InterfaceLoop;
struct InterfaceKey;

class Registrations {
 public:
  explicit Registrations(Gateway& gateway) : gateway_(gateway) {}
  // Errors: invalid_argument (not a registration certificate, key is not this gateway's, unknown issuer), refused_by_policy (it
  // is not what was asked for, or does not match the live gateway).
  void install(Caller caller, InstallRegistration input, Done<Changed<RegistrationStatus>> done);
  void grace(Caller caller, WallTime until, std::string announcement, Done<Changed<RegistrationStatus>> done);
  // Kept until the next certificate is installed, which is then held against it. The value: SHA-256 of the request.
  void record_request(Caller caller, RecordRequest input, Done<Changed<Sha256>> done);

  // key_rotation.cpp. A certificate names the WireGuard key, so a new key needs a new certificate first: next_key() makes the key
  // beside the one in use, rotate_key() takes its certificate and changes both at once; said again, it answers the same again. Of
  // an interface whose key the registration does not name (each but the first), rotate_key() takes no certificate. Errors:
  // not_found (no such interface, no next key), unsupported (the key is the service manager's), those of install().
  void next_key(Caller caller, std::string interface, Done<Changed<RotationStatus>> done);
  void rotate_key(Caller caller, std::string interface, InstallRegistration input, Done<Changed<RotationStatus>> done);
  void rotation(std::string interface, Done<RotationStatus> done);

 private:
  [[nodiscard]] RotationStatus about(const InterfaceLoop& one) const;
  [[nodiscard]] Result<std::string> check_next(const InstallRegistration& input, const wg::PublicKey& next) const;
  void take_into_use(const Caller& caller, const std::string& interface, const InstallRegistration& input,
                     const InterfaceKey& next, const Done<Changed<RotationStatus>>& done);
  void answer_again(const std::string& interface, std::uint64_t evidence, const Done<Changed<RotationStatus>>& done);

  Gateway& gateway_;
};

struct RotatedLogKey {
  std::uint64_t epoch = 0;
  std::string key;                // the new key's public half, a vkey
  std::uint64_t first_index = 0;  // of the records it signs
  std::uint64_t evidence = 0;     // the record that announces it; who asked is in the one before
};

struct Reloaded {
  std::vector<std::string> changed;  // dotted keys
  std::uint64_t evidence = 0;
};

class Operations {
 public:
  explicit Operations(Gateway& gateway) : gateway_(gateway) {}
  // Reads the configuration file again. Everything is verified before anything changes; a refusal changes nothing
  // (invalid_argument: message holds all errors, one a line).
  void reload(Caller caller, Done<Reloaded> done);
  void shutdown(Caller caller, Done<std::uint64_t> done);
  // Ends the epoch of the log's signing key. Errors: conflict (the last change is not published yet), unavailable, io.
  void rotate_log_key(Caller caller, Done<RotatedLogKey> done);

 private:
  Gateway& gateway_;
};

}  // namespace sanad::service
