#include "gateway/sessions/tracker.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "gateway/sessions/handshake_age.hpp"
#include "gateway/sessions/peer_state.hpp"
#include "gateway/wg/key_table.hpp"

namespace sanad::sessions {
namespace {

// REJECT_AFTER_TIME (WireGuard whitepaper section 6.1; messages.h in the kernel): no key works longer, whatever the settings.
constexpr std::chrono::seconds kKeyLife{180};
// Retry spacing of a handshake (REKEY_TIMEOUT): a renewal that was due may still be under way this long.
constexpr std::chrono::seconds kRekeyTimeout{5};
// Size of a handshake initiation on the wire (whitepaper section 5.4).
constexpr std::uint64_t kInitiationSize = 148;

}  // namespace

class Tracker::Impl {
 public:
  Impl(TrackerSettings settings, MakeId make_id) : settings_(settings), make_id_(std::move(make_id)) {}

  void restore(RestoredState state);
  std::vector<Event> observe(const wg::Snapshot& snapshot);
  std::vector<Event> glance(const wg::Snapshot& snapshot);
  [[nodiscard]] bool begins(const wg::PublicKey& peer, BootTime at) const;
  void expect_removal(const wg::PublicKey& peer, CloseReason reason, BootTime quiesced);
  void cancel_removal(const wg::PublicKey& peer);
  std::vector<Event> close_all(Instant when, CloseReason reason);
  std::vector<Event> lose_device(Instant when);
  void configure(TrackerSettings settings) { settings_ = settings; }
  Dirty take_dirty();
  [[nodiscard]] std::optional<Baseline> baseline(const wg::PublicKey& peer) const;
  [[nodiscard]] std::optional<Live> live(const wg::PublicKey& peer) const;
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }
  [[nodiscard]] std::size_t peer_count() const { return peers_.size(); }
  [[nodiscard]] std::size_t memory() const { return peers_.memory(); }

 private:
  using Events = std::vector<Event>;
  // One peer during one observation.
  struct Sight {
    const wg::PublicKey& key;
    PeerRecord& record;
    const wg::Peer& read;
    const wg::Snapshot& snapshot;
    Events& events;
  };
  struct Ending {
    CloseReason reason;
    BootTime not_after;  // the session cannot have lasted longer
    Instant clock;       // relates not_after to the wall
  };

  void begin(const wg::Snapshot& snapshot, Events& events);
  void note_gap(const wg::Snapshot& snapshot, Events& events);
  void start_over(const wg::Snapshot& snapshot, Events& events);
  void meet(PeerRecord& record, const wg::Snapshot& snapshot);
  void look(Sight& sight);
  void look_first(Sight& sight);
  void note_handshake(Sight& sight, const Traffic& now);
  void open(Sight& sight, BootTime at, const Bounds& bounds, const Traffic& base);
  void move_open(Sight& sight, const Traffic& now);
  void move_idle(Sight& sight, const Traffic& now);
  void expire(Sight& sight);
  void end_at_link_down(Sight& sight);
  void leave(Sight& sight, const LeavingState& leaving);
  Traffic base_for_open(Sight& sight);
  void tell_outside(const wg::PublicKey& key, const PeerRecord& record, const Traffic& until, const Instant& clock,
                    bool last_in_flight, Events& events);
  void flush_outside(const wg::PublicKey& key, const PeerRecord& record, const Instant& clock, Events& events);
  void close_unseen(const wg::PublicKey& key, PeerRecord& record, const Ending& ending, Events& events);
  Closed closing(const wg::PublicKey& key, const PeerRecord& record, const OpenState& session, CloseReason reason) const;
  void end_incarnation(const wg::PublicKey& key, PeerRecord& record, const Ending& ending, const Instant& zero_at,
                       Events& events);
  void note_absent(const wg::Snapshot& snapshot, Events& events);
  void mark_dirty(const wg::PublicKey& key, PeerRecord& record);
  [[nodiscard]] Baseline row(const wg::PublicKey& key, const PeerRecord& record, const OpenState* session,
                             const OutsideState* outside) const;
  [[nodiscard]] static Instant last_sign(const OpenState& session);

  TrackerSettings settings_;
  MakeId make_id_;
  using Peers = wg::KeyTable<PeerRecord>;
  Peers peers_;  // marked: present in the latest snapshot
  SampleTimes times_;
  std::unordered_map<wg::PublicKey, OpenState> open_;
  std::unordered_map<wg::PublicKey, OutsideState> outside_;
  std::unordered_map<wg::PublicKey, LeavingState> leaving_;
  std::vector<wg::PublicKey> dirty_;
  std::vector<wg::PublicKey> forgotten_;

