#include "judge.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sanad::sessions::simulation {
namespace {

constexpr Nanos kPoll = 10 * kSecond;

Traffic operator+(const Traffic& a, const Traffic& b) { return {a.rx + b.rx, a.tx + b.tx}; }

Known forget_object(const Known& known) {
  Known fresh;
  fresh.folded = known.folded + known.counters;
  return fresh;
}

}  // namespace

wg::PublicKey key_of(std::uint32_t peer) {
  std::array<std::uint8_t, 32> bytes{};
  std::uint64_t spread = (peer + 1) * 0x9E3779B97F4A7C15ULL;
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(peer >> (8 * i));
  for (std::size_t i = 8; i < 16; ++i, spread >>= 8) bytes[i] = static_cast<std::uint8_t>(spread);
  return wg::PublicKey{bytes};
}

std::uint32_t peer_of(const wg::PublicKey& key) {
  std::uint32_t peer = 0;
  for (std::size_t i = 4; i-- > 0;) peer = peer << 8 | key.bytes()[i];
  return peer;
}

std::optional<Endpoint> endpoint_of(std::uint32_t address) {
  if (address == 0) return std::nullopt;
  const std::array<std::uint8_t, 4> bytes = {10, static_cast<std::uint8_t>(address >> 16),
                                             static_cast<std::uint8_t>(address >> 8), static_cast<std::uint8_t>(address)};
  return Endpoint{IpAddress::v4(bytes), 51820};
}

Judge::Judge(World& world, std::uint32_t peers)
    : world_(world), rows_(peers), known_(peers), before_(peers), reset_unseen_(peers), recorded_(peers) {}

void Judge::complain(std::uint64_t& count, std::string what) {
  ++count;
  if (verdict_.complaints.size() < 10) verdict_.complaints.push_back(std::move(what));
}

void Judge::read(Nanos now, const std::vector<std::uint32_t>& shown, Reading reading) {
  now_ = now;
  read_at_ = now;
  changed_.clear();
  std::size_t next = 0;
  for (std::uint32_t peer = 0; peer < known_.size(); ++peer) {
    Known& k = known_[peer];
    const Object& o = world_.objects()[peer];
    if (next == shown.size() || shown[next] != peer) {
      if (reading == Reading::glance) continue;
      if (o.session != kNoSession) world_.sessions()[static_cast<std::size_t>(o.session)].missed = true;
      // Another device is another object even for those an incomplete snapshot left out.
      if (k.object != 0 && (reading == Reading::complete || k.device != world_.device())) k = forget_object(k);
      continue;
    }
    ++next;
    reset_unseen_[peer] = false;
    const bool another_object = k.object != o.id && k.object != 0;
    if (another_object) {
      // Removed and made anew between two readings, and already past the old counters: the figures look like one object's.
      const bool fell = o.rx < k.counters.rx || o.tx < k.counters.tx;
      const bool unmade = o.handshake.never() && !k.handshake.never();
      reset_unseen_[peer] = k.device == world_.device() && !fell && !unmade;
      if (!reset_unseen_[peer]) k = forget_object(k);
    }
    if (k.handshake != o.handshake) {
      before_[peer] = k;
      changed_.push_back(peer);
    }
    k.object = o.id;
    k.device = world_.device();
    k.handshake = o.handshake;
    k.handshake_at = o.handshake_at;
    k.session = o.session;
    k.read_at = now;
    k.address = o.address;
    k.counters = {o.rx, o.tx};
  }
}

void Judge::commit(Nanos now, const std::vector<Event>& events, const Tracker& tracker, const wg::Snapshot* snapshot) {
  now_ = now;
  for (const Event& event : events) std::visit([this](const auto& e) { on(e); }, event);
  for (const Event& event : events) {
    std::visit(
        [&](const auto& e) {
          if constexpr (requires { e.peer; }) save(peer_of(e.peer), tracker.baseline(e.peer));
        },
        event);
  }
  if (snapshot == nullptr) return;
  if (std::exchange(restarted_, false)) {
    const Gap* gap = events.empty() ? nullptr : std::get_if<Gap>(&events.front());
    if (gap == nullptr || gap->cause != GapCause::restart) {
      complain(verdict_.missing_gaps, fmt::format("no gap after the restart before {}", now / kSecond));
    }
  }
  if (snapshot->complete) last_snapshot_ = snapshot->started;
  durable_read_ = read_at_;
  for (const std::uint32_t peer : changed_) {
    const Known& o = known_[peer];
    if (o.session == kNoSession) continue;
    TruthSession& truth = world_.sessions()[static_cast<std::size_t>(o.session)];
    truth.read = true;
    Recorded& r = recorded_[peer];
    if (!r.open || r.truth == o.session) continue;
    if (reset_unseen_[peer]) {
      ++verdict_.reset_unseen;
      r.truth = o.session;
      truth.mixed = true;
      ++truth.recorded;
    } else {
      complain(verdict_.merged, fmt::format("peer {} at {}: handshake of session {} counted into session {}", peer, now / kSecond,
                                            o.session, r.truth));
    }
  }
  changed_.clear();
  for (std::uint32_t peer = 0; peer < known_.size(); ++peer) {
    const Recorded& r = recorded_[peer];
    if (!r.open || known_[peer].read_at != read_at_ || r.endpoint == endpoint_of(known_[peer].address)) continue;
    complain(verdict_.wrong_roams, fmt::format("peer {} at {}: moved and not told", peer, now / kSecond));
  }
}

