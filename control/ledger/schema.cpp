#include "control/ledger/schema.hpp"

#include <SQLiteCpp/Transaction.h>

#include <array>
#include <string>

namespace sanad::ledger {
namespace {

// "Snad": tells a state.db from any other SQLite file (PRAGMA application_id).
constexpr int kApplicationId = 0x536E6164;

// Times are nanoseconds since 1970 UTC; unsigned 64-bit counters are stored bit for bit in SQLite's signed integers.
// Addresses are one byte for the family (4, 6) and then the address, so that they sort as addresses do.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Leaves not yet in published tiles. Dense from the first that is still here; the publisher removes them from below.
CREATE TABLE pending_leaves(leaf_index INTEGER PRIMARY KEY, leaf BLOB NOT NULL);

-- items: JSON [["salt","name",value],...]: what opens the digests of one leaf for one person. Deleting rows is erasure.
CREATE TABLE disclosures(
  leaf_index INTEGER NOT NULL, owner_id TEXT NOT NULL, items TEXT NOT NULL,
  PRIMARY KEY(leaf_index, owner_id)) WITHOUT ROWID;
CREATE INDEX disclosures_by_owner ON disclosures(owner_id) WHERE owner_id <> '';

CREATE TABLE owners(
  id TEXT PRIMARY KEY, handle TEXT NOT NULL UNIQUE, name TEXT NOT NULL, email TEXT NOT NULL COLLATE NOCASE) WITHOUT ROWID;
CREATE UNIQUE INDEX owners_by_email ON owners(email) WHERE email <> '';
-- The next number to try for a handle that many names make.
CREATE TABLE handle_numbers(base TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE peers(
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, interface TEXT NOT NULL,
  owner_id TEXT NOT NULL REFERENCES owners(id), device TEXT NOT NULL COLLATE NOCASE,
  public_key BLOB NOT NULL, preshared_key BLOB, allowed_ips TEXT NOT NULL, keepalive_s INTEGER NOT NULL,
  enabled INTEGER NOT NULL, not_before INTEGER, expires_at INTEGER, peer_groups TEXT NOT NULL, note TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, version INTEGER NOT NULL, revoked INTEGER, on_device INTEGER NOT NULL);
CREATE UNIQUE INDEX peers_by_device ON peers(owner_id, device) WHERE revoked IS NULL;
CREATE UNIQUE INDEX peers_by_key ON peers(public_key) WHERE revoked IS NULL OR on_device = 1;
CREATE INDEX peers_by_expiry ON peers(expires_at) WHERE expires_at IS NOT NULL AND revoked IS NULL;
CREATE INDEX peers_by_begin ON peers(not_before) WHERE not_before IS NOT NULL AND revoked IS NULL;

-- Which peer holds which addresses now; ranges of one interface never overlap.
CREATE TABLE claims(
  interface TEXT NOT NULL, lo BLOB NOT NULL, hi BLOB NOT NULL, peer_id TEXT NOT NULL, claimed INTEGER NOT NULL,
  PRIMARY KEY(interface, lo)) WITHOUT ROWID;
-- Which peer held them once: quarantine, and the answer to "who held".
CREATE TABLE released_claims(
  interface TEXT NOT NULL, lo BLOB NOT NULL, hi BLOB NOT NULL, released INTEGER NOT NULL, peer_id TEXT NOT NULL,
  claimed INTEGER NOT NULL,
  PRIMARY KEY(interface, lo, hi, released, peer_id)) WITHOUT ROWID;
CREATE INDEX released_claims_by_time ON released_claims(interface, released);

CREATE TABLE sessions(
  seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, peer_id TEXT NOT NULL, owner_id TEXT NOT NULL, interface TEXT NOT NULL,
  inner_prefixes TEXT NOT NULL, started INTEGER NOT NULL, started_not_before INTEGER NOT NULL, started_not_after INTEGER NOT NULL,
  ended INTEGER, ended_not_before INTEGER, ended_not_after INTEGER, reason INTEGER, end_inferred INTEGER, closed_leaf INTEGER,
  rx INTEGER NOT NULL, tx INTEGER NOT NULL, uncertain_rx INTEGER NOT NULL, uncertain_tx INTEGER NOT NULL,
  handshakes INTEGER NOT NULL, moves INTEGER NOT NULL, figures_as_of INTEGER NOT NULL, figures_from_checkpoint INTEGER NOT NULL,
  opened_leaf INTEGER NOT NULL, base_rx INTEGER NOT NULL, base_tx INTEGER NOT NULL, incarnation INTEGER NOT NULL,
  boot_id TEXT NOT NULL, device_identity TEXT NOT NULL);
CREATE INDEX sessions_by_start ON sessions(started);
CREATE INDEX sessions_by_peer ON sessions(peer_id, started);
CREATE INDEX sessions_open ON sessions(interface) WHERE ended IS NULL;

-- Outer addresses: personal, so apart from the session and deletable.
CREATE TABLE session_endpoints(
  session INTEGER NOT NULL, leaf_index INTEGER NOT NULL, address BLOB NOT NULL, port INTEGER NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY(session, leaf_index)) WITHOUT ROWID;
CREATE INDEX session_endpoints_by_address ON session_endpoints(address);

CREATE TABLE baselines(
  interface TEXT NOT NULL, public_key BLOB NOT NULL, incarnation INTEGER NOT NULL,
  handshake_sec INTEGER NOT NULL, handshake_nsec INTEGER NOT NULL, rx INTEGER NOT NULL, tx INTEGER NOT NULL,
  endpoint TEXT NOT NULL, sampled_boot INTEGER NOT NULL, sampled_wall INTEGER NOT NULL,
  session BLOB, started INTEGER, base_rx INTEGER, base_tx INTEGER, last_handshake_boot INTEGER, last_moved_boot INTEGER,
  last_moved_wall INTEGER, handshakes INTEGER, moves INTEGER,
  PRIMARY KEY(interface, public_key)) WITHOUT ROWID;

CREATE TABLE registrations(
  fingerprint TEXT PRIMARY KEY, certificate_pem TEXT NOT NULL, reference TEXT NOT NULL, authority_valid_until INTEGER,
  note TEXT NOT NULL, installed INTEGER NOT NULL, from_index INTEGER NOT NULL, grace_until INTEGER,
  grace_announcement TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE answers(
  uid INTEGER NOT NULL, key TEXT NOT NULL, request_digest BLOB NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
  created INTEGER NOT NULL, PRIMARY KEY(uid, key)) WITHOUT ROWID;
CREATE INDEX answers_by_time ON answers(created);
)sql";

constexpr const char* kVersion2 = R"sql(
-- The checkpoint signed last; every leaf below its size stands in the log's tiles and may be gone from the outbox.
CREATE TABLE signed_log(id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, note TEXT NOT NULL);

-- Which key signs in which epoch: the keys' files must not be exchanged unnoticed.
CREATE TABLE log_keys(epoch INTEGER PRIMARY KEY, vkey TEXT NOT NULL);
)sql";

constexpr const char* kCustody = R"sql(
-- What must not be deleted, whoever asks. Empty or NULL: does not narrow it.
CREATE TABLE holds(
  id TEXT PRIMARY KEY, owner_id TEXT NOT NULL, address BLOB, from_time INTEGER, to_time INTEGER, reason TEXT NOT NULL,
  approver TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER, uid INTEGER NOT NULL, leaf_index INTEGER NOT NULL)
  WITHOUT ROWID;

-- Acts that wait for a second admin. request: JSON, what to do once confirmed.
CREATE TABLE confirmations(
  id TEXT PRIMARY KEY, act TEXT NOT NULL, request TEXT NOT NULL, uid INTEGER NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL) WITHOUT ROWID;

-- Who was erased; leaf_index: the first record of it. finished NULL: to be carried on.
CREATE TABLE erasures(owner_id TEXT PRIMARY KEY, began INTEGER NOT NULL, leaf_index INTEGER NOT NULL, finished INTEGER)
  WITHOUT ROWID;

-- Records below minimum_index are past retention; leaf_index: the record that says so. pruned_index: below it their files are gone.
CREATE TABLE retention(
  id INTEGER PRIMARY KEY CHECK(id = 1), minimum_index INTEGER NOT NULL, pruned_index INTEGER NOT NULL,
  leaf_index INTEGER NOT NULL, days INTEGER NOT NULL);

-- 0: what is personal of it was deleted.
ALTER TABLE sessions ADD COLUMN personal INTEGER NOT NULL DEFAULT 1;
CREATE INDEX sessions_by_end ON sessions(ended) WHERE personal = 1 AND ended IS NOT NULL;
CREATE INDEX sessions_by_closing ON sessions(closed_leaf) WHERE closed_leaf IS NOT NULL;
CREATE INDEX peers_by_owner ON peers(owner_id);
)sql";

constexpr const char* kOutbox = R"sql(
-- Leaves on their way to the published log, those of a commit together: canonical JSON, a line feed between two.
CREATE TABLE outbox(first_leaf INTEGER PRIMARY KEY, leaves INTEGER NOT NULL, text BLOB NOT NULL);
INSERT INTO outbox SELECT leaf_index, 1, leaf FROM pending_leaves;
DROP TABLE pending_leaves;
)sql";