  SampleTimes::Id sample_ = 0;  // the latest snapshot's start
  std::size_t present_ = 0;     // peers the latest snapshot had so far
  Peers::Slot next_ = 0;        // where the next peer of the snapshot is likely to lie
  std::optional<wg::DeviceIdentity> identity_;
  std::optional<Instant> previous_;       // start of the latest snapshot
  std::optional<Instant> zero_known_at_;  // a peer unknown to us had no counters then: the latest complete snapshot, or creation
  std::optional<Instant> lost_at_;
  std::optional<Instant> down_at_;  // the latest link_down on this device
  BootTime carry_until_;            // see OutsideState::carry_until, for all peers
  bool restored_ = false;           // until the first snapshot
  bool same_boot_ = false;          // as the baselines
  bool device_replaced_ = false;    // while we were not running
};

void Tracker::Impl::restore(RestoredState state) {
  // Of rows without a last snapshot, nothing is certain after the oldest.
  if (!state.last_snapshot && !state.baselines.empty()) {
    state.last_snapshot = std::ranges::min_element(state.baselines, {}, &Baseline::sampled)->sampled;
  }
  restored_ = state.last_snapshot.has_value();
  device_replaced_ = !state.same_device && restored_;
  same_boot_ = state.same_boot || state.same_device;
  previous_ = state.last_snapshot;
  zero_known_at_ = state.created ? state.created : state.last_snapshot;
  for (const Baseline& b : state.baselines) {
    PeerRecord& record = peers_.at(peers_.insert(b.peer).first);
    record.handshake = PackedHandshake{b.handshake};
    record.counters = b.counters;
    record.sampled = times_.note(b.sampled);
    record.endpoint = PackedEndpoint{b.endpoint};
    record.incarnation = b.incarnation;
    if (!b.open) {
      // A session that was closed before its key died (link down, quiesced) may have moved bytes after its last figures.
      const auto age = b.sampled.wall - stamp_of(b.handshake);
      if (b.tail || (!b.handshake.never() && std::chrono::abs(age) < kKeyLife)) {
        OutsideState& outside = outside_[b.peer];
        outside.told = b.counters;
        outside.since = b.sampled;
        outside.tail = true;
        // At least what moved until the first snapshot.
        outside.carry_until = std::max(b.sampled.boot, previous_->boot) + std::chrono::nanoseconds{1};
      }
      // An opening is durable at once, so an idle peer's handshake was still this one at the last durable snapshot.
      if (previous_ && b.sampled < *previous_) record.sampled = times_.note(*previous_);
      continue;
    }
    record.has_open = true;
    OpenState& session = open_[b.peer];
    session.session = b.open->session;
    session.start = b.open->start;
    session.base = b.open->base;
    session.last_handshake = b.open->last_handshake;
    session.last_moved = Instant{b.open->last_moved, b.open->last_moved_wall};
    session.moved_after = std::min(session.last_moved.boot, session.last_handshake);  // a handshake shows by its first packet
    session.handshakes = b.open->handshakes;
    session.moves = b.open->moves;
    session.from_checkpoint = true;
  }
}

std::vector<Event> Tracker::Impl::observe(const wg::Snapshot& snapshot) {
  Events events;
  if (snapshot.first) begin(snapshot, events);
  for (const wg::Peer& peer : snapshot.device.peers) {
    Peers::Slot slot = peers_.find(peer.public_key, next_);
    if (slot == Peers::kNone) {
      slot = peers_.insert(peer.public_key).first;
      meet(peers_.at(slot), snapshot);
    }
    next_ = slot + 1;
    if (!peers_.mark(slot)) continue;  // a backend that lists a key twice is not believed twice
    ++present_;
    if (!peer.has_counters) continue;
    Sight sight{peers_.key(slot), peers_.at(slot), peer, snapshot, events};
    look(sight);
  }
  if (snapshot.last && snapshot.complete) {
    if (present_ < peers_.size() || !leaving_.empty()) note_absent(snapshot, events);
    zero_known_at_ = snapshot.started;
  }
  return events;
}

void Tracker::Impl::begin(const wg::Snapshot& snapshot, Events& events) {
  note_gap(snapshot, events);
  if (device_replaced_ || (identity_ && *identity_ != snapshot.identity)) start_over(snapshot, events);
  identity_ = snapshot.identity;
  previous_ = snapshot.started;
  peers_.clear_marks();
  present_ = 0;
  next_ = 0;
  if (times_.crowded()) {
    times_.compact([this](const auto& take) {
      for (Peers::Slot slot = 0; slot < peers_.size(); ++slot) take(peers_.at(slot).sampled);
    });
  }
  sample_ = times_.note(snapshot.started);
}