void Judge::on(const Opened& opened) {
  const std::uint32_t peer = peer_of(opened.peer);
  const Known& o = known_[peer];
  Recorded& r = recorded_[peer];
  if (r.open) complain(verdict_.invented, fmt::format("peer {} at {}: opened while open", peer, now_ / kSecond));
  if (o.session == kNoSession || o.handshake != opened.handshake) {
    complain(verdict_.invented, fmt::format("peer {} at {}: opened by a handshake that never was", peer, now_ / kSecond));
    return;
  }
  r.open = true;
  r.session = opened.session;
  r.truth = o.session;
  r.endpoint = opened.endpoint;
  r.moves = 0;
  TruthSession& truth = world_.sessions()[static_cast<std::size_t>(o.session)];
  if (++truth.recorded > 1) {
    // The only excuse: between two readings 180 s of handshakes apart there was one that no reading saw; and when those readings
    // are further apart than polls are, a gap was told or the peer was left out.
    const Known& b = before_[peer];
    const bool gap_told = !gaps_.empty() && gaps_.back().second == now_;
    const bool blind_known = gap_told || truth.missed || now_ - b.read_at <= 2 * kPoll + kSecond;
    if (!b.handshake.never() && o.handshake_at - b.handshake_at >= kKeyLife && blind_known) {
      ++verdict_.split_unseen;
    } else {
      complain(verdict_.invented, fmt::format("peer {} at {}: session {} recorded again", peer, now_ / kSecond, o.session));
    }
  }
  const WallTime at = world_.clocks(o.handshake_at).wall;
  if (opened.start != at || opened.bounds.not_before > at || opened.bounds.not_after < at) {
    complain(verdict_.wrong_times,
             fmt::format("peer {} at {}: start off by {} ns", peer, now_ / kSecond, opened.start.ns - at.ns));
  }
}

void Judge::on(const Closed& closed) {
  const std::uint32_t peer = peer_of(closed.peer);
  Recorded& r = recorded_[peer];
  if (!r.open || r.session != closed.session) {
    complain(verdict_.invented, fmt::format("peer {} at {}: closed what was not open", peer, now_ / kSecond));
    return;
  }
  r.open = false;
  r.told = r.told + closed.traffic;
  TruthSession& truth = world_.sessions()[static_cast<std::size_t>(r.truth)];
  if (r.moves != closed.moves) {
    complain(verdict_.wrong_roams,
             fmt::format("peer {} at {}: {} moves told, {} counted", peer, now_ / kSecond, r.moves, closed.moves));
  }
  truth.recorded_rx += closed.traffic.rx;
  truth.recorded_tx += closed.traffic.tx;
  if (truth.mixed) return;
  const WallTime last = world_.clocks(truth.last_packet).wall;
  if (closed.reason == CloseReason::expired && (closed.bounds.not_before > last || closed.bounds.not_after < last)) {
    // After a step the recorded times are on the clock of their day; only whole steps may lie between.
    const auto off = std::chrono::abs(closed.end - last);
    if (off < std::chrono::minutes{30}) {
      complain(verdict_.wrong_times,
               fmt::format("peer {} at {}: end of {} (handshakes {} to {}, last packet {}) off by {} ms", peer, now_ / kSecond,
                           r.truth, truth.first_handshake / kSecond, truth.last_handshake / kSecond, truth.last_packet / kSecond,
                           off.count() / 1'000'000));
    }
  }
}

void Judge::on(const Roamed& roamed) {
  const std::uint32_t peer = peer_of(roamed.peer);
  Recorded& r = recorded_[peer];
  if (!r.open || r.session != roamed.session || r.endpoint != roamed.from || roamed.from == roamed.to) {
    complain(verdict_.wrong_roams, fmt::format("peer {} at {}: a move that does not follow", peer, now_ / kSecond));
  }
  r.endpoint = roamed.to;
  ++r.moves;
}

