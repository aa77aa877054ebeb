#pragma once
// What the ledger keeps, as values. Times are WallTime to the nanosecond; ids are opaque text ("p-", "o-" and 13 base32
// characters).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/leaf.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/sha256.hpp"
#include "gateway/sessions/events.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::ledger {

// When a person was erased, and the first record of it.
struct ErasedAt {
  WallTime at;
  std::uint64_t evidence = 0;
  bool operator==(const ErasedAt&) const = default;
};

// A person (or a thing with a name) that owns peers.
struct Owner {
  std::string id;
  std::string handle;  // [a-z0-9-]+, unique; the first half of a peer's name
  std::string name;
  std::string email;                 // empty = none; unique otherwise, case-insensitively
  std::optional<ErasedAt> erased{};  // read with a peer; name and e-mail are empty then and the handle says nothing
  bool operator==(const Owner&) const = default;
};

enum class PeerState { active, disabled, pending, expired, suspended, revoked };
std::string_view to_string(PeerState state) noexcept;
Result<PeerState> parse_peer_state(std::string_view text);

struct PeerRecord {
  std::string id;  // empty on insert: the ledger makes one
  std::string interface;
  Owner owner;                     // on insert and update only owner.id counts
  std::string device;              // unique among the owner's peers that are not revoked, case-insensitively
  wg::PublicKey public_key;        // unique among peers that are not revoked or still on the device
  wg::PresharedKey preshared_key;  // all zero = none
  std::vector<IpPrefix> allowed_ips;
  std::uint16_t keepalive_s = 0;  // 0 = off
  bool enabled = true;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires_at;
  std::vector<std::string> groups;
  std::string note;
  WallTime created;
  WallTime updated;
  std::uint64_t version = 1;  // + 1 with every update_peer(); the ETag
  std::optional<WallTime> revoked;
  bool on_device = false;  // the device may have it: set before it is added, cleared when a complete snapshot lacks it

  [[nodiscard]] std::string name() const { return owner.handle + "/" + device; }
};

// Never `suspended`: that comes from the registration's standing, which the ledger does not know.
PeerState state_of(const PeerRecord& peer, WallTime now);

struct PeerFilter {
  std::string match;  // empty = all; case-insensitive: exact id, or prefix of name, owner's name, e-mail, public key
  std::string owner_id;
  std::string interface;
  std::optional<PeerState> state;  // judged at `now`; unset = all but revoked; suspended matches as active does
  WallTime now;
};

// `next` is the cursor of the following page; empty = this was the last.
struct PeerPage {
  std::vector<PeerRecord> peers;
  std::string next;
};

struct PeerCounts {
  std::uint64_t total = 0;  // not revoked
  std::uint64_t enabled = 0;
  std::uint64_t expiring = 0;  // enabled, with an end within kExpiryWarning
};

// An admin is told this long before a peer's end: time to ask whether the person stays.
inline constexpr std::chrono::hours kExpiryWarning{72};

// How far warnings of an end have come: all live peers up to it were told of.
struct ExpiryMark {
  WallTime expires_at;
  std::int64_t seq = 0;  // tells peers with the same end apart
};

struct ExpiringPeer {
  std::string id;
  ExpiryMark mark;
};

// Peers whose time has come.
struct DuePeers {
  std::vector<PeerRecord> expired;  // enabled, on the device, expires_at <= now
  std::vector<PeerRecord> begun;    // enabled, not on the device, not_before <= now < expires_at
  std::optional<WallTime> next;     // the earliest not_before or expires_at after now
};

// Which part of a pool is never given out: the gateway's own addresses and the like.
struct PoolRequest {
  std::string interface;
  IpPrefix pool;
  std::vector<IpAddress> reserved;
  std::chrono::nanoseconds quarantine{};  // how long a released address rests
};

// ---- Sessions ----

struct SessionEndpoint {
  Endpoint address;
  WallTime since;
  std::uint64_t evidence = 0;  // leaf index of the open or the move
  bool operator==(const SessionEndpoint&) const = default;
};

