#include "control/ledger/store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include "control/ledger/joined_wal.hpp"
#include "control/ledger/schema.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::ledger {
namespace {

// Someone with the sqlite3 shell open must not make a commit fail at once.
constexpr int kBusyTimeoutMs = 2000;

// SQLite would create it with the umask's permissions, readable for a moment.
Result<void> create_private(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return from_errno(errno, "couldn't open");
  if (::fchmod(fd.get(), 0600) != 0) return from_errno(errno, "couldn't set the permissions");
  return {};
}

// For searching by the text of a public key, which is stored as bytes.
void base64_key(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_value_blob(values[0]));
  const std::string text = base64_encode({bytes, static_cast<std::size_t>(sqlite3_value_bytes(values[0]))});
  sqlite3_result_text(context, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

}  // namespace

Error from_sqlite(int code, std::string_view message, std::string_view what) {
  Errc ours = Errc::io;
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      ours = Errc::corrupt;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      ours = Errc::unavailable;
      break;
    default:
      break;
  }
  return {ours, std::string(what) + ": " + std::string(message)};
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& path, const std::string& vfs) {
  // Before the first use of the library, once a process: counting every byte it allocates costs a lock each time.
  static const int kUncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(kUncounted);  // MISUSE when somebody used it before us: slower, not wrong
  if (auto created = create_private(path); !created) return std::move(created).error();
  const auto joined = joined_wal_vfs(vfs);
  if (!joined) return joined.error();
  try {
    auto store = std::make_unique<Store>(
        SQLite::Database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs, *joined));
    store->configure();
    if (auto migrated = migrate(store->database_); !migrated) return std::move(migrated).error();
    store->next_index_ =
        static_cast<std::uint64_t>(store->database_
                                       .execAndGet("SELECT max(ifnull((SELECT max(first_leaf + leaves) FROM outbox), 0), "
                                                   "ifnull((SELECT size FROM signed_log), 0))")
                                       .getInt64());
    return store;
  } catch (const SQLite::Exception& e) {
    return from_sqlite(e.getErrorCode(), e.what(), "SQLite");
  }
}

void Store::configure() {
  database_.exec("PRAGMA page_size = 4096");
  database_.exec("PRAGMA journal_mode = WAL");
  database_.exec("PRAGMA synchronous = FULL");      // in WAL mode: one sync of the log at every commit
  database_.exec("PRAGMA wal_autocheckpoint = 0");  // Ledger chooses the moment
  database_.exec("PRAGMA foreign_keys = ON");
  database_.exec("PRAGMA secure_delete = ON");   // erased means overwritten
  database_.exec("PRAGMA temp_store = MEMORY");  // nothing personal in temporary files
  database_.exec("PRAGMA cache_size = -16384");  // 16 MiB
  sqlite3* const handle = database_.getHandle();
  sqlite3_create_function_v2(handle, "base64_key", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, base64_key, nullptr, nullptr,
                             nullptr);
  for (NewRows* rows : new_rows_.all()) {
    if (const int rc = rows->attach(handle); rc != SQLITE_OK) throw SQLite::Exception(handle, rc);
  }
  sqlite3_wal_hook(
      handle,
      [](void* pages, sqlite3*, const char*, int in_log) {
        *static_cast<std::uint64_t*>(pages) = static_cast<std::uint64_t>(in_log);
        return SQLITE_OK;
      },
      &uncheckpointed_pages_);
  // A close after a failed sync must not move doubtful pages into the database file; Ledger checkpoints when it closes in order.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // Keep the log's blocks: writing into them again changes no file size, so fdatasync has only data to write.
  int persist = 1;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
}

SQLite::Statement& Store::prepared(const char* sql, Reads reads) {
  put_in_new_rows(reads);
  auto& slot = statements_[sql];
  if (!slot) slot = std::make_unique<SQLite::Statement>(database_, sql);
  return *slot;
}

bool Store::transaction_lost() const { return sqlite3_get_autocommit(database_.getHandle()) != 0; }