void Tracker::Impl::note_gap(const wg::Snapshot& snapshot, Events& events) {
  if (restored_) {
    events.emplace_back(Gap{GapCause::restart, previous_->wall, snapshot.finished.wall});
  } else if (lost_at_) {
    events.emplace_back(Gap{GapCause::backend_down, lost_at_->wall, snapshot.finished.wall});
  } else if (previous_ && snapshot.started.boot - previous_->boot > 2 * settings_.poll_interval) {
    events.emplace_back(Gap{GapCause::late_poll, previous_->wall, snapshot.finished.wall});
  }
  restored_ = false;
  lost_at_.reset();
}

// Another device: every counter in it began at zero after we last looked at the old one.
void Tracker::Impl::start_over(const wg::Snapshot& snapshot, Events& events) {
  Instant zero_at = *previous_;
  if (std::exchange(device_replaced_, false) && !same_boot_) {
    // The boot times of the checkpoint are another boot's. What they say is put on this boot's clock by way of the wall
    // clock; a wall clock that went backward says nothing, and then the whole of this boot is possible.
    const auto ago = snapshot.started.wall - zero_at.wall;
    const bool sane = ago >= ago.zero() && ago <= snapshot.started.boot - BootTime{};
    zero_at.boot = sane ? snapshot.started.boot - ago : BootTime{};
    zero_at.wall = wall_at(snapshot.started, zero_at.boot);
  }
  const Ending ending{CloseReason::device, snapshot.finished.boot, snapshot.finished};
  for (Peers::Slot slot = 0; slot < peers_.size(); ++slot)
    end_incarnation(peers_.key(slot), peers_.at(slot), ending, zero_at, events);
  zero_known_at_ = zero_at;
  carry_until_ = BootTime{};
  down_at_.reset();
}

std::vector<Event> Tracker::Impl::glance(const wg::Snapshot& snapshot) {
  Events events;
  const bool known = previous_ && identity_ && *identity_ == snapshot.identity && !device_replaced_ && !restored_ && !lost_at_;
  if (!known) return events;
  if (snapshot.first) sample_ = times_.note(snapshot.started);
  Peers::Slot next = 0;
  for (const wg::Peer& peer : snapshot.device.peers) {
    Peers::Slot slot = peers_.find(peer.public_key, next);
    next = slot + 1;
    if (!peer.has_counters || peer.last_handshake.never()) continue;
    if (slot == Peers::kNone) {
      slot = peers_.insert(peer.public_key).first;
      meet(peers_.at(slot), snapshot);
    } else if (peers_.at(slot).handshake == PackedHandshake{peer.last_handshake} || peers_.at(slot).sampled == sample_) {
      continue;  // nothing new; or a backend that lists a key twice, which is not believed twice
    }
    Sight sight{peers_.key(slot), peers_.at(slot), peer, snapshot, events};
    look(sight);
  }
  return events;
}

bool Tracker::Impl::begins(const wg::PublicKey& peer, BootTime at) const {
  const auto it = open_.find(peer);
  return it == open_.end() || at - it->second.last_handshake >= settings_.idle_timeout;
}

void Tracker::Impl::meet(PeerRecord& record, const wg::Snapshot& snapshot) {
  // The device may hold a peer from before we ever looked: only a complete snapshot without it proves that it began at zero.
  record.no_baseline = !zero_known_at_;
  record.sampled = times_.note(zero_known_at_.value_or(snapshot.started));
}

void Tracker::Impl::look(Sight& sight) {
  PeerRecord& record = sight.record;
  record.absent = false;
  if (record.no_baseline) {
    look_first(sight);
  } else {
    const Traffic now{sight.read.rx_bytes, sight.read.tx_bytes};
    const bool fell = now.rx < record.counters.rx || now.tx < record.counters.tx;
    const bool unmade = sight.read.last_handshake.never() && !record.handshake.never();
    if (fell || unmade) {
      const Ending ending{CloseReason::counters_reset, sight.snapshot.finished.boot, sight.snapshot.finished};
      const Instant zero_at = times_[record.sampled];
      end_incarnation(sight.key, record, ending, zero_at, sight.events);
    }
    if (record.handshake != PackedHandshake{sight.read.last_handshake}) note_handshake(sight, now);
    if (record.has_open) {
      move_open(sight, now);
    } else {
      move_idle(sight, now);
    }
    if (sight.read.endpoint) record.endpoint = PackedEndpoint{sight.read.endpoint};
    record.counters = now;
    record.sampled = sample_;
    if (record.has_open && down_at_) end_at_link_down(sight);
    if (record.has_open) expire(sight);
  }
  if (leaving_.empty()) return;
  if (const auto it = leaving_.find(sight.key); it != leaving_.end()) leave(sight, it->second);
}

