#pragma once
// The audit log's publisher, on a thread of its own beside the loop: signing and fsync delay nobody's answer.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/audit/log_reader.hpp"
#include "control/audit/publisher.hpp"
#include "control/ledger/ledger.hpp"
#include "control/service/log_keys.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

// Where the log lies under the state directory.
inline std::filesystem::path log_directory(const std::filesystem::path& state_dir) { return state_dir / "log"; }

// Tells the publisher that something was committed. Outlives the ledger, which raises it. Any thread.
class CommitSignal final {
 public:
  void raise();

 private:
  friend class PublishedLog;
  // False: stop. Returns at once when raised since the last call.
  bool wait();
  // False: stop, before the time is over.
  bool rest(std::chrono::nanoseconds pause);
  void stop();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;    // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
};

struct PublishedLogSettings {
  std::filesystem::path state_dir;
  std::string gateway_id;  // the log's origin is "sanad/<gateway id>" when it begins, and stays that
  std::chrono::nanoseconds epoch = std::chrono::days{30};  // how long one key signs
  // Least time between two checkpoints; with the time publishing takes, a commit is covered within one second.
  std::chrono::nanoseconds pace = std::chrono::milliseconds{500};
  std::function<void()> on_rotated{};  // on the publisher's thread, after the gateway itself has changed the key
};

struct LogState {
  std::string problem;      // why the log is not published now; empty: it is
  std::uint64_t epoch = 0;  // of the key that was announced last
};

class PublishedLog final {
 public:
  // Loads the signing key of the epoch (makes and records the first one), holds the directory against the ledger, and begins to
  // publish what is pending. Blocks. Errors: corrupt (log and ledger tell two histories), not_found or permission_denied (the
  // key's file), each with a way on: refuse to start. Trouble that may pass (a full disk) is logged and tried again while
  // running.
  static Result<std::unique_ptr<PublishedLog>> open(ledger::Ledger& ledger, CommitSignal& signal, PublishedLogSettings settings);
  // Publishes what is pending once more, then ends the thread. The ledger must still be there.
  ~PublishedLog();
  PublishedLog(const PublishedLog&) = delete;
  PublishedLog& operator=(const PublishedLog&) = delete;

  // Runs `job` on the publisher's thread, between two checkpoints: whatever else reads or writes the log's directory needs no
  // lock there. Any thread. Jobs must not throw; those that wait when the log ends are dropped.
  void post(std::function<void()> job);
  // Ends the epoch now, with `by` on record before it. Any thread; `done` on the publisher's, and always once. Errors: those of
  // LogKeys::rotate().
  void rotate_key(std::optional<audit::EventDraft> by, std::function<void(Result<RotatedKey>)> done);
  // Any thread.
  [[nodiscard]] LogState state() const;

 private:
  struct Request {
    std::optional<audit::EventDraft> by;
    std::function<void(Result<RotatedKey>)> done;
  };
  PublishedLog(std::unique_ptr<audit::Outbox> outbox, std::unique_ptr<LogKeys> keys, CommitSignal& signal, audit::LogStore store,
               std::chrono::nanoseconds pace, std::function<void()> on_rotated);
  void run();
  void change_keys();
  std::vector<Request> take_requests();
  Result<void> publish_all();
  void run_jobs();
  void tell(const Result<void>& outcome);

  std::unique_ptr<audit::Outbox> outbox_;
  std::unique_ptr<LogKeys> keys_;
  CommitSignal& signal_;
  std::chrono::nanoseconds pace_;
  std::function<void()> on_rotated_;
  audit::Publisher publisher_;
  std::uint64_t signed_size_ = 0;  // of the latest checkpoint
  mutable std::mutex mutex_;
  std::vector<Request> requests_;            // guarded by mutex_
  LogState state_;                           // guarded by mutex_
  std::vector<std::function<void()>> jobs_;  // guarded by mutex_
  std::thread thread_;                       // last: it uses the rest
};

// The record that the published log begins with (origin.hpp). A job's.
Result<std::uint64_t> first_record(ledger::Transaction& txn);

// Leaves from `from` on, or from the first that is not past retention, the ones dropped from the ledger read from the log's
// bundles, with the disclosures that are left; none from before the log's first record, where another log's end. On the storage
// thread. Errors: those of LogReader.
Result<std::vector<ledger::StoredLeaf>> read_leaves(ledger::Transaction& txn, const std::filesystem::path& log,
                                                    std::uint64_t from, std::size_t limit);

}  // namespace sanad::service
