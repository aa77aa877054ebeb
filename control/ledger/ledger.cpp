#include "control/ledger/ledger.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "control/ledger/outbox_rows.hpp"
#include "control/ledger/page_scrub.hpp"
#include "control/ledger/recent_leaves.hpp"
#include "control/ledger/store.hpp"
#include "control/ledger/wal_file.hpp"
#include "control/ledger/wal_upkeep.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/unique_fd.hpp"
#include "gateway/base/worker.hpp"

namespace sanad::ledger {
namespace {

// One daemon a database: SQLite would let two in, and each would count leaves for itself.
Result<UniqueFd> lock_for_us(const std::filesystem::path& path) {
  auto lock_path = path;
  lock_path += ".lock";
  UniqueFd fd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return from_errno(errno, "couldn't open " + lock_path.string());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return from_errno(errno, "couldn't lock " + lock_path.string());
    return Error{Errc::unavailable, "another process is using it", {}, "stop the other sanadd first: systemctl status sanadd"};
  }
  return fd;
}

std::string hint_for(int sqlite_code) {
  if ((sqlite_code & 0xFF) == SQLITE_FULL)
    return "free some space on the disk that holds the state directory; nothing was changed";
  return "see `sanad doctor` and the kernel's messages for the disk that holds the state directory";
}

// Trouble with the storage, as opposed to a statement of ours that was wrong: the whole batch is in doubt.
bool is_storage_fault(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return true;
    default:
      return false;
  }
}

Error unavailable(std::string problem, std::string hint) { return {Errc::unavailable, std::move(problem), {}, std::move(hint)}; }

// A storage fault on its way from a job to its batch.
struct StorageFault {
  int code = 0;
  std::string message;
};

}  // namespace

class Ledger::Impl {
 public:
  Impl(std::filesystem::path path, LedgerOptions options, UniqueFd lock)
      : path_(std::move(path)),
        options_(std::move(options)),
        lock_(std::move(lock)),
        upkeep_(path_, options_.vfs, {options_.checkpoint_bytes, options_.most_log_bytes}, [this] { wake(); }) {}