void Tracker::Impl::look_first(Sight& sight) {
  PeerRecord& record = sight.record;
  record.no_baseline = false;
  record.handshake = PackedHandshake{sight.read.last_handshake};
  record.counters = Traffic{sight.read.rx_bytes, sight.read.tx_bytes};
  record.sampled = sample_;
  record.endpoint = PackedEndpoint{sight.read.endpoint};
  mark_dirty(sight.key, record);
  if (record.handshake.never()) return;
  const Instant& now = sight.snapshot.finished;
  const auto age = std::max(std::chrono::nanoseconds{}, now.wall - stamp_of(record.handshake.get()));
  if (age >= settings_.idle_timeout) return;
  const BootTime at = std::max(BootTime{}, now.boot - age);
  // It was there before us: when it began, and what moved until now, nobody can say.
  open(sight, at, Bounds{WallTime{}, wall_at(now, at)}, record.counters);
}

void Tracker::Impl::note_handshake(Sight& sight, const Traffic& now) {
  PeerRecord& record = sight.record;
  const Instant& finished = sight.snapshot.finished;
  mark_dirty(sight.key, record);
  const wg::HandshakeTime before = record.handshake.get();
  record.handshake = PackedHandshake{sight.read.last_handshake};
  const wg::HandshakeTime after = record.handshake.get();
  const Instant& sampled = times_[record.sampled];
  // A handshake brings at least its initiation; the same one read whole after a torn reading brings nothing.
  if (!before.never() && now.rx == record.counters.rx && nearly_same(before, after)) {
    if (record.has_open) open_.find(sight.key)->second.last_handshake.ns += (stamp_of(after) - stamp_of(before)).count();
    return;
  }
  const BootTime at = place_handshake(after, sampled, finished);
  const Bounds bounds{wall_at(finished, sampled.boot), finished.wall};
  if (!record.has_open) {
    if (down_at_ && at <= down_at_->boot) {
      // Nobody had read this handshake when the link went down. A session closed then does not open again by its own renewal.
      const auto outside = outside_.find(sight.key);
      if (outside != outside_.end() && outside->second.cut && at - *outside->second.cut < settings_.idle_timeout) return;
    }
    const Traffic base = base_for_open(sight);
    open(sight, at, bounds, base);
    return;
  }
  OpenState& session = open_.find(sight.key)->second;
  if (at - session.last_handshake < settings_.idle_timeout) {
    session.last_handshake = std::max(session.last_handshake, at);
    ++session.handshakes;
    return;
  }
  Closed closed = closing(sight.key, record, session, CloseReason::superseded);
  closed.uncertain = now - record.counters;
  closed.bounds.not_after = std::min(wall_at(finished, session.last_handshake + kKeyLife), wall_at(finished, at));
  closed.bounds.not_after = std::max(closed.bounds.not_after, closed.end);
  sight.events.emplace_back(closed);
  open_.erase(sight.key);
  open(sight, at, bounds, record.counters);
}

void Tracker::Impl::open(Sight& sight, BootTime at, const Bounds& bounds, const Traffic& base) {
  PeerRecord& record = sight.record;
  const Instant& finished = sight.snapshot.finished;
  record.has_open = true;
  record.endpoint = PackedEndpoint{sight.read.endpoint};
  OpenState& session = open_[sight.key];
  session = OpenState{};
  session.session = make_id_();
  session.start = wall_at(finished, at);
  session.base = base;
  session.last_handshake = at;
  session.last_moved = finished;
  session.moved_after = at;
  mark_dirty(sight.key, record);
  sight.events.emplace_back(Opened{.peer = sight.key,
                                   .session = session.session,
                                   .incarnation = record.incarnation,
                                   .start = session.start,
                                   .bounds = bounds,
                                   .handshake = record.handshake.get(),
                                   .endpoint = sight.read.endpoint,
                                   .base = base});
}

