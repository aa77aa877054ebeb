#pragma once
// What a job may do to the ledger. Lives for one job, on the storage thread; never kept.
//
// Expected failures come back as Error (not_found, conflict, exhausted, invalid_argument). Trouble with the storage itself
// (I/O, full disk, corruption) leaves the job by an exception that Ledger turns into Errc::unavailable for everyone in the batch:
// jobs do not catch.
//
// A job that returns an error leaves nothing behind, its leaves included: to record a refusal, append it and return success.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/event.hpp"
#include "control/ledger/prepared_event.hpp"
#include "control/ledger/records.hpp"
#include "gateway/sessions/tracker.hpp"

namespace sanad::ledger {

class Custody;  // holds, erasure and retention: custody.hpp
class Store;    // the open database with its prepared statements

class Transaction final {
 public:
  // For Ledger: `now` is the time stamped on leaves, claims and releases of this job.
  Transaction(Store& store, Instant now) : store_(store), now_(now) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  [[nodiscard]] Instant now() const { return now_; }

  // Runs `part` in a savepoint: when it returns an error, what it did is undone and the rest of the job goes on. For imports,
  // where each line stands or falls alone.
  Result<void> atomically(const std::function<Result<void>()>& part);

  // ---- Evidence ----
  // Takes the next leaf index, stores the leaf and its disclosures; prepared: see prepared_event.hpp. The index is final once the
  // job's commit succeeds. Errors: invalid_argument (the draft is not canonical JSON, or the leaf would be longer than 65,535
  // bytes).
  Result<std::uint64_t> append(const audit::EventDraft& draft);
  Result<std::uint64_t> append(const PreparedEvent& event);
  // The index the next append() will take: records that name their own leaf are filled in with it.
  [[nodiscard]] std::uint64_t next_index() const;
  // Of those committed and still pending; what was dropped stands in the log's bundles. A job does not see its own.
  std::vector<StoredLeaf> leaves(std::uint64_t from, std::size_t limit, bool with_disclosures);
  std::vector<audit::Disclosure> disclosures_of(std::uint64_t leaf_index);
  std::uint64_t leaf_count();

  // ---- The published log ----
  SignedLog signed_log();
  // internal: the size is not larger than the last one's, or more than there are leaves.
  Result<void> store_signed_log(const SignedLog& log);
  // Leaves that share a row of the outbox (a commit, see outbox_rows.hpp) with one that stays, stay with it.
  // internal: some of them are not covered by the signed log.
  Result<void> drop_leaves_below(std::uint64_t index);
  std::uint64_t first_pending_leaf();  // next_index() when none is
  std::vector<LogKey> log_keys();      // by epoch
  // The next leaf is the first of the key's epoch, which begins now; of the first epoch of all it may be any leaf so far.
  // internal: another leaf is next, or the epoch is not the one after the last.
  Result<void> begin_log_epoch(const LogKey& key);
  std::optional<WallTime> log_epoch_began();  // unset: no epoch has begun
  // Goes on where the published log ends; the next leaf follows its last. internal: it ends before this ledger does.
  Result<void> adopt_log(const AdoptedLog& log);
  // The next leaf is the first of another log, signed by `key`; what the last one had pending and signed, and its keys, are
  // forgotten. A leaf must be appended in the same job. internal (as for adopt_log): leaves were appended in the same commit
  // already.
  Result<void> begin_log_anew(const LogKey& key);

  // ---- Owners ----
  // By e-mail when given, else by handle when given, else by the handle that the name makes; created when there is none.
  // A new handle is the name as a slug, with "-2", "-3", ... when taken. conflict: the handle belongs to another e-mail.
  Result<Owner> find_or_create_owner(const std::string& name, const std::string& email, const std::string& handle);
  std::optional<Owner> find_owner(const std::string& id);
  Result<void> update_owner(const Owner& owner);  // name and e-mail by id; the handle stays

  // ---- Peers ----
  // Errors: conflict, with `field` "public_key", "device" or "allowed_ips[n]" (overlaps with a live peer of the interface).
  // created, updated and version are set here. Returns the row as stored.
  Result<PeerRecord> insert_peer(PeerRecord peer);
  // By id; everything but created, revoked and on_device is written. The caller has compared `version` with If-Match in this same
  // job.
  Result<PeerRecord> update_peer(PeerRecord peer);
  // Marks it revoked and releases its addresses into quarantine; on_device stays until mark_on_device(). not_found, or conflict
  // when it is revoked already.
  Result<PeerRecord> revoke_peer(const std::string& id);
  Result<void> mark_on_device(const std::string& id, bool on_device);  // no new version: not an admin's change

