#pragma once
// A ledger with a memory that survives the tracker, and a judge who compares what it recorded with the world's truth.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "gateway/sessions/tracker.hpp"
#include "simulated_world.hpp"

namespace sanad::sessions::simulation {

wg::PublicKey key_of(std::uint32_t peer);
std::uint32_t peer_of(const wg::PublicKey& key);
std::optional<Endpoint> endpoint_of(std::uint32_t address);

// What readings have shown so far of a peer; `folded` is what they showed of earlier objects.
struct Known {
  std::uint64_t object = 0;
  std::uint32_t device = 0;
  wg::HandshakeTime handshake;
  Nanos handshake_at = 0;
  std::int64_t session = kNoSession;
  Nanos read_at = 0;
  std::uint32_t address = 0;
  Traffic counters;
  Traffic folded;
};

struct Verdict {
  std::uint64_t sessions = 0;  // that a reading could have shown
  std::uint64_t lost = 0;
  std::uint64_t merged = 0;
  std::uint64_t invented = 0;
  std::uint64_t wrong_bytes = 0;  // sessions whose bytes a poll can tell apart, and that differ
  std::uint64_t wrong_sums = 0;   // peers whose events do not add up to their counters
  std::uint64_t wrong_times = 0;
  std::uint64_t wrong_attempts = 0;
  std::uint64_t wrong_roams = 0;
  std::uint64_t missing_gaps = 0;  // restarts that no gap tells of
  std::uint64_t exact_bytes = 0;   // sessions whose bytes a poll can tell apart, and that agree
  // Unobservable in principle; every one of them must be explained, see judge.cpp.
  std::uint64_t unseen_in_gap = 0;
  std::uint64_t unseen_died = 0;
  std::uint64_t unseen_missed = 0;
  std::uint64_t split_unseen = 0;
  std::uint64_t reset_unseen = 0;
  Traffic truth;
  Traffic recorded;
  std::vector<std::string> complaints;  // the first few
};

class Judge {
 public:
  Judge(World& world, std::uint32_t peers);

  // A snapshot that ended at `now` and showed the peers in `shown`, before the tracker judges it. A glance looks at nobody else.
  enum class Reading : std::uint8_t { complete, incomplete, glance };
  void read(Nanos now, const std::vector<std::uint32_t>& shown, Reading reading);
  // Its events became durable, with their rows. No snapshot: they came from an announcement.
  void commit(Nanos now, const std::vector<Event>& events, const Tracker& tracker, const wg::Snapshot* snapshot);
  void checkpoint(const Tracker::Dirty& dirty);
  // Everything that was not durable is gone.
  void lose_memory();
  RestoredState restored(bool same_device, bool same_boot);

  // At the end, with no session open.
  Verdict verdict(const Tracker& tracker);

 private:
  struct Row {
    std::optional<Baseline> baseline;
    Known known;
  };
  struct Recorded {
    bool open = false;
    SessionId session{};
    std::int64_t truth = kNoSession;
    std::optional<Endpoint> endpoint;
    std::uint32_t moves = 0;
    std::uint64_t attempts = 0;
    Traffic told;
  };
  void on(const Opened& opened);
  void on(const Closed& closed);
  void on(const Roamed& roamed);
  void on(const Attempted& attempted);
  void on(const Gap& gap);
  void save(std::uint32_t peer, const std::optional<Baseline>& baseline);
  void complain(std::uint64_t& count, std::string what);

  World& world_;
  std::vector<Row> rows_;
  std::vector<Known> known_;
  std::vector<Known> before_;  // of the peers whose handshake changed in the latest reading
  std::vector<std::uint32_t> changed_;
  std::vector<bool> reset_unseen_;
  std::vector<Recorded> recorded_;
  std::optional<Instant> last_snapshot_;
  bool restarted_ = false;
  Nanos now_ = 0;
  Nanos read_at_ = 0;
  Nanos durable_read_ = 0;  // of the latest reading that was committed
  std::vector<std::pair<Nanos, Nanos>> gaps_;
  Verdict verdict_;
};

}  // namespace sanad::sessions::simulation