void Tracker::Impl::move_open(Sight& sight, const Traffic& now) {
  PeerRecord& record = sight.record;
  OpenState& session = open_.find(sight.key)->second;
  session.from_checkpoint = false;
  const Instant& finished = sight.snapshot.finished;
  if (now != record.counters) {
    mark_dirty(sight.key, record);
    // Only what came from the peer is a sign of its life: a living one answers data within 10 s (KEEPALIVE_TIMEOUT), and what
    // the gateway sends after a peer has gone is its own calling for a handshake, every 5 s for 90 s. Once the key is dead
    // handshake tries alone move bytes, whoever makes them. All bytes are counted.
    if (now.rx != record.counters.rx && times_[record.sampled].boot < session.last_handshake + kKeyLife) {
      session.moved_after = std::max(session.moved_after, times_[record.sampled].boot);
      session.last_moved = finished;
    }
  }
  if (!sight.read.endpoint || PackedEndpoint{sight.read.endpoint} == record.endpoint) return;
  mark_dirty(sight.key, record);
  ++session.moves;
  sight.events.emplace_back(Roamed{.peer = sight.key,
                                   .session = session.session,
                                   .from = record.endpoint.get(),
                                   .to = sight.read.endpoint,
                                   .bounds = {wall_at(finished, times_[record.sampled].boot), finished.wall}});
}

void Tracker::Impl::move_idle(Sight& sight, const Traffic& now) {
  PeerRecord& record = sight.record;
  if (sight.read.endpoint && PackedEndpoint{sight.read.endpoint} != record.endpoint) mark_dirty(sight.key, record);
  const bool moved = now != record.counters;
  auto it = outside_.find(sight.key);
  if (it == outside_.end()) {
    if (!moved) return;
    it = outside_.try_emplace(sight.key).first;
    it->second.told = record.counters;
    it->second.since = times_[record.sampled];
  }
  OutsideState& outside = it->second;
  const BootTime now_boot = sight.snapshot.finished.boot;
  // A reading that is repeated because it was interrupted gives a handshake in flight no time to complete.
  if (!moved && outside.latest.rx > 0 && now_boot - outside.latest_at < settings_.poll_interval / 2) return;
  if (moved && outside.told == record.counters) outside.since = times_[record.sampled];
  const bool due = !outside.last_event || now_boot - *outside.last_event >= settings_.attempt_interval;
  // One initiation in the latest sample may be the beginning of a handshake that completes right after it. Told is what is
  // older, or more than one; of several the last may still be such a beginning, so it is not counted.
  const std::uint64_t confirmed = outside.attempt_rx;
  outside.latest = now - record.counters;
  outside.latest_at = now_boot;
  const bool tail = times_[record.sampled].boot < std::max(carry_until_, outside.carry_until) || leaving_.contains(sight.key);
  if (!tail) outside.attempt_rx += outside.latest.rx;
  if (due && outside.attempt_rx > 0 && outside.latest.rx > kInitiationSize) {
    record.endpoint = PackedEndpoint{sight.read.endpoint ? sight.read.endpoint : record.endpoint.get()};
    tell_outside(sight.key, record, now, sight.snapshot.finished, true, sight.events);
    outside.latest = {};
    mark_dirty(sight.key, record);
  } else if (due && confirmed > 0) {
    const std::uint64_t latest_attempt = outside.attempt_rx - confirmed;
    outside.attempt_rx = confirmed;
    tell_outside(sight.key, record, record.counters, sight.snapshot.finished, false, sight.events);
    outside.attempt_rx = latest_attempt;
    mark_dirty(sight.key, record);
  } else if (!moved && outside.told == record.counters && due && outside.carry_until <= times_[record.sampled].boot) {
    outside_.erase(it);
  }
}

// Bytes of an idle peer up to its handshake: those since the previous sample belong to the new session, and with them those
// that only the new session explains: a handshake in flight when we last looked, the gateway's own calls before the peer
// answered, the tail of a session that was closed without a last look. Failed handshakes are told apart first.
Traffic Tracker::Impl::base_for_open(Sight& sight) {
  const PeerRecord& record = sight.record;
  const auto it = outside_.find(sight.key);
  if (it == outside_.end()) return record.counters;
  OutsideState& outside = it->second;
  Traffic base = record.counters;
  if (outside.latest.rx <= kInitiationSize) {
    base = base - outside.latest;
    outside.attempt_rx -= std::min(outside.attempt_rx, outside.latest.rx);
  }
  if (outside.attempt_rx == 0) {
    base = outside.told;
  } else {
    tell_outside(sight.key, record, base, sight.snapshot.finished, base == record.counters, sight.events);
  }
  outside_.erase(it);
  return base;
}