  std::optional<PeerRecord> find_peer(const std::string& id);            // revoked ones too
  std::optional<PeerRecord> find_peer_by_name(const std::string& name);  // "handle/device", live peers
  std::optional<PeerRecord> find_peer_by_key(const wg::PublicKey& key);  // live, or revoked and still on the device
  // In order of creation. `cursor` empty = from the start; invalid_argument when it is not one of ours. limit 1..1000.
  Result<PeerPage> peers(const PeerFilter& filter, const std::string& cursor, std::size_t limit);
  // What the device should have or may still have: live peers, and revoked ones not yet gone from it.
  std::vector<PeerRecord> peers_of_device(const std::string& interface);
  // The same one by one: 2^20 of them are never held at once.
  void each_peer_of_device(const std::string& interface, const std::function<void(const PeerRecord&)>& look);
  PeerCounts peer_counts(WallTime now);
  // Of that interface and not revoked, served now or not.
  std::uint64_t peers_on(const std::string& interface);
  // Enabled live peers that end after `mark` and until `until`, soonest first.
  std::vector<ExpiringPeer> peers_expiring(const ExpiryMark& mark, WallTime until, std::size_t limit);
  DuePeers due_peers(WallTime now);

  // ---- Addresses ----
  // The live peer of the interface whose allowed IPs overlap, if any.
  std::optional<PeerRecord> overlapping(const std::string& interface, const IpPrefix& prefix);
  // Whether an address of the prefix was released less than `quarantine` ago.
  bool in_quarantine(const std::string& interface, const IpPrefix& prefix, std::chrono::nanoseconds quarantine);
  // The lowest free host address: not claimed, not in quarantine, not reserved, not the pool's first (network, subnet-router
  // anycast) nor, for IPv4, its last (broadcast). It is claimed by insert_peer() or update_peer(), not before: allocate, then
  // insert. exhausted when there is none.
  Result<IpAddress> allocate(const PoolRequest& request);
  std::optional<Holding> who_held(const IpAddress& inner, WallTime when);

  // ---- Sessions ----
  // conflict: a session with this id exists. Told to the job when it is run again: rows are put in together, with those of the
  // whole commit or when a statement asks for them, and one that is there already makes all jobs run again, each alone.
  Result<void> open_session(const SessionRecord& session);
  Result<void> move_session(const sessions::SessionId& id, const SessionEndpoint& endpoint);
  Result<void> close_session(const sessions::SessionId& id, const SessionEnd& end, const SessionFigures& figures);
  Result<void> checkpoint_session(const sessions::SessionId& id, const SessionFigures& figures);
  std::optional<SessionRecord> find_session(const sessions::SessionId& id);
  std::vector<SessionRecord> open_sessions(const std::string& interface);
  Result<SessionPage> sessions(const SessionFilter& filter, const std::string& cursor, std::size_t limit);  // limit 1..1000
  SessionCounts session_counts(WallTime since);
  std::optional<WallTime> last_session_at(const std::string& peer_id);  // start of the newest

  void put_baseline(const std::string& interface, const sessions::Baseline& baseline);
  void delete_baseline(const std::string& interface, const wg::PublicKey& peer);
  std::vector<sessions::Baseline> baselines(const std::string& interface);

  // ---- Registration ----
  void put_registration(const RegistrationRecord& record);  // a known fingerprint is replaced
  Result<void> set_grace(const std::string& fingerprint, WallTime until, const std::string& announcement);
  std::optional<RegistrationRecord> current_registration();
  std::vector<RegistrationRecord> registration_history();  // oldest first

  // ---- Idempotency ----
  std::optional<StoredAnswer> stored_answer(std::uint32_t uid, const std::string& key);
  void store_answer(const StoredAnswer& answer);  // replaces
  std::uint64_t prune_answers(WallTime before);

  // ---- Single values ----
  std::optional<std::string> meta(const std::string& key);
  void set_meta(const std::string& key, const std::string& value);
  void forget_meta(const std::string& key);

 private:
  friend class Custody;
  Store& store_;
  Instant now_;
};

// Names in the meta table.
inline constexpr const char* kMetaGatewayId = "gateway_id";
inline constexpr const char* kMetaBootId = "boot_id";
inline constexpr const char* kMetaEpoch = "log_epoch";                        // decimal; absent = 1
inline constexpr const char* kMetaEpochBegan = "log_epoch_began";             // wall ns
inline constexpr const char* kMetaEpochFirstPrefix = "log_epoch_first.";      // + epoch: decimal leaf index; absent = 0
inline constexpr const char* kMetaDeviceIdentityPrefix = "device_identity.";  // + interface
inline constexpr const char* kMetaLastSnapshotPrefix = "last_snapshot.";      // + interface: "<boot ns> <wall ns>"

}  // namespace sanad::ledger