constexpr const char* kLateIndexes = R"sql(
-- By peer, by outer address (personal), by person: kept by late_indexes.cpp, deleted from by the triggers below.
CREATE TABLE session_peers(
  peer_id TEXT NOT NULL, started INTEGER NOT NULL, session INTEGER NOT NULL, PRIMARY KEY(peer_id, started, session)) WITHOUT ROWID;
CREATE TABLE session_addresses(
  address BLOB NOT NULL, session INTEGER NOT NULL, leaf_index INTEGER NOT NULL, PRIMARY KEY(address, session, leaf_index))
  WITHOUT ROWID;
CREATE TABLE disclosure_owners(
  owner_id TEXT NOT NULL, leaf_index INTEGER NOT NULL, PRIMARY KEY(owner_id, leaf_index)) WITHOUT ROWID;

-- The rows of sessions (by seq, with their endpoints) and of disclosures (by leaf_index) that are not in these yet.
CREATE TABLE late(kind TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;

INSERT INTO session_peers SELECT peer_id, started, seq FROM sessions ORDER BY peer_id, started, seq;
INSERT INTO session_addresses
  SELECT address, session, leaf_index FROM session_endpoints ORDER BY address, session, leaf_index;
INSERT INTO disclosure_owners
  SELECT owner_id, leaf_index FROM disclosures WHERE owner_id <> '' ORDER BY owner_id, leaf_index;
DROP INDEX sessions_by_peer;
DROP INDEX session_endpoints_by_address;
DROP INDEX disclosures_by_owner;

-- A row may be told twice: ask whether it is in, do not count.
CREATE VIEW sessions_of_peer(peer_id, started, session) AS
  SELECT peer_id, started, session FROM session_peers
  UNION ALL
  SELECT s.peer_id, s.started, s.seq FROM late CROSS JOIN sessions s
  WHERE late.kind = 'sessions' AND s.seq BETWEEN late.first AND late.last;
CREATE VIEW sessions_at_address(address, session) AS
  SELECT address, session FROM session_addresses
  UNION ALL
  SELECT e.address, e.session FROM late CROSS JOIN session_endpoints e
  WHERE late.kind = 'sessions' AND e.session BETWEEN late.first AND late.last;
CREATE VIEW disclosures_of_owner(owner_id, leaf_index) AS
  SELECT owner_id, leaf_index FROM disclosure_owners
  UNION ALL
  SELECT d.owner_id, d.leaf_index FROM late CROSS JOIN disclosures d
  WHERE late.kind = 'disclosures' AND d.leaf_index BETWEEN late.first AND late.last;

CREATE TRIGGER session_gone AFTER DELETE ON sessions BEGIN
  DELETE FROM session_peers WHERE peer_id = OLD.peer_id AND started = OLD.started AND session = OLD.seq;
END;
CREATE TRIGGER endpoint_gone AFTER DELETE ON session_endpoints BEGIN
  DELETE FROM session_addresses WHERE address = OLD.address AND session = OLD.session AND leaf_index = OLD.leaf_index;
END;
CREATE TRIGGER disclosure_gone AFTER DELETE ON disclosures BEGIN
  DELETE FROM disclosure_owners WHERE owner_id = OLD.owner_id AND leaf_index = OLD.leaf_index;
END;
)sql";

