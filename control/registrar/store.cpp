#include "control/registrar/store.hpp"

#include <SQLiteCpp/Transaction.h>
#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>

#include "gateway/base/encoding.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::registrar {
namespace {

// "Sreg": tells a registrar's database from any other SQLite file (PRAGMA application_id).
constexpr int kApplicationId = 0x53726567;
constexpr int kSchemaVersion = 1;
constexpr int kBusyTimeoutMs = 5'000;  // two people at one registrar wait for each other

constexpr const char* kSchema = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Times are nanoseconds since 1970 UTC. Rows are never deleted; revoking sets the last two columns once.
CREATE TABLE issued(
  id INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE, fingerprint BLOB NOT NULL UNIQUE,
  legal_name TEXT NOT NULL, organization_identifier TEXT NOT NULL, gateway_id TEXT NOT NULL, category INTEGER NOT NULL,
  reference TEXT, wireguard_key BLOB NOT NULL, key_fingerprint BLOB NOT NULL,
  not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, ends INTEGER NOT NULL, issued_at INTEGER NOT NULL,
  certificate TEXT NOT NULL, revoked_at INTEGER, reason INTEGER NOT NULL DEFAULT 0);
CREATE INDEX issued_by_end ON issued(ends) WHERE revoked_at IS NULL;
CREATE INDEX issued_by_gateway ON issued(gateway_id, legal_name, ends);
CREATE INDEX issued_by_name ON issued(legal_name);
CREATE INDEX issued_by_wireguard_key ON issued(wireguard_key);
CREATE INDEX issued_by_key ON issued(key_fingerprint);
CREATE INDEX issued_by_reference ON issued(reference) WHERE reference IS NOT NULL;
CREATE INDEX issued_revoked ON issued(not_after) WHERE revoked_at IS NOT NULL;

-- Prepared for a key that is kept elsewhere, and not come back yet.
CREATE TABLE prepared(serial TEXT PRIMARY KEY, certificate TEXT NOT NULL) WITHOUT ROWID;

-- Records not yet in full bundles of the log, dense; what opens their digests; the checkpoint signed last.
CREATE TABLE pending_leaves(leaf_index INTEGER PRIMARY KEY, leaf BLOB NOT NULL);
CREATE TABLE disclosures(leaf_index INTEGER NOT NULL, salt TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX disclosures_by_leaf ON disclosures(leaf_index);
CREATE TABLE signed_log(id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, note TEXT NOT NULL);
)sql";

constexpr const char* kColumns =
    "serial, fingerprint, legal_name, organization_identifier, gateway_id, category, reference, wireguard_key, key_fingerprint, "
    "not_before, not_after, ends, issued_at, certificate, revoked_at, reason";

Error from_sqlite(const SQLite::Exception& e) {
  const int code = e.getErrorCode() & 0xFF;
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    return {Errc::unavailable, "the registrar's database is in use", {}, "another registrar command is running; try again"};
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    return {Errc::corrupt, std::string("the registrar's database: ") + e.what(), {}, "restore it from a backup"};
  return {Errc::io, std::string("the registrar's database: ") + e.what()};
}

template <class Work>
auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const SQLite::Exception& e) {
    return from_sqlite(e);
  }
}

Result<void> check_schema(SQLite::Database& database, bool create) {
  if (create) {
    SQLite::Transaction transaction(database);
    database.exec(kSchema);
    database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version = " + std::to_string(kSchemaVersion));
    transaction.commit();
    return {};
  }
  if (database.execAndGet("PRAGMA application_id").getInt() != kApplicationId)
    return Error{Errc::corrupt, "this file is not a registrar's database"};
  if (database.execAndGet("PRAGMA user_version").getInt() > kSchemaVersion)
    return Error{Errc::unsupported, "the registrar's database was written by a newer version of sanad"};
  return {};
}

std::span<const std::uint8_t> blob(SQLite::Statement& query, int column) {
  const auto value = query.getColumn(column);
  return {static_cast<const std::uint8_t*>(value.getBlob()), static_cast<std::size_t>(value.getBytes())};
}

