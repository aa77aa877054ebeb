#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <limits>
#include <string>

#include "control/ledger/joined_wal.hpp"
#include "tests/fakes/faulty_vfs.hpp"

namespace sanad::ledger {
namespace {

constexpr int kMany = std::numeric_limits<int>::max();

class JoinedWal : public testing::Test {
 protected:
  JoinedWal() {
    std::string name = (std::filesystem::temp_directory_path() / "sanad-joined-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = name;
    faults_.clear();
  }
  ~JoinedWal() override {
    faults_.clear();
    std::filesystem::remove_all(directory_);
  }

  SQLite::Database open() {
    SQLite::Database database((directory_ / "a.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 0,
                              joined_wal_vfs("faulty").value());
    database.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v)");
    return database;
  }
  // How many writes reach the VFS below while `sql` runs.
  int writes_of(SQLite::Database& database, const char* sql) {
    faults_.writes_left = kMany;
    database.exec(sql);
    return kMany - faults_.writes_left.exchange(-1);
  }
  static int rows(SQLite::Database& database) { return database.execAndGet("SELECT count(*) FROM t").getInt(); }

  static constexpr const char* kTenPages =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO t(v) SELECT randomblob(2000) "
      "FROM n";
  static constexpr const char* kThousandPages =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t(v) SELECT randomblob(2000) "
      "FROM n";

  fakes::Faults& faults_ = fakes::faulty_vfs();
  std::filesystem::path directory_;
};

TEST_F(JoinedWal, ACommitOfTenPagesIsOneWrite) {
  auto database = open();
  EXPECT_EQ(writes_of(database, kTenPages), 1);
  EXPECT_EQ(rows(database), 20);
}

TEST_F(JoinedWal, WhatIsCommittedIsThereForAnotherConnectionAndAfterOpeningAgain) {
  auto database = open();
  database.exec(kThousandPages);
  SQLite::Database other((directory_ / "a.db").string());  // the system's own VFS
  EXPECT_EQ(rows(other), 2000);
  EXPECT_EQ(other.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST_F(JoinedWal, WhatSpilledFromTheCacheIsReadBackInTheSameTransaction) {
  auto database = open();
  database.exec("PRAGMA cache_size = 10");
  database.exec("BEGIN");
  database.exec(kThousandPages);
  EXPECT_EQ(database.execAndGet("SELECT count(DISTINCT v) FROM t").getInt(), 2000);
  database.exec("ROLLBACK");
  EXPECT_EQ(rows(database), 0);
  database.exec(kTenPages);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST_F(JoinedWal, AFailedWriteFailsTheCommitAndIsNotRepeated) {
  auto database = open();
  database.exec(kTenPages);
  faults_.code = SQLITE_FULL;
  faults_.writes_left = 0;
  EXPECT_THROW(database.exec(kTenPages), SQLite::Exception);
  EXPECT_EQ(faults_.happened, 1);
  EXPECT_EQ(rows(database), 20);
  database.exec(kTenPages);
  EXPECT_EQ(rows(database), 40);
  SQLite::Database other((directory_ / "a.db").string());
  EXPECT_EQ(other.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST_F(JoinedWal, NamesABaseThatIsNotThere) {
  const auto name = joined_wal_vfs("no such");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code, Errc::not_found);
}

}  // namespace
}  // namespace sanad::ledger
