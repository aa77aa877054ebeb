#pragma once
// The open database: prepared statements, the next leaf index, and what is cached until a rollback. Storage thread only.
// Its functions throw SQLite::Exception on storage trouble; Ledger catches.

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/audit/leaf.hpp"
#include "control/ledger/address_pool.hpp"
#include "control/ledger/late_indexes.hpp"
#include "control/ledger/leaf_run.hpp"
#include "control/ledger/opaque_id.hpp"
#include "control/ledger/waiting_rows.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/result.hpp"

namespace sanad::ledger {

// Which tables a statement reads or changes, of those that new rows wait for: a burst of events, each of which looks up a peer,
// shall not put in each row alone. Unsure: all.
enum class Reads : std::uint8_t { all, sessions, others };  // sessions: with their endpoints; others: none of the three

class Store final {
 public:
  // Opens or creates, sets the pragmas, migrates, and reads where the log ends. `vfs` empty = the system's.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& path, const std::string& vfs);

  // `sql` is a literal or lives as long as the program: it is the cache's key. Puts in what new rows wait and could matter to the
  // statement; database() puts in all.
  SQLite::Statement& prepared(const char* sql, Reads reads);
  SQLite::Database& database() {
    put_in_new_rows();
    return database_;
  }
  // SQLite has rolled the transaction back by itself (disk full, I/O error).
  [[nodiscard]] bool transaction_lost() const;
  // The transaction that is open has written something.
  [[nodiscard]] bool writing() const;

  // After any rollback: what was cached may describe undone changes.
  void forget_cached(std::uint64_t next_index);
  // Drops the new rows that wait, runs the rollback, forgets what was cached.
  void roll_back(const char* sql, std::uint64_t next_index);

  // To be put in by whoever next wants a statement, and before the commit.
  WaitingRows& new_rows() { return new_rows_; }
  void put_in_new_rows(Reads reads = Reads::all) {
    if (putting_in_ || reads == Reads::others) return;
    if (reads == Reads::all ? new_rows_wait() : new_rows_.sessions.size() + new_rows_.endpoints.size() > 0) put_in_waiting();
  }
  [[nodiscard]] bool new_rows_wait() const {
    return new_rows_.sessions.size() + new_rows_.endpoints.size() + new_rows_.disclosures.size() > 0;
  }
  void drop_new_rows() {
    for (NewRows* rows : new_rows_.all()) rows->clear();
  }
  // The next session's row.
  std::int64_t take_session_seq();
  // Each job's errors are to be its own: what could fail late is looked at beforehand.
  [[nodiscard]] bool careful() const { return careful_; }
  void set_careful(bool careful) { careful_ = careful; }

  // The leaves appended in this transaction, the last one at next_index() - 1; they go into the outbox before it commits.
  LeafRun& appended() { return appended_; }
  LeafRun take_appended() {
    LeafRun next;
    next.reserve(appended_);
    return std::exchange(appended_, std::move(next));
  }

  [[nodiscard]] std::uint64_t next_index() const { return next_index_; }
  std::uint64_t take_index() { return next_index_++; }
  std::uint64_t epoch();
  void forget_epoch() { epoch_.reset(); }
  const audit::FillRandom& random() { return random_; }
  OpaqueIds& ids() { return ids_; }

  using PoolKey = std::pair<std::string, IpPrefix>;  // interface, pool
  std::map<PoolKey, PoolCursor>& pools() { return pools_; }

  // Of each interface. Counted by whoever asks first, kept up by whoever changes peers: counting a million takes half a second.
  struct LivePeers {
    std::uint64_t total = 0;  // not revoked
    std::uint64_t enabled = 0;
  };
  using LiveByInterface = std::map<std::string, LivePeers>;
  std::optional<LiveByInterface>& live_peers() { return live_peers_; }

  LateIndexes& late() { return late_; }

  // Moves committed pages into the database file. Passive: never waits for a reader.
  void checkpoint();
  // Moves all committed pages into the database file, cuts the write-ahead log to nothing and forgets cached pages. False:
  // another process reads from the log. Outside a transaction only.
  bool empty_log();
  // How much of the write-ahead log is not in the database file yet.
  [[nodiscard]] std::uint64_t uncheckpointed_bytes() const { return uncheckpointed_pages_ * kPageBytes; }

  explicit Store(SQLite::Database database) : database_(std::move(database)), random_(audit::system_random()) {}

 private:
  static constexpr std::uint64_t kPageBytes = 4096;
  void configure();
  void put_in_waiting();

  WaitingRows new_rows_;  // before database_, which reads them
  bool putting_in_ = false;
  bool careful_ = false;
  SQLite::Database database_;
  std::unordered_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;  // after database_: closed before it
  std::uint64_t next_index_ = 0;
  LeafRun appended_;
  std::optional<std::uint64_t> epoch_;
  std::uint64_t uncheckpointed_pages_ = 0;
  audit::FillRandom random_;
  OpaqueIds ids_;
  std::map<PoolKey, PoolCursor> pools_;
  std::optional<LiveByInterface> live_peers_;
  std::optional<std::int64_t> next_session_;
  LateIndexes late_;
};

// One run of a prepared statement: binds in order, steps, and leaves it reset. Bound text and blobs are not copied: they must
// outlive the Query.
class Query final {
 public:
  Query(Store& store, const char* sql, Reads reads = Reads::all) : statement_(store.prepared(sql, reads)) {}
  explicit Query(SQLite::Statement& statement) : statement_(statement) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { statement_.tryReset(); }

  template <class... Values>
  Query& bind(const Values&... values) {
    (put_value(*this, values), ...);
    return *this;
  }
  void put_integer(std::int64_t value) { statement_.bind(++bound_, value); }
  void put_text(const std::string& value) { statement_.bindNoCopy(++bound_, value); }
  void put_blob(std::span<const std::uint8_t> value) {
    statement_.bindNoCopy(++bound_, value.data(), static_cast<int>(value.size()));
  }
  void put_null() { statement_.bind(++bound_); }
  bool step() { return statement_.executeStep(); }
  // For statements without rows; the number of rows changed.
  int run() { return statement_.exec(); }

  [[nodiscard]] bool null(int column) const { return statement_.getColumn(column).isNull(); }
  [[nodiscard]] std::int64_t integer(int column) const { return statement_.getColumn(column).getInt64(); }
  [[nodiscard]] std::uint64_t counter(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  [[nodiscard]] std::string text(int column) const { return statement_.getColumn(column).getString(); }
  [[nodiscard]] WallTime time(int column) const { return WallTime{integer(column)}; }
  [[nodiscard]] std::optional<WallTime> optional_time(int column) const;
  // The bytes of the column, which must be exactly `size`; throws std::runtime_error when they are not (a corrupt row).
  [[nodiscard]] std::string bytes(int column, std::size_t size) const;
  [[nodiscard]] IpAddress address(int column) const;

 private:
  SQLite::Statement& statement_;
  int bound_ = 0;
};

// An address as the database sorts it: family, then the bytes.
class AddressKey {
 public:
  explicit AddressKey(const IpAddress& address);
  operator std::span<const std::uint8_t>() const { return {bytes_.data(), size_}; }  // NOLINT(google-explicit-constructor)

 private:
  std::array<std::uint8_t, 17> bytes_{};
  std::size_t size_ = 0;
};

// SQLite's codes in our words: "<what>: <SQLite's message>".
Error from_sqlite(int code, std::string_view message, std::string_view what);

}  // namespace sanad::ledger