template <std::size_t N>
std::array<std::uint8_t, N> fixed(SQLite::Statement& query, int column) {
  std::array<std::uint8_t, N> out{};
  const auto bytes = blob(query, column);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), out.begin());
  return out;
}

std::string described(const IssuedCertificate& issued) {
  return "\"" + issued.legal_name + "\" (gateway " + issued.gateway_id + ")";
}

}  // namespace

Store::Store(SQLite::Database database) : database_(std::move(database)), random_(audit::system_random()) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file, bool create) {
  {
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0);
    const UniqueFd fd(::open(file.c_str(), flags, 0600));
    if (!fd && errno == EEXIST) return Error{Errc::conflict, file.string() + " is there already"};
    if (!fd && errno == ENOENT) {
      return Error{Errc::not_found,
                   "there is no registrar in " + file.parent_path().string(),
                   {},
                   "begin one: sanad registrar init --name NAME, or name its folder: --dir DIR"};
    }
    if (!fd) return from_errno(errno, "couldn't open " + file.string());
  }
  return guarded([&]() -> Result<std::unique_ptr<Store>> {
    SQLite::Database database(file.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");  // in WAL mode: one sync of the log at every commit
    database.exec("PRAGMA temp_store = MEMORY");
    if (auto ready = check_schema(database, create); !ready) return ready.error();
    return std::make_unique<Store>(std::move(database));
  });
}

SQLite::Statement& Store::prepare(const char* sql) {
  for (auto& [text, statement] : statements_) {
    if (text != sql) continue;
    statement->reset();
    statement->clearBindings();
    return *statement;
  }
  return *statements_.emplace_back(sql, std::make_unique<SQLite::Statement>(database_, sql)).second;
}

Result<void> Store::look(const std::function<Result<void>()>& work) {
  auto done = guarded(work);
  // A statement that was not read to its end would hold this moment's view, and the next change would be refused as out of date
  // when another command has written meanwhile.
  for (auto& [text, statement] : statements_) statement->tryReset();
  return done;
}

Result<void> Store::transact(const std::function<Result<void>()>& work) {
  return look([&]() -> Result<void> {
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    if (auto done = work(); !done) return done;
    transaction.commit();
    return {};
  });
}

void Store::insert(const IssuedCertificate& issued) {
  static const std::string kSql =
      std::string("INSERT INTO issued(") + kColumns + ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,NULL,0)";
  auto& query = prepare(kSql.c_str());
  query.bind(1, issued.serial);
  query.bind(2, issued.fingerprint.data(), static_cast<int>(issued.fingerprint.size()));
  query.bind(3, issued.legal_name);
  query.bind(4, issued.organization_identifier);
  query.bind(5, issued.gateway_id);
  query.bind(6, static_cast<int>(issued.category));
  if (issued.reference) query.bind(7, *issued.reference);
  query.bind(8, issued.wireguard_key.bytes().data(), static_cast<int>(issued.wireguard_key.bytes().size()));
  query.bind(9, issued.key_fingerprint.data(), static_cast<int>(issued.key_fingerprint.size()));
  query.bind(10, issued.not_before.ns);
  query.bind(11, issued.not_after.ns);
  query.bind(12, issued.ends.ns);
  query.bind(13, issued.issued_at.ns);
  query.bind(14, issued.certificate);
  query.exec();
}

void Store::revoke(const std::string& serial, WallTime at, registration::RevocationReason reason) {
  auto& query = prepare("UPDATE issued SET revoked_at = ?2, reason = ?3 WHERE serial = ?1 AND revoked_at IS NULL");
  query.bind(1, serial);
  query.bind(2, at.ns);
  query.bind(3, static_cast<int>(reason));
  query.exec();
}

void Store::put_prepared(const std::string& serial, const std::string& certificate) {
  auto& query = prepare("INSERT INTO prepared(serial, certificate) VALUES(?1, ?2)");
  query.bind(1, serial);
  query.bind(2, certificate);
  query.exec();
}

