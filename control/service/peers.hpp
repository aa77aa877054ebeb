#pragma once
// Use cases on peers. Each change is one ledger transaction: the new state and its evidence leaf, or neither.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "control/ledger/records.hpp"
#include "control/service/request.hpp"
#include "gateway/sessions/tracker.hpp"

namespace sanad::service {

using ledger::PeerState;

struct PeerView {
  ledger::PeerRecord peer;
  PeerState state = PeerState::active;
  std::optional<sessions::Tracker::Live> connected;
  std::optional<WallTime> last_session_at;
};

enum class PresharedChoice { generate, none, given };

struct NewPeer {
  std::string owner_id;    // an existing owner, or empty:
  std::string owner_name;  // a new one (or the one with the same e-mail or handle)
  std::string owner_email;
  std::string owner_handle;  // default: made from the name
  std::string device = "device";
  std::optional<std::string> public_key;  // unset: a key pair is made here, shown once, not kept
  PresharedChoice preshared = PresharedChoice::generate;
  wg::PresharedKey preshared_key;                    // when given
  std::optional<std::vector<IpPrefix>> allowed_ips;  // unset: one address from each of the interface's pools
  std::optional<std::uint16_t> keepalive_s;
  bool enabled = true;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires_at;
  std::vector<std::string> groups;
  std::string note;
  std::string interface;  // empty: the one whose network has the allowed IPs; without them, the first whose pools have room
  bool profile = true;    // false: none is written, PeerAdded::profile stays empty
};

struct PeerAdded {
  PeerView peer;
  std::uint64_t evidence = 0;
  std::string profile;          // wg-quick text with secrets; empty on an idempotent replay
  std::string profile_problem;  // why none could be written, and what to do
};

// Unset = leave. An empty optional inside = clear.
struct PeerEdit {
  std::optional<std::string> owner_name;
  std::optional<std::string> owner_email;
  std::optional<std::string> device;
  std::optional<std::string> public_key;
  std::optional<std::vector<IpPrefix>> allowed_ips;
  std::optional<std::uint16_t> keepalive_s;
  std::optional<std::optional<WallTime>> not_before;
  std::optional<std::optional<WallTime>> expires_at;
  std::optional<std::vector<std::string>> groups;
  std::optional<std::string> note;
};

struct PeerQuery {
  std::string match;  // see admin-api: id, name, or a case-insensitive prefix
  std::string owner_id;
  std::string interface;
  std::optional<PeerState> state;
  std::string cursor;
  std::size_t limit = 500;  // 1..1000; one chunk
};

template <class T>
struct Page {
  std::vector<T> items;
  std::string next;  // empty: that was the last
};

struct PeerRevoked {
  PeerView peer;
  std::uint64_t evidence = 0;
  bool recorded = true;  // false: storage cannot write now; it took effect and is recorded later
  bool stopped = true;   // the backend has confirmed that traffic is cut
  std::string why_not_stopped;
};

struct RotatedPsk {
  PeerView peer;
  std::uint64_t evidence = 0;
  std::string preshared_key;  // shown once
};

struct ImportLine {
  std::size_t line = 0;  // 1-based, of the request body
  Result<NewPeer> peer;
};

struct ImportResult {
  std::size_t line = 0;
  Result<PeerAdded> added;  // profiles are empty: clients bring their keys in an import
};

struct ImportReport {
  std::vector<ImportResult> lines;  // in input order; empty `added` errors when atomic and rolled back
  std::size_t added = 0;
  std::size_t failed = 0;
  std::chrono::microseconds database{};
};

class Gateway;

class Peers {
 public:
  explicit Peers(Gateway& gateway) : gateway_(gateway) {}

  // Errors: invalid_argument (field named), conflict (key, name or allowed IP taken), exhausted (pool), refused_by_policy
  // (registration standing), unavailable (storage).
  void add(Caller caller, NewPeer peer, Done<PeerAdded> done);
  void import(Caller caller, std::vector<ImportLine> lines, bool atomic, Done<ImportReport> done);
  void list(PeerQuery query, Done<Page<PeerView>> done);
  void get(std::string id, Done<PeerView> done);
  // `if_version`: conflict with field "If-Match" when the peer has another version.
  void edit(Caller caller, std::string id, PeerEdit edit, std::optional<std::uint64_t> if_version, Done<Changed<PeerView>> done);
  // Disabling takes effect also when storage cannot write; it is recorded as soon as it can (Changed::recorded).
  void set_enabled(Caller caller, std::string id, bool enabled, Done<Changed<PeerView>> done);
  // Answers when the backend has cut the traffic and the revocation is durable, or says which of the two is missing.
  void revoke(Caller caller, std::string id, Done<PeerRevoked> done);
  void rotate_psk(Caller caller, std::string id, Done<RotatedPsk> done);
  // The profile without secrets (they were shown once).
  void profile(std::string id, Done<std::string> done);

 private:
  void disable_unrecorded(Caller caller, std::string id, Error why, Done<Changed<PeerView>> done);

  Gateway& gateway_;
};

}  // namespace sanad::service