// Step i leads from version i to i + 1. Steps that were released are never edited.
constexpr std::array kSteps{kVersion1, kVersion2, kCustody, kOutbox, kLateIndexes};

int pragma(SQLite::Database& database, const char* sql) { return database.execAndGet(sql).getInt(); }

}  // namespace

Result<void> migrate(SQLite::Database& database) {
  const int known = static_cast<int>(kSteps.size());
  const int version = pragma(database, "PRAGMA user_version");
  const int application = pragma(database, "PRAGMA application_id");
  if (application != kApplicationId && (application != 0 || pragma(database, "SELECT count(*) FROM sqlite_master") != 0)) {
    return Error{Errc::corrupt, "it is an SQLite database, but not one of Sanad's", {}, "point state_dir at another directory"};
  }
  if (version > known) {
    return Error{Errc::unsupported,
                 "it was written by a newer Sanad (schema " + std::to_string(version) + ", this program knows " +
                     std::to_string(known) + ")",
                 {},
                 "install that version again; nothing was changed"};
  }
  for (int step = version; step < known; ++step) {
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    database.exec(kSteps.at(static_cast<std::size_t>(step)));
    database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version = " + std::to_string(step + 1));
    transaction.commit();
  }
  return {};
}

}  // namespace sanad::ledger