void Store::drop_prepared(const std::string& serial) {
  auto& query = prepare("DELETE FROM prepared WHERE serial = ?1");
  query.bind(1, serial);
  query.exec();
}

void Store::set_meta(const std::string& key, const std::string& value) {
  auto& query = prepare("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)");
  query.bind(1, key);
  query.bind(2, value);
  query.exec();
}

std::string Store::meta(const std::string& key) {
  auto& query = prepare("SELECT value FROM meta WHERE key = ?1");
  query.bind(1, key);
  return query.executeStep() ? query.getColumn(0).getString() : std::string{};
}

std::optional<std::string> Store::prepared(const std::string& serial) {
  auto& query = prepare("SELECT certificate FROM prepared WHERE serial = ?1");
  query.bind(1, serial);
  if (!query.executeStep()) return std::nullopt;
  return query.getColumn(0).getString();
}

IssuedCertificate Store::row_of(SQLite::Statement& query) {
  IssuedCertificate row;
  row.serial = query.getColumn(0).getString();
  row.fingerprint = fixed<32>(query, 1);
  row.legal_name = query.getColumn(2).getString();
  row.organization_identifier = query.getColumn(3).getString();
  row.gateway_id = query.getColumn(4).getString();
  row.category = static_cast<registration::Category>(query.getColumn(5).getInt());
  if (!query.getColumn(6).isNull()) row.reference = query.getColumn(6).getString();
  row.wireguard_key = wg::PublicKey{fixed<32>(query, 7)};
  row.key_fingerprint = fixed<32>(query, 8);
  row.not_before = WallTime{query.getColumn(9).getInt64()};
  row.not_after = WallTime{query.getColumn(10).getInt64()};
  row.ends = WallTime{query.getColumn(11).getInt64()};
  row.issued_at = WallTime{query.getColumn(12).getInt64()};
  row.certificate = query.getColumn(13).getString();
  if (!query.getColumn(14).isNull()) row.revoked_at = WallTime{query.getColumn(14).getInt64()};
  row.reason = static_cast<registration::RevocationReason>(query.getColumn(15).getInt());
  return row;
}

std::vector<IssuedCertificate> Store::rows_of(SQLite::Statement& query) {
  std::vector<IssuedCertificate> rows;
  while (query.executeStep()) rows.push_back(row_of(query));
  return rows;
}

std::optional<IssuedCertificate> Store::find(const std::string& serial) {
  static const std::string kSql = std::string("SELECT ") + kColumns + " FROM issued WHERE serial = ?1";
  auto& query = prepare(kSql.c_str());
  query.bind(1, serial);
  if (!query.executeStep()) return std::nullopt;
  return row_of(query);
}

std::vector<IssuedCertificate> Store::search(const std::string& word, std::size_t limit) {
  static const std::string kSql = std::string("SELECT ") + kColumns +
                                  " FROM issued WHERE serial = ?1 OR fingerprint = ?2 OR gateway_id = ?1 OR legal_name = ?1 "
                                  "ORDER BY id DESC LIMIT ?3";
  auto& query = prepare(kSql.c_str());
  query.bind(1, word);
  const auto fingerprint = hex_decode(word);
  if (fingerprint && !fingerprint->empty()) query.bind(2, fingerprint->data(), static_cast<int>(fingerprint->size()));
  query.bind(3, static_cast<std::int64_t>(limit));
  return rows_of(query);
}

std::optional<IssuedCertificate> Store::predecessor(const std::string& legal_name, const std::string& gateway_id) {
  static const std::string kSql =
      std::string("SELECT ") + kColumns + " FROM issued WHERE gateway_id = ?1 AND legal_name = ?2 ORDER BY id DESC LIMIT 1";
  auto& query = prepare(kSql.c_str());
  query.bind(1, gateway_id);
  query.bind(2, legal_name);
  if (!query.executeStep()) return std::nullopt;
  return row_of(query);
}

