#pragma once
// Carries out retention: first what is personal of sessions that ended long ago, then whole bundles of the log. In small steps,
// each with its record; what a kill interrupts the next run carries on. Also what time does to holds and confirmations, and
// what an interrupted erasure still owes. Loop thread; files on the device worker.
//
// Disk pressure never brings it forward: it knows the policy, the holds and the clock, and nothing else.

#include <cstdint>
#include <functional>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "control/ledger/custody.hpp"
#include "control/service/custody.hpp"

namespace sanad::service {

class Gateway;

class RetentionKeeper {
 public:
  RetentionKeeper(Gateway& gateway, Custody& custody);

  // Settles the policy and looks at once, then every minute; what is past retention is looked for once an hour.
  void start();
  void stop();
  // The configuration changed. A longer time is in force at once. A shorter one is recorded, and where access.dual_control
  // names retention, waits for a second admin until it is in force.
  void policy_changed();

 private:
  // What bundles are judged by.
  struct Judgement {
    std::uint64_t first = 0;    // the log's first record
    std::uint64_t minimum = 0;  // the first that may go
    std::uint64_t limit = 0;    // none from here on may
    std::int64_t days = 0;      // the policy in force
    std::vector<ledger::Hold> holds;
  };
  void every_minute();
  void settle_policy(std::function<void()> then);
  void expire_waiting();
  void purge_if_wanted();
  void run();
  void expire_sessions(ledger::Custody::Cursor cursor);
  void look_at_bundles();
  void judge_bundles(Judgement facts);
  void raise_minimum(Judgement judged, std::uint64_t candidates);
  void drop_rows(std::uint64_t below, bool more);
  void prune();

  Gateway& gateway_;
  Custody& custody_;
  boost::asio::steady_timer minute_;
  BootTime next_run_{};
  bool running_ = false;
  bool stopping_ = false;
};

}  // namespace sanad::service