void Tracker::Impl::tell_outside(const wg::PublicKey& key, const PeerRecord& record, const Traffic& until, const Instant& clock,
                                 bool last_in_flight, Events& events) {
  OutsideState& outside = outside_.find(key)->second;
  const std::uint64_t sure = outside.attempt_rx - (last_in_flight ? std::min(outside.attempt_rx, kInitiationSize) : 0);
  const std::uint64_t count = sure == 0 ? 0 : std::max<std::uint64_t>(1, sure / kInitiationSize);
  events.emplace_back(Attempted{.peer = key,
                                .count_at_least = count,
                                .traffic = until - outside.told,
                                .endpoint = record.endpoint.get(),
                                .bounds = {wall_at(clock, outside.since.boot), clock.wall}});
  outside.told = until;
  outside.since = times_[record.sampled];
  outside.attempt_rx = 0;
  outside.tail = false;
  outside.last_event = clock.boot;
}

// The counters are about to start over: what has not been told yet is told now or never.
void Tracker::Impl::flush_outside(const wg::PublicKey& key, const PeerRecord& record, const Instant& clock, Events& events) {
  const auto it = outside_.find(key);
  if (it == outside_.end()) return;
  if (it->second.told != record.counters) tell_outside(key, record, record.counters, clock, it->second.latest.rx > 0, events);
  outside_.erase(it);
}

void Tracker::Impl::expire(Sight& sight) {
  const auto it = open_.find(sight.key);
  const OpenState& session = it->second;
  const auto patience = settings_.idle_timeout + settings_.poll_interval + kRekeyTimeout;
  if (sight.snapshot.started.boot - session.last_handshake < patience) return;
  Closed closed = closing(sight.key, sight.record, session, CloseReason::expired);
  closed.bounds.not_after = closed.end;
  sight.events.emplace_back(closed);
  sight.record.has_open = false;
  open_.erase(it);
  mark_dirty(sight.key, sight.record);
}

// A session that began unseen just before the link went down, and ended with it.
void Tracker::Impl::end_at_link_down(Sight& sight) {
  const auto it = open_.find(sight.key);
  if (it->second.last_handshake > down_at_->boot) return;
  Closed closed = closing(sight.key, sight.record, it->second, CloseReason::link_down);
  closed.end = wall_at(sight.snapshot.finished, down_at_->boot);
  closed.end_inferred = false;
  closed.bounds = Bounds{wall_at(sight.snapshot.finished, it->second.last_handshake), closed.end};
  sight.events.emplace_back(closed);
  sight.record.has_open = false;
  open_.erase(it);
  mark_dirty(sight.key, sight.record);
}

void Tracker::Impl::leave(Sight& sight, const LeavingState& leaving) {
  if (!sight.record.has_open || sight.snapshot.started.boot <= leaving.quiesced) return;
  const auto it = open_.find(sight.key);
  const OpenState& session = it->second;
  const bool outlived = leaving.quiesced - session.last_handshake > kKeyLife;
  Closed closed = closing(sight.key, sight.record, session, outlived ? CloseReason::expired : leaving.reason);
  if (!outlived) {
    closed.end = wall_at(sight.snapshot.finished, leaving.quiesced);
    closed.end_inferred = false;
    closed.bounds.not_before = closed.end;
  }
  closed.bounds.not_after = closed.end;
  sight.events.emplace_back(closed);
  sight.record.has_open = false;
  open_.erase(it);
  mark_dirty(sight.key, sight.record);
}

// The last sign of life: never later than the key.
Instant Tracker::Impl::last_sign(const OpenState& session) {
  const BootTime at = std::min(session.last_moved.boot, session.last_handshake + kKeyLife);
  return Instant{at, wall_at(session.last_moved, at)};
}

Closed Tracker::Impl::closing(const wg::PublicKey& key, const PeerRecord& record, const OpenState& session,
                              CloseReason reason) const {
  Closed closed;
  closed.peer = key;
  closed.session = session.session;
  closed.reason = reason;
  closed.end = last_sign(session).wall;
  closed.bounds = Bounds{std::min(wall_at(session.last_moved, session.moved_after), closed.end), closed.end};
  closed.end_inferred = true;
  closed.traffic = record.counters - session.base;
  closed.handshakes = session.handshakes;
  closed.moves = session.moves;
  closed.figures_as_of = times_[record.sampled].wall;
  closed.figures_from_checkpoint = session.from_checkpoint;
  return closed;
}