std::vector<IssuedCertificate> Store::current(WallTime now) {
  static const std::string kSql =
      std::string("SELECT ") + kColumns + " FROM issued WHERE revoked_at IS NULL AND ends >= ?1 ORDER BY id";
  auto& query = prepare(kSql.c_str());
  query.bind(1, now.ns);
  return rows_of(query);
}

std::vector<IssuedCertificate> Store::due(WallTime now, WallTime until) {
  static const std::string kSql = std::string("SELECT ") + kColumns +
                                  " FROM issued AS one WHERE revoked_at IS NULL AND ends >= ?1 AND ends <= ?2 AND NOT EXISTS("
                                  "SELECT 1 FROM issued AS next WHERE next.gateway_id = one.gateway_id AND "
                                  "next.legal_name = one.legal_name AND next.ends > one.ends AND next.revoked_at IS NULL) "
                                  "ORDER BY ends, id";
  auto& query = prepare(kSql.c_str());
  query.bind(1, now.ns);
  query.bind(2, until.ns);
  return rows_of(query);
}

std::vector<IssuedCertificate> Store::latest(std::size_t limit) {
  static const std::string kSql = std::string("SELECT ") + kColumns + " FROM issued ORDER BY id DESC LIMIT ?1";
  auto& query = prepare(kSql.c_str());
  query.bind(1, static_cast<std::int64_t>(limit));
  return rows_of(query);
}

std::vector<registration::RevokedCertificate> Store::revoked(WallTime now) {
  auto& query = prepare("SELECT serial, revoked_at, reason FROM issued WHERE revoked_at IS NOT NULL AND not_after >= ?1");
  query.bind(1, now.ns);
  std::vector<registration::RevokedCertificate> rows;
  while (query.executeStep()) {
    rows.push_back({query.getColumn(0).getString(), WallTime{query.getColumn(1).getInt64()},
                    static_cast<registration::RevocationReason>(query.getColumn(2).getInt())});
  }
  return rows;
}

std::optional<std::string> Store::holder_of_key(const IssuedCertificate& wanted, WallTime now) {
  static const std::string kSql = std::string("SELECT ") + kColumns +
                                  " FROM issued WHERE (wireguard_key = ?1 OR key_fingerprint = ?2) AND revoked_at IS NULL AND "
                                  "ends >= ?3 AND NOT (gateway_id = ?4 AND legal_name = ?5) LIMIT 1";
  auto& query = prepare(kSql.c_str());
  query.bind(1, wanted.wireguard_key.bytes().data(), static_cast<int>(wanted.wireguard_key.bytes().size()));
  query.bind(2, wanted.key_fingerprint.data(), static_cast<int>(wanted.key_fingerprint.size()));
  query.bind(3, now.ns);
  query.bind(4, wanted.gateway_id);
  query.bind(5, wanted.legal_name);
  if (!query.executeStep()) return std::nullopt;
  return described(row_of(query));
}

std::optional<std::string> Store::holder_of_reference(const IssuedCertificate& wanted, WallTime now) {
  if (!wanted.reference) return std::nullopt;
  static const std::string kSql =
      std::string("SELECT ") + kColumns +
      " FROM issued WHERE reference = ?1 AND revoked_at IS NULL AND ends >= ?2 AND legal_name <> ?3 LIMIT 1";
  auto& query = prepare(kSql.c_str());
  query.bind(1, *wanted.reference);
  query.bind(2, now.ns);
  query.bind(3, wanted.legal_name);
  if (!query.executeStep()) return std::nullopt;
  return described(row_of(query));
}

Store::Counts Store::counts(WallTime now) {
  auto& query =
      prepare("SELECT count(*), count(*) FILTER (WHERE revoked_at IS NULL AND ends >= ?1), count(revoked_at) FROM issued");
  query.bind(1, now.ns);
  query.executeStep();
  const auto number = [&](int column) { return static_cast<std::uint64_t>(query.getColumn(column).getInt64()); };
  return {number(0), number(1), number(2)};
}

}  // namespace sanad::registrar
