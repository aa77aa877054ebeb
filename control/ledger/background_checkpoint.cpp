#include "control/ledger/background_checkpoint.hpp"

#include <SQLiteCpp/Database.h>
#include <sqlite3.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "control/ledger/joined_wal.hpp"
#include "gateway/base/thread_priority.hpp"
#include "gateway/base/worker.hpp"

namespace sanad::ledger {

class BackgroundCheckpoint::Run {
 public:
  Run(std::filesystem::path path, std::string vfs, std::function<void()> ended)
      : path_(std::move(path)), vfs_(std::move(vfs)), ended_(std::move(ended)), worker_("checkpoint") {
    worker_.post(run_behind_others);
  }

  bool start() {
    {
      const std::lock_guard lock(mutex_);
      if (state_ != State::idle) return false;
      state_ = State::running;
    }
    worker_.post([this] {
      auto failure = move_pages();
      {
        const std::lock_guard lock(mutex_);
        failure_ = std::move(failure);
        state_ = State::ended;
      }
      changed_.notify_all();
      ended_();
    });
    return true;
  }

  bool running() const {
    const std::lock_guard lock(mutex_);
    return state_ == State::running;
  }

  bool take_ended() {
    const std::lock_guard lock(mutex_);
    if (state_ != State::ended) return false;
    state_ = State::idle;
    return true;
  }

  std::optional<Failure> take_failure() {
    const std::lock_guard lock(mutex_);
    return std::exchange(failure_, std::nullopt);
  }

  void stop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ != State::running; });
    state_ = State::idle;
    failure_.reset();
    database_.reset();  // its thread has nothing to do before the next start()
  }

 private:
  enum class State { idle, running, ended };

  std::optional<Failure> move_pages() {
    try {
      if (!database_) open();
      const int rc = sqlite3_wal_checkpoint_v2(database_->getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
      // BUSY: another process checkpoints; the next run gets it.
      if (rc != SQLITE_OK && rc != SQLITE_BUSY) throw SQLite::Exception(database_->getHandle(), rc);
      return sync_moved();
    } catch (const SQLite::Exception& e) {
      database_.reset();
      return Failure{e.getExtendedErrorCode(), e.what()};
    }
  }

  // SQLite syncs the database only when all of the log has been moved: with everybody waiting, and for all runs before that.
  std::optional<Failure> sync_moved() {
    sqlite3_file* file = nullptr;
    int rc = sqlite3_file_control(database_->getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK) rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc == SQLITE_OK) return std::nullopt;
    database_.reset();
    return Failure{rc, std::string("couldn't sync what was moved into the database: ") + sqlite3_errstr(rc)};
  }

  void open() {
    const auto vfs = joined_wal_vfs(vfs_);
    if (!vfs) throw SQLite::Exception(vfs.error().message);
    database_.emplace(path_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, 0, *vfs);
    database_->exec("PRAGMA synchronous = FULL");
    database_->exec("PRAGMA wal_autocheckpoint = 0");
    sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    int persist = 1;
    sqlite3_file_control(database_->getHandle(), "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
  }

  const std::filesystem::path path_;
  const std::string vfs_;
  const std::function<void()> ended_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::idle;       // guarded by mutex_
  std::optional<Failure> failure_;  // guarded by mutex_

  std::optional<SQLite::Database> database_;  // the run's own while state_ is running, else the storage thread's
  Worker worker_;
};

BackgroundCheckpoint::BackgroundCheckpoint(std::filesystem::path database, std::string vfs, std::function<void()> ended)
    : run_(std::make_unique<Run>(std::move(database), std::move(vfs), std::move(ended))) {}
BackgroundCheckpoint::~BackgroundCheckpoint() = default;

bool BackgroundCheckpoint::start() { return run_->start(); }
bool BackgroundCheckpoint::running() const { return run_->running(); }
bool BackgroundCheckpoint::take_ended() { return run_->take_ended(); }
std::optional<BackgroundCheckpoint::Failure> BackgroundCheckpoint::take_failure() { return run_->take_failure(); }
void BackgroundCheckpoint::stop() { run_->stop(); }

}  // namespace sanad::ledger
