#pragma once
// Moves the write-ahead log into the database file while commits go on: with megabytes to move and two syncs to wait for, nobody
// should stand behind it. What is committed meanwhile stays in the log; the storage thread moves the rest itself when nobody
// waits, or the log has become long (Store::checkpoint()), which is what lets SQLite begin the log anew.
//
// A connection of its own on a thread of its own. Each run syncs what it moved, so that the last has little left to sync. Should
// a sync fail, nothing is lost: the pages stand in the log still. But the disk is in doubt, so the ledger treats it like any
// other failure: it opens the database anew, which counts all of the log as not moved.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sanad::ledger {

class BackgroundCheckpoint final {
 public:
  struct Failure {
    int code = 0;  // SQLite's, extended
    std::string message;
  };

  // `vfs` as for Store::open(). `ended` is called on the checkpoint's thread after each run.
  BackgroundCheckpoint(std::filesystem::path database, std::string vfs, std::function<void()> ended);
  // Waits for the run under way.
  ~BackgroundCheckpoint();
  BackgroundCheckpoint(const BackgroundCheckpoint&) = delete;
  BackgroundCheckpoint& operator=(const BackgroundCheckpoint&) = delete;

  // The rest: storage thread.
  // False, and nothing happens, while a run is under way, or has ended and was not looked at.
  bool start();
  [[nodiscard]] bool running() const;
  // Whether a run has ended since the last call.
  bool take_ended();
  // Why the run failed that take_ended() told of last.
  std::optional<Failure> take_failure();
  // Until no run is under way; closes the connection, so that the file can be opened anew.
  void stop();

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace sanad::ledger
