#pragma once
// Infers sessions from snapshots. Pure: no clock, no socket, no database; time comes in with each observation.
// Rules: see the table in gateway/sessions/README.md.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/sessions/events.hpp"

namespace sanad::sessions {

struct TrackerSettings {
  // WireGuard's REJECT_AFTER_TIME (180 s, whitepaper section 6.1): no key is usable longer. Upwards only.
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds{180};
  std::chrono::nanoseconds poll_interval = std::chrono::seconds{10};
  std::chrono::nanoseconds attempt_interval = std::chrono::minutes{5};
};

// What must be known of a peer to go on after a restart. One row of the ledger's baselines. The row of every peer an event
// names (all but Gap) must be committed in the same transaction as the event, as it is after the observation: a row that is
// older or newer than its event tells bytes twice or never.
struct Baseline {
  wg::PublicKey peer;
  std::uint32_t incarnation = 0;
  wg::HandshakeTime handshake;
  Traffic counters;  // raw, as the backend counts; of an idle peer: those that events have told so far
  std::optional<Endpoint> endpoint;
  Instant sampled;  // when the counters were read (boot time is comparable within one boot id only)
  struct OpenSession {
    SessionId session{};
    WallTime start;
    Traffic base;
    BootTime last_handshake;  // boot-clock time of the latest handshake of the chain
    BootTime last_moved;      // last sample in which bytes moved
    WallTime last_moved_wall;
    std::uint32_t handshakes = 1;
    std::uint32_t moves = 0;
  };
  std::optional<OpenSession> open;
  // Idle: bytes after `counters` are the tail of a session that was closed before its key died (link down), not attempts. A
  // ledger that does not keep it loses only that distinction, and only when the clock was stepped within the key's life.
  bool tail = false;
};

struct RestoredState {
  // Same boot id and same wg::DeviceIdentity as when the baselines were taken: of all of them, so an observation that finds
  // another device must be committed together with take_dirty().
  bool same_device = false;
  bool same_boot = false;  // same boot id at least (implied by same_device): the boot times of last_snapshot are of this boot
  // `started` of the latest complete snapshot whose events are durable: idle peers were still then what their rows say.
  std::optional<Instant> last_snapshot;
  // Set when we made the device ourselves, just before we did: every counter in it began at zero then. Without it and without
  // last_snapshot the device is someone's we have never looked at: bytes from before the first look are not ours.
  std::optional<Instant> created;
  std::vector<Baseline> baselines;
};

class Tracker {
 public:
  using MakeId = std::function<SessionId()>;
  Tracker(TrackerSettings settings, MakeId make_id);
  ~Tracker();
  Tracker(Tracker&&) noexcept;
  Tracker& operator=(Tracker&&) noexcept;

  // Once, before the first observe(). With same_device false, open sessions close (reason device) at the first
  // observation with their checkpointed figures. A restart is a Gap from last_snapshot to the first observation.
  void restore(RestoredState state);

  // Snapshots in the order they were taken. A change of Snapshot::identity closes everything with reason device.
  std::vector<Event> observe(const wg::Snapshot& snapshot);

  // Between two observe()s, because of a hint: only peers whose handshake is another than when last read are looked at, and
  // nothing is concluded of the others, so that how often this is called changes no other rule. No Gap ends with it. Until
  // observe() has seen this very device, and after it was lost, it does nothing.
  std::vector<Event> glance(const wg::Snapshot& snapshot);
  // Whether a handshake at `at` would begin a session, as far as is known: none is open, or its last key died before.
  [[nodiscard]] bool begins(const wg::PublicKey& peer, BootTime at) const;

  // The peer's traffic has been stopped by us (first phase of removal) by a change that completed at `quiesced`. The first
  // valid record in a snapshot started after that closes its session with `reason` and exact figures; then the peer is
  // forgotten as soon as a complete snapshot lacks it. Calling again with another reason changes nothing.
  void expect_removal(const wg::PublicKey& peer, CloseReason reason, BootTime quiesced);
  // Undoes it: the peer was enabled again before it was removed.
  void cancel_removal(const wg::PublicKey& peer);

  // The link went down, or the backend died: all open sessions close, at `when`, from the last sample. `when` is
  // the moment of the announcement, read before any snapshot made because of it: later handshakes are new sessions. Counters
  // outlive a link that is down: with one more observe() before link_down() the figures are exact; without, the bytes since the
  // last sample go to the peer's next session.
  std::vector<Event> link_down(Instant when);
  std::vector<Event> device_lost(Instant when);

  // New settings from a reload; open sessions keep their state.
  void configure(TrackerSettings settings);

  // Peers whose Baseline changed since the last call, for the periodic checkpoint; and those forgotten. A peer in both was
  // forgotten and met again: delete first, then write.
  struct Dirty {
    std::vector<Baseline> changed;
    std::vector<wg::PublicKey> forgotten;
  };
  Dirty take_dirty();
  // The same for named peers, at once: the rows that must be durable together with their Opened or Closed event.
  [[nodiscard]] std::optional<Baseline> baseline(const wg::PublicKey& peer) const;

  struct Live {
    SessionId session{};
    WallTime start;
    Traffic traffic;
    std::optional<Endpoint> endpoint;
    WallTime last_handshake;
  };
  [[nodiscard]] std::optional<Live> live(const wg::PublicKey& peer) const;
  [[nodiscard]] std::size_t open_count() const;
  [[nodiscard]] std::size_t peer_count() const;
  // What is held of all peers together, in bytes; sessions and what else only some need not counted.
  [[nodiscard]] std::size_t memory() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sanad::sessions