void Judge::on(const Attempted& attempted) {
  const std::uint32_t peer = peer_of(attempted.peer);
  Recorded& r = recorded_[peer];
  r.told = r.told + attempted.traffic;
  if (attempted.count_at_least == 0) return;
  r.attempts += attempted.count_at_least;
  if (r.attempts > world_.attempts(peer)) {
    complain(verdict_.wrong_attempts, fmt::format("peer {} at {}: {} attempts, {} bytes, more than were tried", peer,
                                                  now_ / kSecond, attempted.count_at_least, attempted.traffic.rx));
  }
}

void Judge::on(const Gap&) { gaps_.emplace_back(durable_read_, now_); }

void Judge::save(std::uint32_t peer, const std::optional<Baseline>& baseline) {
  Row& row = rows_[peer];
  row.baseline = baseline;
  row.known = known_[peer];
  // Bytes that no event has told yet are read again after a loss of memory.
  if (baseline) row.known.counters = baseline->counters;
}

void Judge::checkpoint(const Tracker::Dirty& dirty) {
  for (const wg::PublicKey& key : dirty.forgotten) save(peer_of(key), std::nullopt);
  for (const Baseline& baseline : dirty.changed) save(peer_of(baseline.peer), baseline);
}

void Judge::lose_memory() {
  for (std::uint32_t peer = 0; peer < known_.size(); ++peer) known_[peer] = rows_[peer].known;
}

RestoredState Judge::restored(bool same_device, bool same_boot) {
  restarted_ = true;
  RestoredState state;
  state.same_device = same_device;
  state.same_boot = same_boot;
  state.last_snapshot = last_snapshot_;
  for (const Row& row : rows_) {
    if (row.baseline) state.baselines.push_back(*row.baseline);
  }
  return state;
}

Verdict Judge::verdict(const Tracker& tracker) {
  for (std::uint32_t peer = 0; peer < known_.size(); ++peer) {
    const Traffic truth = known_[peer].folded + known_[peer].counters;
    Traffic told = recorded_[peer].told;
    // Bytes of an idle peer that no event has told yet.
    if (const auto row = tracker.baseline(key_of(peer)); row && known_[peer].object != 0) {
      told = told + Traffic{known_[peer].counters.rx - row->counters.rx, known_[peer].counters.tx - row->counters.tx};
    }
    if (told != truth) {
      complain(verdict_.wrong_sums,
               fmt::format("peer {}: {}/{} bytes read, {}/{} told", peer, truth.rx, truth.tx, told.rx, told.tx));
    }
    verdict_.truth = verdict_.truth + truth;
    verdict_.recorded = verdict_.recorded + told;
  }
  for (std::size_t i = 0; i < world_.sessions().size(); ++i) {
    const TruthSession& truth = world_.sessions()[i];
    if (truth.recorded > 0) {
      ++verdict_.sessions;
      if (truth.mixed) continue;
      ++verdict_.exact_bytes;
      if (truth.rx == truth.recorded_rx && truth.tx == truth.recorded_tx) continue;
      --verdict_.exact_bytes;
      complain(verdict_.wrong_bytes, fmt::format("session {} of peer {}, {} to {}, has {}/{} bytes, recorded {}/{}", i,
                                                 truth.peer, truth.first_handshake / kSecond, truth.last_handshake / kSecond,
                                                 truth.rx, truth.tx, truth.recorded_rx, truth.recorded_tx));
      continue;
    }
    if (truth.read) {
      ++verdict_.sessions;
      complain(verdict_.lost, fmt::format("session {} of peer {}, {} to {}, was read and not recorded", i, truth.peer,
                                          truth.first_handshake / kSecond, truth.last_handshake / kSecond));
      continue;
    }
    // No durable reading had any of its handshakes. Either we were blind all the time, and said so, or it was over (its object
    // gone, its keys announced lost) before the next poll, or an incomplete snapshot left it out.
    const bool in_gap = std::ranges::any_of(
        gaps_, [&](const auto& gap) { return gap.first <= truth.first_handshake && truth.last_handshake <= gap.second; });
    if (in_gap) {
      ++verdict_.unseen_in_gap;
    } else if (truth.ended && !truth.missed) {
      ++verdict_.unseen_died;
    } else if (truth.missed) {
      ++verdict_.unseen_missed;
    } else {
      complain(verdict_.lost, fmt::format("session {} of peer {}, {} to {}, was never read", i, truth.peer,
                                          truth.first_handshake / kSecond, truth.last_handshake / kSecond));
    }
  }
  return verdict_;
}

}  // namespace sanad::sessions::simulation
