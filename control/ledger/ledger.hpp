#pragma once
// The one durable truth: state and evidence in one SQLite database, changed by one thread.
//
// Durability: `done` with success means the job's changes and leaves survive a power cut (one WAL append, one fdatasync for all
// jobs that were waiting). kill -9 at any point loses nothing that was answered and doubles nothing.
//
// Failure: when a commit fails (I/O error, full disk), every job of that batch is answered Errc::unavailable, the database is
// closed and nothing is taken for granted: it is reopened (at a later job, at most once a second), its write-ahead log written
// out again (after a failed fsync the kernel may hold as clean what the disk never got), and its leaves counted against what was
// acknowledged, before anything new is accepted. Fewer leaves than acknowledged: it stays closed, for a person to look at.
// A job answered `unavailable` may after all have become durable, whole, with its leaves; never in part.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/ledger/transaction.hpp"
#include "gateway/base/result.hpp"

namespace sanad::ledger {

struct LedgerOptions {
  std::size_t max_batch = 512;  // jobs in one commit: twice as many gain little, and make the last of them wait twice as long
  // Of the write-ahead log: so much is moved into the database at a time, in the background; it begins anew when nobody waits.
  std::uint64_t checkpoint_bytes = 4U << 20;
  // ...or when it is this long (twice, where moving never comes near its end), and then everybody waits for the last of it and
  // two syncs. So seldom that fewer than one of a hundred changes does, even in a burst.
  std::uint64_t most_log_bytes = 128U << 20;
  std::uint64_t wal_preallocation_bytes = 4U
                                          << 20;  // written with zeros at open, so that a commit does not change the file's size
  std::chrono::nanoseconds retry_interval = std::chrono::seconds{1};  // between attempts while the database cannot be written
  std::string vfs;  // an SQLite VFS by name; empty = the system's. For fault injection.
  // Called on the storage thread after a commit that appended leaves, after the jobs' own `done`; and when leaves of a batch that
  // was answered `unavailable` are found to be durable after all.
  std::function<void(std::uint64_t first_index, std::uint64_t count)> on_commit;
};

struct LedgerState {
  bool writable = true;
  std::string problem;       // plain words; empty when writable
  std::uint64_t leaves = 0;  // durable
};

class Ledger final {
 public:
  // Creates the file (0600; the directory must exist) or opens it and brings its schema up to date. Errors: unavailable (another
  // process holds it), corrupt, io, unsupported (written by a newer version of Sanad: it is left alone).
  static Result<std::unique_ptr<Ledger>> open(const std::filesystem::path& path, LedgerOptions options = {});
  // Runs what is queued, checkpoints, closes.
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Any thread; never blocks on I/O. `job` is called as Result<T>(Transaction&), `done` as void(Result<T>). `job` runs on the
  // storage thread in submission order: when it returns an error (or throws) its changes alone are undone. `done` runs on the
  // storage thread once the commit is durable; it must be short and must not throw. `done` runs exactly once; `job` not at all
  // when the ledger is not writable, and twice when it or another of the same commit had an error: the first run's changes are
  // undone then, so it must not use up what it was given.
  template <class T, class Work, class Done>
  void submit(Work job, Done done) {
    push(Kind::write, std::make_unique<JobOf<T, Work, Done>>(std::move(job), std::move(done)));
  }

  // The same without a write transaction: sees every job submitted before it; a write inside is an error. Works while the ledger
  // is not writable, as long as the database can be opened.
  template <class T, class Work, class Done>
  void query(Work job, Done done) {
    push(Kind::read, std::make_unique<JobOf<T, Work, Done>>(std::move(job), std::move(done)));
  }

  // Any thread. The leaves of the latest commits from `from` on, without a gap, at most `limit`: handed over so that the
  // publisher need not read what was just written. Those below and those given are forgotten. Empty when `from` is not among the
  // kept (about 64 MiB at most): then they are in the database, until they are dropped.
  std::vector<std::string> take_recent_leaves(std::uint64_t from, std::size_t limit);

  // Overwrites what deleted rows have left behind: older pages in the write-ahead log, unused bytes inside pages. Sees every job
  // submitted before it. Reads the whole database file once on the storage thread (about 1 s a GB); everybody waits meanwhile.
  // Errors: unavailable (another program is reading the database, so the log cannot be emptied now: try again later), io.
  void purge(std::function<void(Result<void>)> done);

  // Any thread. `writable` turns true again only when a commit has succeeded: keep submitting, do not wait for it.
  [[nodiscard]] LedgerState state() const;

 private:
  enum class Kind { write, read, purge };
  // `run` gives the job's error, if any, and keeps its value; `finish` hands over the value, or the error it is given.
  class Job {
   public:
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;
    virtual std::optional<Error> run(Transaction& transaction) = 0;
    virtual void finish(std::optional<Error> error) = 0;
  };
  // One piece of memory a job: it is made on one thread and freed on another.
  template <class T, class Work, class Done>
  class JobOf final : public Job {
   public:
    JobOf(Work work, Done done) : work_(std::move(work)), done_(std::move(done)) {}

    std::optional<Error> run(Transaction& transaction) override {
      result_.emplace(work_(transaction));
      if (result_->has_error()) return result_->error();
      return std::nullopt;
    }
    void finish(std::optional<Error> error) override {
      if (error) return done_(Result<T>(*std::move(error)));
      done_(*std::move(result_));
    }

   private:
    Work work_;
    Done done_;
    std::optional<Result<T>> result_;
  };
  class Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  void push(Kind kind, std::unique_ptr<Job> job);

  std::unique_ptr<Impl> impl_;
};

}  // namespace sanad::ledger