// Closes without a reading of its own: the figures are those of the last sample.
void Tracker::Impl::close_unseen(const wg::PublicKey& key, PeerRecord& record, const Ending& ending, Events& events) {
  const auto it = open_.find(key);
  Closed closed = closing(key, record, it->second, ending.reason);
  closed.bounds.not_after = std::max(closed.end, wall_at(ending.clock, ending.not_after));
  events.emplace_back(closed);
  record.has_open = false;
  open_.erase(it);
  mark_dirty(key, record);
}

void Tracker::Impl::end_incarnation(const wg::PublicKey& key, PeerRecord& record, const Ending& ending, const Instant& zero_at,
                                    Events& events) {
  if (record.has_open) close_unseen(key, record, ending, events);
  flush_outside(key, record, ending.clock, events);
  if (record.no_baseline) return;
  ++record.incarnation;
  record.handshake = {};
  record.counters = {};
  record.sampled = times_.note(zero_at);
  record.endpoint = {};
  mark_dirty(key, record);
}

void Tracker::Impl::note_absent(const wg::Snapshot& snapshot, Events& events) {
  // From the end, because the last takes the place of one that is erased.
  for (auto slot = static_cast<Peers::Slot>(peers_.size()); slot-- > 0;) {
    if (peers_.marked(slot)) continue;
    const wg::PublicKey key = peers_.key(slot);
    PeerRecord& record = peers_.at(slot);
    const auto leaving = leaving_.find(key);
    const bool ours = leaving != leaving_.end();
    if (!record.absent) {
      const Ending ending{ours ? leaving->second.reason : CloseReason::removed_externally, snapshot.finished.boot,
                          snapshot.finished};
      end_incarnation(key, record, ending, snapshot.started, events);
    }
    // A peer that someone removed is usually back by the next snapshot; until then its incarnation is worth keeping.
    if (ours || record.absent) {
      if (ours) leaving_.erase(leaving);
      forgotten_.push_back(key);
      peers_.erase(slot);
      continue;
    }
    record.absent = true;
    record.sampled = sample_;
  }
  std::erase_if(leaving_, [this](const auto& entry) { return !peers_.contains(entry.first); });
}

void Tracker::Impl::expect_removal(const wg::PublicKey& peer, CloseReason reason, BootTime quiesced) {
  leaving_.try_emplace(peer, LeavingState{reason, quiesced});
}

void Tracker::Impl::cancel_removal(const wg::PublicKey& peer) {
  const auto leaving = leaving_.find(peer);
  if (leaving == leaving_.end()) return;
  // Keys from before survive the quiescing: what they carry now is not an attempt.
  if (const auto slot = peers_.find(peer); slot != Peers::kNone && !peers_.at(slot).has_open) {
    const auto [outside, added] = outside_.try_emplace(peer);
    if (added) {
      outside->second.told = peers_.at(slot).counters;
      outside->second.since = times_[peers_.at(slot).sampled];
    }
    outside->second.tail = true;
    outside->second.carry_until = leaving->second.quiesced + kKeyLife;
  }
  leaving_.erase(leaving);
}

std::vector<Event> Tracker::Impl::close_all(Instant when, CloseReason reason) {
  Events events;
  events.reserve(open_.size());
  std::vector<wg::PublicKey> keys;
  keys.reserve(open_.size());
  for (const auto& [key, session] : open_) keys.push_back(key);
  for (const wg::PublicKey& key : keys) {
    PeerRecord& record = peers_.at(peers_.find(key));
    const auto it = open_.find(key);
    if (it->second.last_handshake > when.boot) continue;  // it began after that, seen by a snapshot made meanwhile
    const bool outlived = when.boot - it->second.last_handshake > kKeyLife;
    Closed closed = closing(key, record, it->second, outlived ? CloseReason::expired : reason);
    if (!outlived) {
      closed.end = when.wall;
      closed.end_inferred = false;
      closed.bounds = Bounds{wall_at(when, std::min(times_[record.sampled].boot, when.boot)), when.wall};
    }
    events.emplace_back(closed);
    OutsideState& outside = outside_[key];
    outside.told = record.counters;
    outside.since = times_[record.sampled];
    outside.tail = true;
    if (reason == CloseReason::link_down) outside.cut = it->second.last_handshake;
    record.has_open = false;
    open_.erase(it);
    mark_dirty(key, record);
  }
  if (reason == CloseReason::link_down) down_at_ = when;
  carry_until_ = std::max(carry_until_, when.boot);
  return events;
}

std::vector<Event> Tracker::Impl::lose_device(Instant when) {
  lost_at_ = when;
  Events events = close_all(when, CloseReason::device);
  // Should the same device answer again after all, its keys are not dead.
  carry_until_ = std::max(carry_until_, when.boot + kKeyLife);
  return events;
}