bool Store::writing() const { return sqlite3_txn_state(database_.getHandle(), "main") == SQLITE_TXN_WRITE; }

void Store::forget_cached(std::uint64_t next_index) {
  appended_.cut(appended_.size() - std::min<std::size_t>(appended_.size(), next_index_ - next_index));
  next_index_ = next_index;
  epoch_.reset();
  pools_.clear();
  live_peers_.reset();
  next_session_.reset();
  late_.forget();
}

void Store::roll_back(const char* sql, std::uint64_t next_index) {
  drop_new_rows();
  Query(*this, sql).run();
  forget_cached(next_index);
}

void Store::put_in_waiting() {
  // Whatever fails: the transaction is rolled back then, and nothing of it is to be tried again.
  struct Done {
    Store& store;
    ~Done() {
      store.drop_new_rows();
      store.putting_in_ = false;
    }
  };
  const Done done{*this};
  putting_in_ = true;
  for (const NewRows* rows : new_rows_.all()) {
    if (rows->size() > 0) Query(*this, rows->insert()).run();
  }
  late_.added(*this, new_rows_);
}

std::int64_t Store::take_session_seq() {
  if (!next_session_) {
    Query query(*this, "SELECT ifnull(max(seq), 0) + 1 FROM sessions");
    query.step();
    next_session_ = query.integer(0);
  }
  return (*next_session_)++;
}

std::uint64_t Store::epoch() {
  if (!epoch_) {
    epoch_ = 1;
    Query query(*this, "SELECT value FROM meta WHERE key = 'log_epoch'", Reads::others);
    if (query.step()) {
      const std::string text = query.text(0);
      std::uint64_t value = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
      if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
        throw std::runtime_error("log_epoch is not a number");
      epoch_ = value;
    }
  }
  return *epoch_;
}

void Store::checkpoint() {
  int in_log = 0;
  int moved = 0;
  const int rc = sqlite3_wal_checkpoint_v2(database_.getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  // BUSY: another process reads or checkpoints; the next one gets it.
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) throw SQLite::Exception(database_.getHandle(), rc);
  if (rc == SQLITE_OK) uncheckpointed_pages_ = static_cast<std::uint64_t>(std::max(in_log - moved, 0));
}

bool Store::empty_log() {
  // Whoever reads from it may do so for hours, and everybody's commits would wait with us.
  sqlite3_busy_timeout(database_.getHandle(), 0);
  const int rc = sqlite3_wal_checkpoint_v2(database_.getHandle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(database_.getHandle(), kBusyTimeoutMs);
  if (rc == SQLITE_BUSY) return false;
  if (rc != SQLITE_OK) throw SQLite::Exception(database_.getHandle(), rc);
  uncheckpointed_pages_ = 0;
  sqlite3_db_release_memory(database_.getHandle());
  return true;
}

std::optional<WallTime> Query::optional_time(int column) const {
  if (null(column)) return std::nullopt;
  return time(column);
}

std::string Query::bytes(int column, std::size_t size) const {
  const auto value = statement_.getColumn(column);
  if (value.getBytes() != static_cast<int>(size)) throw std::runtime_error("a row of the ledger has a value of the wrong length");
  return value.getString();
}

IpAddress Query::address(int column) const {
  const std::string key = statement_.getColumn(column).getString();
  const auto at = [&key](std::size_t i) { return static_cast<std::uint8_t>(key[i]); };
  if (key.size() == 5 && key[0] == 4) {
    const std::array<std::uint8_t, 4> bytes{at(1), at(2), at(3), at(4)};
    return IpAddress::v4(bytes);
  }
  if (key.size() == 17 && key[0] == 6) {
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = at(i + 1);
    return IpAddress::v6(bytes);
  }
  throw std::runtime_error("a row of the ledger has an address that is none");
}

AddressKey::AddressKey(const IpAddress& address) : size_(address.bytes().size() + 1) {
  bytes_[0] = static_cast<std::uint8_t>(address.family());
  std::copy(address.bytes().begin(), address.bytes().end(), bytes_.begin() + 1);
}

}  // namespace sanad::ledger