  Result<void> start() {
    // A process before us may have ended after a failed fsync: what the page cache has of the log need not be on the disk.
    if (auto again = rewrite_wal(path_); !again) return again;
    if (auto opened = open_store(); !opened) return opened;
    acknowledged_ = store_->next_index();
    state_.leaves = acknowledged_;
    worker_ = std::make_unique<Worker>("storage");
    return {};
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      pause_.notify_one();
    }
    worker_.reset();  // runs what is queued
    upkeep_.stop();
    if (!store_) return;
    try {
      store_->checkpoint();
    } catch (const SQLite::Exception& e) {
      log::warn("couldn't checkpoint {} while closing: {}; nothing is lost, the next start reads the write-ahead log",
                path_.string(), e.what());
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void push(Kind kind, std::unique_ptr<Job> job) {
    const std::lock_guard lock(mutex_);
    if (kind == Kind::write) {
      ++writes_pushed_;
      writes_.push_back(std::move(job));
    } else {
      reads_.push_back({writes_pushed_, std::move(job), kind == Kind::purge});
    }
    if (!std::exchange(drain_posted_, true)) worker_->post([this] { drain(); });
    if (pausing_) pause_.notify_one();
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    if (!closing_ && !std::exchange(drain_posted_, true)) worker_->post([this] { drain(); });
  }

  RecentLeaves& recent() { return recent_; }

  [[nodiscard]] LedgerState state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  struct PendingRead {
    std::uint64_t after_writes = 0;  // jobs pushed before it, whose effects it must see
    std::unique_ptr<Job> job;
    bool purge = false;  // no question: see Ledger::purge()
  };

  enum class While { idle, others_wait };

  void drain() {
    bool rested = false;
    for (;;) {
      std::vector<std::unique_ptr<Job>> writes;
      bool idle = false;
      {
        std::unique_lock lock(mutex_);
        pause(lock);
        idle = nothing_waits();
        if (idle && rested) {
          drain_posted_ = false;
          return;
        }
        const auto end = writes_.begin() + static_cast<std::ptrdiff_t>(std::min(writes_.size(), options_.max_batch));
        writes.assign(std::make_move_iterator(writes_.begin()), std::make_move_iterator(end));
        writes_.erase(writes_.begin(), end);
      }
      rested = idle;
      if (!writes.empty()) {
        writes_done_ += writes.size();
        run_writes(writes);
        settle_late(While::others_wait);
        keep_log_short(While::others_wait);
      }
      look_after_upkeep();
      if (idle && settle_late(While::idle)) {
        rested = false;
        keep_log_short(While::others_wait);
      } else if (idle) {
        keep_log_short(While::idle);
      }
      run_reads(take_reads());
    }
  }

  bool nothing_waits() const { return writes_.empty() && reads_.empty(); }

  // Within a burst, waits for its next jobs: what is done when nobody waits takes longer than the pauses between them.
  void pause(std::unique_lock<std::mutex>& lock) {
    pausing_ = true;
    pause_.wait_until(lock, burst_until_, [this] { return !nothing_waits() || closing_; });
    pausing_ = false;
  }

  std::vector<PendingRead> take_reads() {
    std::vector<PendingRead> out;
    const std::lock_guard lock(mutex_);
    while (!reads_.empty() && reads_.front().after_writes <= writes_done_) {
      out.push_back(std::move(reads_.front()));
      reads_.pop_front();
    }
    return out;
  }

  void run_writes(std::vector<std::unique_ptr<Job>>& jobs) {
    const BootTime now = sanad::now().boot;
    const bool may_try = !retry_at_ || now >= *retry_at_;
    if (may_try) ensure_open(now);
    if (!store_ || !may_try) {
      const Error error = unavailable("the ledger cannot be written: " + state().problem, hint_);
      for (auto& job : jobs) job->finish(error);
      return;
    }
    std::vector<std::optional<Error>> errors;  // of each job
    errors.reserve(jobs.size());
    const std::uint64_t first = store_->next_index();
    int changes = sqlite3_total_changes(store_->database().getHandle());
    try {
      Query(*store_, "BEGIN IMMEDIATE").run();
      store_->late().begin_commit();
      if (!run_together(jobs, errors)) {
        store_->roll_back("ROLLBACK", first);
        // `internal` may be a statement that failed for a row put in late; careful, the job is told where it can be dealt with.
        const bool its_own = jobs.size() == 1 && errors.front() && errors.front()->code != Errc::internal;
        if (its_own) return finish(jobs, errors);
        errors.clear();
        changes = sqlite3_total_changes(store_->database().getHandle());
        Query(*store_, "BEGIN IMMEDIATE").run();
        run_one_by_one(jobs, errors);
        if (std::all_of(errors.begin(), errors.end(), [](const auto& error) { return error.has_value(); })) {
          store_->roll_back("ROLLBACK", first);
          return finish(jobs, errors);
        }
      }
      write_outbox(*store_, store_->next_index() - store_->appended().size(), store_->appended());
      Query(*store_, "COMMIT").run();
    } catch (const StorageFault& fault) {
      return fail(jobs, fault.code, fault.message);
    } catch (const SQLite::Exception& e) {
      return fail(jobs, e.getExtendedErrorCode(), e.what());
    }
    acknowledged_ = store_->next_index();
    const std::uint64_t appended = store_->appended().size();
    if (appended > LateIndexes::kAtOnce) burst_until_ = std::chrono::steady_clock::now() + kPause;
    recent_.add(acknowledged_ - appended, store_->take_appended());
    // A commit of nothing is no proof that the disk takes anything.
    if (changes != sqlite3_total_changes(store_->database().getHandle())) {
      retry_at_.reset();
      const std::lock_guard lock(mutex_);
      if (!state_.writable) log::info("the ledger can be written again");
      state_ = {true, {}, acknowledged_};
    }
    finish(jobs, errors);
    if (options_.on_commit && acknowledged_ > first) options_.on_commit(first, acknowledged_ - first);
  }

  static void finish(std::vector<std::unique_ptr<Job>>& jobs, std::vector<std::optional<Error>>& errors) {
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->finish(std::move(errors[i]));
  }

  // False: one of them had an error, and what it did cannot be told from what the others did. Savepoints would tell, but for each
  // of them SQLite keeps a copy of every page the next job touches, a third of the time a burst takes; errors are few.
  bool run_together(std::vector<std::unique_ptr<Job>>& jobs, std::vector<std::optional<Error>>& errors) {
    for (auto& job : jobs) {
      errors.push_back(call_within_transaction(*job));
      if (errors.back()) return false;
    }
    try {
      store_->put_in_new_rows();
    } catch (const SQLite::Exception& e) {
      if (is_storage_fault(e.getErrorCode())) throw;
      return false;
    }
    return true;
  }

  void run_one_by_one(std::vector<std::unique_ptr<Job>>& jobs, std::vector<std::optional<Error>>& errors) {
    store_->set_careful(true);
    for (auto& job : jobs) errors.push_back(run_in_savepoint(*job));
    store_->set_careful(false);
  }

  // The job's error, if it had one; its changes are undone then. Throws StorageFault when the whole batch is in doubt.
  std::optional<Error> run_in_savepoint(Job& job) {
    const std::uint64_t index = store_->next_index();
    Query(*store_, "SAVEPOINT job").run();
    std::optional<Error> error = call_within_transaction(job);
    if (error) store_->roll_back("ROLLBACK TO job", index);
    Query(*store_, "RELEASE job").run();
    return error;
  }

  std::optional<Error> call_within_transaction(Job& job) {
    std::optional<Error> error = call(job);
    if (store_->transaction_lost()) throw StorageFault{SQLITE_IOERR, "the transaction was rolled back under the job"};
    return error;
  }

  std::optional<Error> call(Job& job) {
    try {
      Transaction transaction(*store_, sanad::now());
      std::optional<Error> error = job.run(transaction);
      if (store_->careful() && !error) store_->put_in_new_rows();
      return error;
    } catch (const SQLite::Exception& e) {
      if (is_storage_fault(e.getErrorCode())) throw StorageFault{e.getExtendedErrorCode(), e.what()};
      return Error{Errc::internal, std::string("a statement of the ledger failed: ") + e.what()};
    } catch (const std::exception& e) {
      return Error{Errc::internal, std::string("a job of the ledger failed: ") + e.what()};
    }
  }

  void run_reads(std::vector<PendingRead> reads) {
    if (reads.empty()) return;
    const BootTime now = sanad::now().boot;
    if (!retry_at_ || now >= *retry_at_) ensure_open(now);
    for (auto& read : reads) {
      if (store_) {
        read.job->finish(read.purge ? purge() : run_read(*read.job));
      } else {
        read.job->finish(unavailable("the ledger cannot be read: " + state().problem, hint_));
      }
    }
  }

  std::optional<Error> purge() {
    upkeep_.stop();
    try {
      if (!store_->empty_log()) {
        return unavailable("another program is reading state.db: its write-ahead log cannot be overwritten now",
                           "end that program (sqlite3, a backup); the daemon tries again every minute");
      }
    } catch (const SQLite::Exception& e) {
      give_up(e.getExtendedErrorCode(), e.what());
      return unavailable(std::string("couldn't move the write-ahead log into the database: ") + e.what(), hint_);
    }
    if (auto scrubbed = scrub_unused(scrubbed_.get()); !scrubbed) return std::move(scrubbed).error();
    // Emptied, it holds no blocks: what is written now keeps commits from changing the file's size, as at the start.
    if (auto grown = preallocate_wal(path_, options_.wal_preallocation_bytes); !grown) log::warn("{}", grown.error().message);
    return std::nullopt;
  }

  std::optional<Error> run_read(Job& job) {
    std::optional<Error> error;
    const std::uint64_t index = store_->next_index();
    try {
      // Not PRAGMA query_only: that makes SQLite compile every statement anew, for each query.
      Query(*store_, "BEGIN").run();
      error = call(job);
    } catch (const StorageFault& fault) {
      error = unavailable("couldn't read the ledger: " + fault.message, hint_for(fault.code));
    } catch (const SQLite::Exception& e) {
      error = unavailable(std::string("couldn't read the ledger: ") + e.what(), hint_for(e.getErrorCode()));
    }
    try {
      const bool wrote =
          store_->next_index() != index || store_->new_rows_wait() || store_->writing() || store_->transaction_lost();
      store_->drop_new_rows();
      if (!store_->transaction_lost()) Query(*store_, "ROLLBACK").run();
      if (wrote) store_->forget_cached(index);
      if (wrote && !error) error = Error{Errc::internal, "a query wrote; nothing of it is kept"};
    } catch (const SQLite::Exception& e) {
      give_up(e.getExtendedErrorCode(), e.what());
    }
    return error;
  }

  void fail(std::vector<std::unique_ptr<Job>>& jobs, int code, const std::string& message) {
    give_up(code, message);
    const Error error = unavailable("couldn't commit: " + message, hint_);
    for (auto& job : jobs) job->finish(error);
  }

  // Trusts nothing any more: closes the database, and opens it again from what the disk has.
  void give_up(int code, const std::string& message) {
    log::error("the ledger failed: {}", message);
    hint_ = hint_for(code);
    upkeep_.stop();
    store_.reset();
    {
      const std::lock_guard lock(mutex_);
      state_ = {false, message, acknowledged_};
    }
    ensure_open(sanad::now().boot);
  }

  // Writing stays refused until a commit has succeeded, at the earliest at retry_at_; reading needs only an open database.
  void ensure_open(BootTime now) {
    if (store_ || lost_evidence_) return;
    retry_at_ = now + options_.retry_interval;
    auto opened = rewrite_wal(path_);
    if (opened) opened = open_store();
    if (!opened) {
      set_problem(opened.error().message);
      return;
    }
    if (store_->next_index() < acknowledged_) {
      lost_evidence_ = true;
      hint_ = "keep a copy of the state directory and restore the last backup; restarting will not bring the records back";
      set_problem(std::to_string(acknowledged_) + " records were acknowledged, but the database now has " +
                  std::to_string(store_->next_index()));
      store_.reset();
      return;
    }
    // A batch that was answered `unavailable` may be there after all, whole.
    const std::uint64_t before = std::exchange(acknowledged_, store_->next_index());
    if (options_.on_commit && acknowledged_ > before) options_.on_commit(before, acknowledged_ - before);
  }

  void set_problem(std::string problem) {
    log::error("the ledger stays closed: {}", problem);
    const std::lock_guard lock(mutex_);
    state_ = {false, std::move(problem), acknowledged_};
  }

  Result<void> open_store() {
    // Before SQLite has it open: SQLite's locks belong to the process, and closing any descriptor of a locked file drops them.
    if (auto grown = preallocate_wal(path_, options_.wal_preallocation_bytes); !grown) {
      // Without it commits are slower, not less safe; a full disk must not keep the daemon from reading.
      log::warn("{}", grown.error().message);
    }
    auto store = Store::open(path_, options_.vfs);
    if (!store) return std::move(store).error();
    store_ = *std::move(store);
    // Opened once and closed after the database: see the note on SQLite's locks above.
    if (!scrubbed_) scrubbed_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    return {};
  }

  // What a burst has left to do, when nobody waits or too much is left. True: something was done.
  bool settle_late(While when) {
    {
      const std::lock_guard lock(mutex_);
      if (closing_) return false;
    }
    if (!store_ || retry_at_ || sanad::now().boot < settle_at_) return false;
    try {
      auto& late = store_->late();
      if (when == While::idle ? !late.anything_late(*store_) : !late.too_many_late(*store_)) return false;
      Query(*store_, "BEGIN IMMEDIATE").run();
      late.settle(*store_);
      Query(*store_, "COMMIT").run();
      return true;
    } catch (const SQLite::Exception& e) {
      if (!put_off_settling(e.getErrorCode())) give_up(e.getExtendedErrorCode(), e.what());
      return false;
    }
  }

  // No room, or somebody else's lock: nobody's change failed, so nobody's is refused for it.
  bool put_off_settling(int code) {
    if (code != SQLITE_FULL && code != SQLITE_BUSY) return false;
    try {
      if (!store_->transaction_lost()) Query(*store_, "ROLLBACK").run();
    } catch (const SQLite::Exception&) {
      return false;
    }
    store_->forget_cached(store_->next_index());
    settle_at_ = sanad::now().boot + std::chrono::minutes{1};
    return true;
  }

  void keep_log_short(While when) {
    if (!store_) return;
    try {
      when == While::idle ? upkeep_.when_idle(*store_) : upkeep_.after_writing(*store_);
    } catch (const SQLite::Exception& e) {
      give_up(e.getExtendedErrorCode(), e.what());
    }
  }

  void look_after_upkeep() {
    if (auto failure = upkeep_.look_after()) give_up(failure->code, failure->message);
  }

  const std::filesystem::path path_;
  const LedgerOptions options_;
  const UniqueFd lock_;

  RecentLeaves recent_;

  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<Job>> writes_;  // guarded by mutex_
  std::deque<PendingRead> reads_;            // guarded by mutex_
  std::uint64_t writes_pushed_ = 0;          // guarded by mutex_
  bool drain_posted_ = false;                // guarded by mutex_
  bool closing_ = false;                     // guarded by mutex_
  bool pausing_ = false;                     // guarded by mutex_
  std::condition_variable pause_;
  LedgerState state_;  // guarded by mutex_

  // Storage thread only, once it runs.
  UniqueFd scrubbed_;  // the database file, for purge(); before store_: closed after it
  std::unique_ptr<Store> store_;
  std::uint64_t writes_done_ = 0;
  std::uint64_t acknowledged_ = 0;    // leaves that someone was told are durable
  std::optional<BootTime> retry_at_;  // set while not writable
  BootTime settle_at_{};              // not before
  static constexpr std::chrono::milliseconds kPause{50};
  std::chrono::steady_clock::time_point burst_until_;  // when the burst is over, unless more comes
  std::string hint_;
  bool lost_evidence_ = false;
  WalUpkeep upkeep_;

  std::unique_ptr<Worker> worker_;
};

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(const std::filesystem::path& path, LedgerOptions options) {
  const std::string what = "couldn't open the ledger " + path.string();
  auto lock = lock_for_us(path);
  if (!lock) return std::move(lock).error().within(what);
  auto impl = std::make_unique<Impl>(path, std::move(options), *std::move(lock));
  if (auto started = impl->start(); !started) return std::move(started).error().within(what);
  // The file's own name must survive a power cut, too.
  if (auto synced = fsync_directory(path.parent_path().empty() ? "." : path.parent_path()); !synced) {
    return std::move(synced).error().within(what);
  }
  return std::unique_ptr<Ledger>(new Ledger(std::move(impl)));
}

void Ledger::push(Kind kind, std::unique_ptr<Job> job) { impl_->push(kind, std::move(job)); }

std::vector<std::string> Ledger::take_recent_leaves(std::uint64_t from, std::size_t limit) {
  return impl_->recent().take(from, limit);
}

void Ledger::purge(std::function<void(Result<void>)> done) {
  // Never run: what is done is not of the database's rows.
  class Purge final : public Job {
   public:
    explicit Purge(std::function<void(Result<void>)> done) : done_(std::move(done)) {}
    std::optional<Error> run(Transaction& /*transaction*/) override { return std::nullopt; }
    void finish(std::optional<Error> error) override {
      if (error) return done_(*std::move(error));
      done_({});
    }

   private:
    std::function<void(Result<void>)> done_;
  };
  push(Kind::purge, std::make_unique<Purge>(std::move(done)));
}

LedgerState Ledger::state() const { return impl_->state(); }

}  // namespace sanad::ledger