struct SessionEnd {
  WallTime at;
  sessions::Bounds bounds;
  sessions::CloseReason reason = sessions::CloseReason::expired;
  bool inferred = false;
  std::uint64_t evidence = 0;  // leaf index of the close
};

// What is checkpointed while a session is open, and fixed when it closes.
struct SessionFigures {
  sessions::Traffic traffic;
  sessions::Traffic uncertain;
  std::uint32_t handshakes = 1;
  std::uint32_t moves = 0;
  WallTime as_of;
  bool from_checkpoint = false;
};

struct SessionRecord {
  sessions::SessionId id{};
  std::string peer_id;
  std::string owner_id;
  std::string interface;
  std::vector<IpPrefix> inner;             // the peer's allowed IPs at open
  std::vector<SessionEndpoint> endpoints;  // oldest first; emptied by erasure
  WallTime started;
  sessions::Bounds started_bounds;
  std::optional<SessionEnd> end;  // unset = still open
  SessionFigures figures;
  std::uint64_t opened_evidence = 0;  // leaf index of the open
  // What a restart needs to know whether the counters still mean the same thing.
  sessions::Traffic base;
  std::uint32_t incarnation = 0;
  std::string boot_id;
  wg::DeviceIdentity device_identity;
};

struct SessionFilter {
  std::string peer_id;
  std::string owner_id;
  std::optional<bool> active;
  std::optional<WallTime> from;  // sessions that overlap [from, to)
  std::optional<WallTime> to;
  std::optional<IpAddress> inner;  // the peer held this address while the session ran
  std::optional<IpAddress> outer;  // the session was seen from this address
  std::optional<WallTime> at;      // open at this moment
};

struct SessionPage {
  std::vector<SessionRecord> sessions;  // newest start first
  std::string next;
};

struct SessionCounts {
  std::uint64_t open = 0;
  std::uint64_t since = 0;  // started at or after the time asked about
};

// Who an inner address belonged to at a moment, and the session it was used in, if one was open then.
struct Holding {
  PeerRecord peer;
  IpPrefix prefix;
  WallTime from;
  std::optional<WallTime> until;  // unset = still
  std::optional<SessionRecord> session;
};

// ---- The rest ----

struct RegistrationRecord {
  std::string certificate_pem;  // the chain
  std::string fingerprint;      // SHA-256 of the first certificate, hex; identifies the row
  std::string reference;        // authority's number; empty = none
  std::optional<WallTime> authority_valid_until;
  std::string note;
  WallTime installed;
  std::uint64_t from_index = 0;  // leaf index of its installation
  std::optional<WallTime> grace_until;
  std::string grace_announcement;
};

// What a repeated Idempotency-Key gets. The body holds no secret: the caller sees to that.
struct StoredAnswer {
  std::uint32_t uid = 0;
  std::string key;
  Sha256 request_digest{};
  std::uint32_t status = 0;
  std::string body;
  WallTime created;
};

struct StoredLeaf {
  std::uint64_t index = 0;
  std::string bytes;
  std::vector<audit::Disclosure> disclosures;  // empty unless asked for
};

// The checkpoint that was signed last: all `size` leaves below it stand in the log's tiles.
struct SignedLog {
  std::uint64_t size = 0;
  std::string note;  // empty: nothing was signed yet
};

// Which key signs the log in an epoch, as its public half is written (c2sp.org/signed-note, "vkey"), and the first leaf of it.
struct LogKey {
  std::uint64_t epoch = 0;
  std::string vkey;
  std::uint64_t first_index = 0;
};

// A published log that is ahead of the ledger, which was put back from an older copy.
struct AdoptedLog {
  SignedLog signed_log;             // its latest checkpoint; the size counts records
  std::vector<LogKey> keys;         // all of them
  WallTime epoch_began;             // the last one's beginning
  std::vector<StoredLeaf> pending;  // those not in full bundles, up to the last
};

}  // namespace sanad::ledger