void Tracker::Impl::mark_dirty(const wg::PublicKey& key, PeerRecord& record) {
  if (record.dirty) return;
  record.dirty = true;
  dirty_.push_back(key);
}

Baseline Tracker::Impl::row(const wg::PublicKey& key, const PeerRecord& record, const OpenState* session,
                            const OutsideState* outside) const {
  Baseline b;
  b.peer = key;
  b.incarnation = record.incarnation;
  b.handshake = record.handshake.get();
  b.counters = record.counters;
  b.sampled = times_[record.sampled];
  b.endpoint = record.endpoint.get();
  if (session != nullptr) {
    b.open = Baseline::OpenSession{.session = session->session,
                                   .start = session->start,
                                   .base = session->base,
                                   .last_handshake = session->last_handshake,
                                   .last_moved = session->last_moved.boot,
                                   .last_moved_wall = session->last_moved.wall,
                                   .handshakes = session->handshakes,
                                   .moves = session->moves};
  } else if (outside != nullptr) {
    b.counters = outside->told;
    b.tail = outside->tail;
    if (outside->told != record.counters) b.sampled = outside->since;
  }
  return b;
}

std::optional<Baseline> Tracker::Impl::baseline(const wg::PublicKey& peer) const {
  const auto slot = peers_.find(peer);
  if (slot == Peers::kNone || peers_.at(slot).no_baseline) return std::nullopt;
  const auto session = open_.find(peer);
  const auto outside = outside_.find(peer);
  return row(peer, peers_.at(slot), session == open_.end() ? nullptr : &session->second,
             outside == outside_.end() ? nullptr : &outside->second);
}

Tracker::Dirty Tracker::Impl::take_dirty() {
  Dirty dirty;
  dirty.forgotten = std::exchange(forgotten_, {});
  dirty.changed.reserve(dirty_.size());
  for (const wg::PublicKey& key : std::exchange(dirty_, {})) {
    const auto slot = peers_.find(key);
    if (slot == Peers::kNone || !peers_.at(slot).dirty) continue;
    peers_.at(slot).dirty = false;
    if (auto b = baseline(key)) dirty.changed.push_back(std::move(*b));
  }
  return dirty;
}

std::optional<Tracker::Live> Tracker::Impl::live(const wg::PublicKey& peer) const {
  const auto it = open_.find(peer);
  if (it == open_.end()) return std::nullopt;
  const PeerRecord& record = peers_.at(peers_.find(peer));
  return Live{.session = it->second.session,
              .start = it->second.start,
              .traffic = record.counters - it->second.base,
              .endpoint = record.endpoint.get(),
              .last_handshake = stamp_of(record.handshake.get())};
}

Tracker::Tracker(TrackerSettings settings, MakeId make_id) : impl_(std::make_unique<Impl>(settings, std::move(make_id))) {}
Tracker::~Tracker() = default;
Tracker::Tracker(Tracker&&) noexcept = default;
Tracker& Tracker::operator=(Tracker&&) noexcept = default;

void Tracker::restore(RestoredState state) { impl_->restore(std::move(state)); }
std::vector<Event> Tracker::glance(const wg::Snapshot& snapshot) { return impl_->glance(snapshot); }
bool Tracker::begins(const wg::PublicKey& peer, BootTime at) const { return impl_->begins(peer, at); }
std::vector<Event> Tracker::observe(const wg::Snapshot& snapshot) { return impl_->observe(snapshot); }
void Tracker::expect_removal(const wg::PublicKey& peer, CloseReason reason, BootTime quiesced) {
  impl_->expect_removal(peer, reason, quiesced);
}
void Tracker::cancel_removal(const wg::PublicKey& peer) { impl_->cancel_removal(peer); }
std::vector<Event> Tracker::link_down(Instant when) { return impl_->close_all(when, CloseReason::link_down); }
std::vector<Event> Tracker::device_lost(Instant when) { return impl_->lose_device(when); }
void Tracker::configure(TrackerSettings settings) { impl_->configure(settings); }
Tracker::Dirty Tracker::take_dirty() { return impl_->take_dirty(); }
std::optional<Baseline> Tracker::baseline(const wg::PublicKey& peer) const { return impl_->baseline(peer); }
std::optional<Tracker::Live> Tracker::live(const wg::PublicKey& peer) const { return impl_->live(peer); }
std::size_t Tracker::open_count() const { return impl_->open_count(); }
std::size_t Tracker::peer_count() const { return impl_->peer_count(); }
std::size_t Tracker::memory() const { return impl_->memory(); }

}  // namespace sanad::sessions
