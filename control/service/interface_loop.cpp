#include "control/service/interface_loop.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <set>
#include <utility>

#include "gateway/base/log.hpp"
#include "gateway/link/link.hpp"
#include "gateway/sessions/session_id.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::seconds kLongestBackoff{30};
// A backend that ends sooner than this after its start is not started again at once: it would go round for ever.
constexpr std::chrono::seconds kShortLife{10};
// Parts of a reading on their way: enough that neither side waits for the other's every hiccup.
constexpr std::size_t kPartsOnTheirWay = 4;
// By then the loop has looked at a part, or it never will.
constexpr std::chrono::seconds kStuckLoop{30};
// So many answers in a row that make no sense are an outage; fewer are a hiccup that the next poll makes up for.
constexpr unsigned kUnreadableIsDown = 3;

sessions::TrackerSettings tracker_settings(const config::Sessions& s) {
  return {.idle_timeout = s.idle_timeout, .poll_interval = s.poll_interval, .attempt_interval = s.attempt_interval};
}

wg::PublicKey peer_of(const sessions::Event& event) {
  return std::visit(
      [](const auto& e) -> wg::PublicKey {
        if constexpr (requires { e.peer; })
          return e.peer;
        else
          return {};
      },
      event);
}

// The rows that must be durable together with the events: of every peer an event names, or its removal when the tracker has
// forgotten the peer. A row older than its event would tell the event again after a restart.
void take_rows_of(const sessions::Tracker& tracker, const std::vector<sessions::Event>& events,
                  std::vector<sessions::Baseline>& changed, std::vector<wg::PublicKey>& forgotten) {
  std::set<wg::PublicKey> seen;
  for (const auto& event : events) {
    const wg::PublicKey peer = peer_of(event);
    if (peer.is_zero() || !seen.insert(peer).second) continue;
    if (auto row = tracker.baseline(peer))
      changed.push_back(std::move(*row));
    else
      forgotten.push_back(peer);
  }
}

}  // namespace

InterfaceLoop::InterfaceLoop(boost::asio::io_context& loop, Worker& device, config::Interface settings,
                             const config::Sessions& sessions, Sinks sinks, BackendPorts ports)
    : loop_(loop),
      device_(device),
      settings_(std::move(settings)),
      sessions_(sessions),
      sinks_(std::move(sinks)),
      ports_(std::move(ports)),
      tracker_(tracker_settings(sessions), sessions::new_session_id),
      planner_(desired_),
      parts_(kPartsOnTheirWay),
      timer_(loop),
      look_timer_(loop),
      death_(loop) {
  status_.name = settings_.name;
  status_.state = "down";
}

void InterfaceLoop::set_device(wg::PrivateKey key, wg::PublicKey public_key) {
  desired_.private_key = key;
  desired_.public_key = public_key;
  desired_.listen_port = settings_.listen_port;
  desired_.fwmark = settings_.fwmark;
}

void InterfaceLoop::change_key(wg::PrivateKey key, wg::PublicKey public_key) {
  set_device(key, public_key);
  device_expected_ = true;
  if (polling_)
    poll_again_ = true;
  else
    poll();
}

// ---- What is wanted ----

void InterfaceLoop::want_peers(reconcile::DesiredPeers peers) {
  desired_.peers = std::move(peers);
  note_all_routes();
}

void InterfaceLoop::note_all_routes() {
  outside_.clear();
  const auto& peers = desired_.peers;
  for (reconcile::DesiredPeers::Slot slot = 0; slot < peers.size(); ++slot)
    note_routes(peers.key(slot), peers.allowed_ips(slot).all());
}

void InterfaceLoop::put_peers(std::vector<reconcile::DesiredPeer> peers) {
  wg::DeviceChange change;
  std::vector<wg::PublicKey> keys;
  bool routes_changed = false;
  for (auto& peer : peers) {
    const wg::PublicKey key = peer.public_key;
    if (desired_.leaving.erase(key) != 0) {
      leaving_reason_.erase(key);
      tracker_.cancel_removal(key);
    }
    const bool running = life_ == Life::running;
    if (running) expected_[key] = std::nullopt;
    if (running) {
      change.peers.push_back(reconcile::set_peer(peer));
      keys.push_back(key);
    }
    routes_changed |= note_routes(key, peer.allowed_ips.all());
    desired_.peers.put(peer, !running);
  }
  if (change.peers.empty()) return;
  apply(std::move(change), [this, keys = std::move(keys)](const Result<BootTime>& done) {
    // On failure nothing is assumed: the keys stay expected, the next snapshot shows what is missing and the plan adds it.
    if (!done) return log::warn("{}: {}", settings_.name, done.error().message);
    for (const auto& key : keys)
      if (const auto it = expected_.find(key); it != expected_.end()) it->second = *done;
  });
  if (routes_changed) push_wanted();
}

bool InterfaceLoop::put_leaving(const wg::PublicKey& peer, sessions::CloseReason reason) {
  desired_.peers.erase(peer);
  desired_.leaving.try_emplace(peer, reconcile::LeavingPeer{peer, std::nullopt});
  leaving_reason_.try_emplace(peer, reason);
  return note_routes(peer, {});
}

bool InterfaceLoop::note_routes(const wg::PublicKey& peer, std::span<const IpPrefix> allowed_ips) {
  auto outside = link::routes_needed(settings_.addresses, allowed_ips);
  const auto it = outside_.find(peer);
  if (outside.empty()) {
    if (it == outside_.end()) return false;
    outside_.erase(it);
    return true;
  }
  if (it != outside_.end() && it->second == outside) return false;
  outside_.insert_or_assign(peer, std::move(outside));
  return true;
}

std::vector<IpPrefix> InterfaceLoop::routes() const {
  std::vector<IpPrefix> all;
  for (const auto& [key, prefixes] : outside_) all.insert(all.end(), prefixes.begin(), prefixes.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// Tells the device worker what the link should be; the poll that follows makes it so and records what somebody had changed.
void InterfaceLoop::push_wanted() {
  device_.post([link = ports_.link, settings = settings_, routes = routes()] { link->want(settings, routes); });
  if (polling_)
    poll_again_ = true;
  else
    poll();
}

void InterfaceLoop::configure(config::Interface settings, const config::Sessions& sessions) {
  if (settings.listen_port != settings_.listen_port || settings.fwmark != settings_.fwmark) device_expected_ = true;
  settings_ = std::move(settings);
  sessions_ = sessions;
  desired_.listen_port = settings_.listen_port;
  desired_.fwmark = settings_.fwmark;
  tracker_.configure(tracker_settings(sessions_));
  note_all_routes();
  if (life_ == Life::running) push_wanted();
}

// ---- The backend's life ----

void InterfaceLoop::start(std::function<void()> ready) {
  ready_ = std::move(ready);
  begin();
}

void InterfaceLoop::begin() {
  life_ = Life::starting;
  starting_ = now();
  device_.post([this, &loop = loop_, ports = ports_, settings = settings_, routes = routes(), generation = generation_] {
    ports.link->want(settings, routes);
    auto started = std::make_shared<Result<BackendStarted>>(ports.device->start());  // shared: std::function wants it copyable
    boost::asio::post(loop, [this, generation, started] {
      if (generation == generation_ && life_ == Life::starting) on_started(std::move(*started));
    });
  });
}

void InterfaceLoop::on_started(Result<BackendStarted> started) {
  if (!started) return try_later(started.error());
  life_ = Life::running;
  kernel_ = started->kernel;
  adopted_ = started->adopted;
  answers_ = false;
  status_.backend = kernel_ ? "kernel" : "userspace";
  created_ = adopted_ ? std::nullopt : std::optional(starting_);
  if (!adopted_) {
    // A device made anew has nothing on it: that everything is missing is our doing, not somebody's drift.
    desired_.peers.freshen();
    device_expected_ = true;
  }
  if (started->death) watch_death(std::move(*started->death));
  poll();
}

void InterfaceLoop::try_later(const Error& why) {
  life_ = Life::waiting;
  status_.state = "backend_down";
  status_.problem = why.hint.empty() ? why.message : why.message + ". " + why.hint;
  if (!std::exchange(told_unavailable_, true)) {
    log::error("{}: {}{}{}", settings_.name, why.message, why.hint.empty() ? "" : ". ", why.hint);
    sinks_.backend({.interface = settings_.name, .what = BackendChange::unavailable, .kernel = kernel_, .detail = why.message});
  }
  become_ready();
  timer_.expires_after(backoff_);
  backoff_ = std::min(backoff_ * 2, kLongestBackoff);
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && life_ == Life::waiting) begin();
  });
}

// The first answer after a start, or after an outage, is the proof that the backend works; only then is it said.
void InterfaceLoop::announce() {
  const bool was_away = std::exchange(told_unavailable_, false);
  unreadable_ = 0;
  status_.state = "up";
  if (std::exchange(answers_, true) && !was_away) return;
  const bool back = std::exchange(ever_answered_, true);
  BackendEvent event{.interface = settings_.name, .kernel = kernel_};
  event.what = back ? BackendChange::restored : adopted_ ? BackendChange::adopted : BackendChange::started;
  log::info("{}: {} ({})", settings_.name, back ? "restored" : adopted_ ? "adopted" : "created", status_.backend);
  sinks_.backend(std::move(event));
}

void InterfaceLoop::watch_death(UniqueFd pidfd) {
  boost::system::error_code ignored;
  death_.close(ignored);
  death_.assign(pidfd.release());
  death_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this, generation = generation_](const boost::system::error_code& ec) {
                      if (!ec && generation == generation_ && life_ == Life::running) lose_backend("wireguard-go has ended");
                    });
}

void InterfaceLoop::lose_backend(std::string why) {
  ++generation_;
  polling_ = false;
  poll_again_ = false;
  looking_ = false;
  look_timer_.cancel();
  loads_ = 0;
  unreadable_ = 0;
  timer_.cancel();
  boost::system::error_code ignored;
  death_.close(ignored);
  ++status_.backend_restarts;
  // Quiesced peers went with the device; the new one never had them.
  for (auto& [key, leaving] : desired_.leaving) leaving.quiesced.reset();
  if (!std::exchange(answers_, false)) return try_later({Errc::unavailable, std::move(why)});
  status_.state = "backend_down";
  status_.problem = why;
  log::error("{}: {}; it is started again", settings_.name, why);
  BackendEvent event{.interface = settings_.name, .what = BackendChange::lost, .kernel = kernel_, .detail = why};
  event.events = std::exchange(found_, {});
  std::ranges::move(tracker_.device_lost(now()), std::back_inserter(event.events));
  take_rows_of(tracker_, event.events, event.baselines, event.forgotten);
  sinks_.backend(std::move(event));
  if (now().boot - starting_.boot < kShortLife) {
    told_unavailable_ = true;  // "lost" says it
    return try_later({Errc::unavailable, std::move(why)});
  }
  backoff_ = std::chrono::seconds{1};
  begin();
}

// ---- Polls ----

void InterfaceLoop::schedule_poll(BootTime from) {
  const auto wait =
      std::max<std::chrono::nanoseconds>(sessions_.poll_interval - (now().boot - from), std::chrono::milliseconds{100});
  timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && life_ == Life::running) poll();
  });
}

void InterfaceLoop::poll() {
  if (loads_ > 0) {
    poll_again_ = true;
    return;
  }
  if (std::exchange(polling_, true)) return;
  device_.post([this, &loop = loop_, ports = ports_, generation = generation_] {
    const auto read = read_for_loop([this](wg::Snapshot& part) { take_part(part); }, generation);
    LinkRepair link;
    if (read) {
      auto repaired = ports.link->repair();
      if (repaired)
        link = std::move(*repaired);
      else
        link.problem = repaired.error().message;
    }
    boost::asio::post(loop, [this, generation, read, link = std::move(link)]() mutable {
      if (generation != generation_) return;
      polling_ = false;
      on_read(read, std::move(link));
    });
  });
}

// On the device worker: reads, and gives each part to `take` on the loop. All of them have been there before what is posted to
// the loop after this.
Result<void> InterfaceLoop::read_for_loop(const TakePart& take, std::uint64_t generation) {
  return ports_.device->read([this, &take, generation](wg::Snapshot read) -> Result<void> {
    auto permit = parts_.wait(kStuckLoop);
    if (!permit) return Error{Errc::timeout, "the daemon is too busy to look at what its device says"};
    struct OnTheWay {
      wg::Snapshot part;
      Permits::Permit permit;
    };
    auto way = std::make_shared<OnTheWay>(std::move(read), std::move(permit));  // shared: a posted function is copyable
    boost::asio::post(loop_, [this, way = std::move(way), take, generation] {
      if (generation == generation_) take(way->part);
    });
    return {};
  });
}

void InterfaceLoop::take_part(wg::Snapshot& part) {
  if (restored_) {
    sessions::RestoredState state;
    state.same_boot = restored_->same_boot;
    state.same_device = restored_->same_boot && restored_->identity == part.identity;
    state.last_snapshot = restored_->last_snapshot;
    state.created = created_;
    state.baselines = std::move(restored_->baselines);
    tracker_.restore(std::move(state));
    restored_.reset();
  }
  planner_.take(part);
  std::ranges::move(tracker_.observe(part), std::back_inserter(found_));
  if (!part.last) return;
  part.device.peers = {};
  reading_ = std::move(part);
}

void InterfaceLoop::on_read(const Result<void>& read, LinkRepair link) {
  ++status_.polls;
  if (!read) return on_unreadable(read.error());
  announce();
  note(reading_, std::move(link.problem));

  auto plan = planner_.finish(expected_for(reading_));
  settle_expected(reading_, plan);
  auto observation = observe(reading_, plan, std::move(link.drift));
  status_.drift_total += observation.drift.size() + observation.link_drift.size();
  const bool stopping = life_ == Life::stopping;
  auto leave = stopping ? Departing{} : departing(plan);
  const bool worth_recording = observation.checkpoint || !observation.events.empty() || !observation.drift.empty() ||
                               !observation.link_drift.empty() || !observation.gone.empty();
  const bool more = plan.more && !stopping;
  if (!stopping) carry_out(plan);
  // Also when it holds nothing: behind it in the queue is behind the final figures of those who leave.
  if (worth_recording || !leave.empty() || stopping) {
    send(std::move(observation), [this, stopping, leave = std::move(leave)] {
      if (stopping) return finish_stop();
      remove_departed(leave);
    });
  }
  become_ready();
  if (stopping) return;
  pacer_.looked(reading_.started.boot, now().boot);
  schedule_look();
  if (more) {
    loaded_ = reconcile::kMostAdded;
    loading_since_ = now().boot;
    return load_more();
  }
  if (std::exchange(poll_again_, false)) return poll();
  schedule_poll(reading_.started.boot);
}

// ---- Looks between polls, because of hints ----

void InterfaceLoop::handshake_hint(const wg::PublicKey& peer, BootTime at) {
  if (!tracker_.begins(peer, at)) return;
  ++status_.hints;
  pacer_.hint(at);
  schedule_look();
}

void InterfaceLoop::hints_lost(BootTime at) {
  pacer_.hint(at);
  schedule_look();
}

void InterfaceLoop::schedule_look() {
  const auto due = pacer_.due();
  if (!due || looking_ || life_ != Life::running) return;
  look_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(*due - now().boot));
  look_timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && life_ == Life::running) look();
  });
}

void InterfaceLoop::look() {
  if (std::exchange(looking_, true)) return;
  device_.post([this, &loop = loop_, generation = generation_] {
    const auto read = read_for_loop([this](wg::Snapshot& part) { glance_at(part); }, generation);
    boost::asio::post(loop, [this, generation, read] {
      if (generation == generation_) on_look(read);
    });
  });
}

// Only the beginnings of sessions are taken from it: everything else, and what to make of an error, is the polls' business.
void InterfaceLoop::glance_at(wg::Snapshot& part) {
  std::ranges::move(tracker_.glance(part), std::back_inserter(found_));
  if (!part.last) return;
  part.device.peers = {};
  glance_ = std::move(part);
}

void InterfaceLoop::on_look(const Result<void>& read) {
  looking_ = false;
  if (read) {
    ++status_.looks;
    Observation out{.interface = settings_.name,
                    .at = glance_.finished,
                    .watched = watched_,
                    .kernel = kernel_,
                    .identity = glance_.identity,
                    .events = std::exchange(found_, {})};
    take_rows_of(tracker_, out.events, out.baselines, out.forgotten);
    if (!out.events.empty()) send(std::move(out), [] {});
  }
  pacer_.looked(read ? glance_.started.boot : now().boot, now().boot);
  schedule_look();
}

// A garbled or late answer proves nothing about any peer: nothing is concluded, the next poll asks again.
void InterfaceLoop::on_unreadable(const Error& error) {
  if (life_ == Life::stopping) {
    if (restored_) return finish_stop();
    Observation known{.interface = settings_.name, .at = now(), .watched = watched_, .kernel = kernel_};
    known.checkpoint = true;
    known.events = std::exchange(found_, {});
    take_checkpoint(known);
    return send(std::move(known), [this] { finish_stop(); });
  }
  if (error.code == Errc::not_found || error.code == Errc::unavailable || error.code == Errc::unsupported)
    return lose_backend(error.message);
  log::warn("{}: {}", settings_.name, error.message);
  status_.problem = error.message;
  if (++unreadable_ >= kUnreadableIsDown) {
    status_.state = "backend_down";
    if (!std::exchange(told_unavailable_, true))
      sinks_.backend(
          {.interface = settings_.name, .what = BackendChange::unavailable, .kernel = kernel_, .detail = error.message});
  }
  become_ready();
  poll_again_ = false;
  schedule_poll(now().boot);
}

void InterfaceLoop::note(const wg::Snapshot& snapshot, std::string link_problem) {
  if (!link_problem.empty() && link_problem != status_.problem) log::warn("{}: {}", settings_.name, link_problem);
  status_.problem = std::move(link_problem);
  if (watched_ && snapshot.started.boot - watched_->boot > 2 * sessions_.poll_interval) ++status_.late_polls;
  status_.last_snapshot = snapshot.finished.wall;
  status_.snapshot_ms = std::chrono::duration<double, std::milli>(snapshot.finished.boot - snapshot.started.boot).count();
  status_.interruptions += snapshot.interruptions;
}

Observation InterfaceLoop::observe(const wg::Snapshot& snapshot, const reconcile::Plan& plan,
                                   std::vector<std::string> link_drift) {
  Observation out{.interface = settings_.name, .at = snapshot.finished, .kernel = kernel_, .identity = snapshot.identity};
  if (snapshot.complete) watched_ = snapshot.started;
  out.watched = watched_;
  out.events = std::exchange(found_, {});
  out.drift = plan.drift;
  out.link_drift = std::move(link_drift);
  out.gone = plan.gone;
  for (const auto& key : plan.gone) {
    desired_.leaving.erase(key);
    leaving_reason_.erase(key);
    removing_.erase(key);
  }
  // Rows of one device must never be taken for another's: all change with the first snapshot of a new one.
  const bool other_device = std::exchange(identity_, snapshot.identity) != snapshot.identity;
  const bool due = !last_checkpoint_ || other_device || snapshot.finished.boot - *last_checkpoint_ >= sessions_.checkpoint;
  out.checkpoint = life_ == Life::stopping || other_device || (due && !checkpoint_waits_);
  if (out.checkpoint) {
    last_checkpoint_ = snapshot.finished.boot;
    take_checkpoint(out);
  } else {
    take_rows_of(tracker_, out.events, out.baselines, out.forgotten);
  }
  return out;
}

void InterfaceLoop::take_checkpoint(Observation& out) {
  auto dirty = tracker_.take_dirty();
  out.baselines = std::move(dirty.changed);
  out.forgotten = std::move(dirty.forgotten);
  if (rewrite_.empty()) return;
  for (const auto& row : out.baselines) rewrite_.erase(row.peer);
  for (const auto& key : std::exchange(rewrite_, {})) {
    if (auto row = tracker_.baseline(key))
      out.baselines.push_back(std::move(*row));
    else
      out.forgotten.push_back(key);
  }
}

void InterfaceLoop::send(Observation observation, std::function<void()> then) {
  const bool checkpoint = observation.checkpoint;
  checkpoint_waits_ |= checkpoint;
  std::vector<wg::PublicKey> rows = observation.forgotten;
  for (const auto& row : observation.baselines) rows.push_back(row.peer);
  sinks_.observed(std::move(observation), [this, checkpoint, rows = std::move(rows), then = std::move(then)](bool durable) {
    if (checkpoint) checkpoint_waits_ = false;
    if (!durable) rewrite_.insert(rows.begin(), rows.end());
    then();
  });
}

// ---- Changes to the device ----

// What may be done before the observation is durable: everything but the removal of leaving peers, whose final figures
// would be gone with them.
void InterfaceLoop::carry_out(reconcile::Plan& plan) {
  wg::DeviceChange change = std::move(plan.change);
  if (!plan.remove.empty()) {
    const std::set<wg::PublicKey> departing(plan.remove.begin(), plan.remove.end());
    std::erase_if(change.peers, [&departing](const wg::PeerChange& p) { return p.remove && departing.contains(p.public_key); });
  }
  if (change.empty()) return;
  std::vector<wg::PublicKey> touched;
  for (const auto& peer : change.peers) touched.push_back(peer.public_key);
  const bool device = change.private_key || change.listen_port || change.fwmark;
  apply(std::move(change), [this, touched = std::move(touched), device, quiesce = plan.quiesce](const Result<BootTime>& done) {
    if (!done) return log::warn("{}: {}", settings_.name, done.error().message);
    if (device) device_expected_ = false;
    for (const auto& key : touched)
      if (const auto it = expected_.find(key); it != expected_.end()) it->second = *done;
    for (const auto& key : quiesce)
      if (const auto it = desired_.leaving.find(key); it != desired_.leaving.end()) {
        it->second.quiesced = *done;
        tracker_.expect_removal(key, leaving_reason_[key], *done);
      }
  });
}

// A device that lacks more than a plan adds gets the rest in pieces, two of them under way so that the device never waits for the
// next; other changes get in between. It is looked at again when it has all.
void InterfaceLoop::load_more() {
  while (loads_ < 2) {
    auto addition = reconcile::add_more(desired_, expected_for(reading_));
    if (addition.change.empty()) break;
    if (!addition.drift.empty()) {
      status_.drift_total += addition.drift.size();
      Observation missing{.interface = settings_.name, .at = now(), .kernel = kernel_, .identity = identity_};
      missing.drift = std::move(addition.drift);
      send(std::move(missing), [] {});
    }
    ++loads_;
    loaded_ += addition.change.peers.size();
    apply(std::move(addition.change), [this](const Result<BootTime>& done) { on_loaded(done); });
  }
  if (loads_ > 0) return;
  const std::chrono::duration<double> took = now().boot - loading_since_;
  log::info("{}: {} missing peers put on the device in {:.1f} s", settings_.name, loaded_, took.count());
  poll_again_ = false;
  poll();
}

void InterfaceLoop::on_loaded(const Result<BootTime>& done) {
  if (loads_ == 0 || life_ != Life::running) return;  // of a device that is lost meanwhile
  --loads_;
  if (done) return load_more();
  log::warn("{}: {}", settings_.name, done.error().message);
  if (loads_ == 0) schedule_poll(now().boot);
}

// Those whose removal nobody waits for yet.
InterfaceLoop::Departing InterfaceLoop::departing(const reconcile::Plan& plan) {
  Departing out;
  for (const auto& key : plan.remove) {
    const auto it = desired_.leaving.find(key);
    if (it == desired_.leaving.end() || !it->second.quiesced) continue;
    const auto [waiting, fresh] = removing_.try_emplace(key, *it->second.quiesced);
    if (!fresh && waiting->second == *it->second.quiesced) continue;
    waiting->second = *it->second.quiesced;
    out.emplace_back(key, *it->second.quiesced);
  }
  return out;
}

void InterfaceLoop::remove_departed(const Departing& peers) {
  wg::DeviceChange change;
  for (const auto& [key, quiesced] : peers) {
    if (const auto it = removing_.find(key); it != removing_.end() && it->second == quiesced) removing_.erase(it);
    // Not enabled again meanwhile, nor enabled and cut off again: what it moved in between is not in those figures.
    const auto it = desired_.leaving.find(key);
    if (it != desired_.leaving.end() && it->second.quiesced == quiesced)
      change.peers.push_back(wg::PeerChange{.public_key = key, .remove = true});
  }
  if (change.empty() || life_ != Life::running) return;
  apply(std::move(change), [this](const Result<BootTime>& done) {
    if (!done) log::warn("{}: {}", settings_.name, done.error().message);
  });
}

void InterfaceLoop::apply(wg::DeviceChange change, std::function<void(Result<BootTime>)> done) {
  device_.post([this, &loop = loop_, device = ports_.device, generation = generation_, change = std::move(change),
                done = std::move(done)] {
    auto applied = device->apply(change);
    boost::asio::post(loop, [this, generation, applied = std::move(applied), done] {
      if (generation == generation_)
        done(applied);
      else
        done(Error{Errc::unavailable, "the backend of " + settings_.name + " ended meanwhile"});
    });
  });
}

reconcile::Expected InterfaceLoop::expected_for(const wg::Snapshot& snapshot) {
  reconcile::Expected out;
  out.device = device_expected_;
  for (auto it = expected_.begin(); it != expected_.end();) {
    if (it->second && *it->second < snapshot.started.boot) {
      it = expected_.erase(it);
    } else {
      out.peers.push_back(it->first);
      ++it;
    }
  }
  return out;
}

// What a complete snapshot shows to be right needs no excuse any more: the next difference is somebody else's.
void InterfaceLoop::settle_expected(const wg::Snapshot& snapshot, const reconcile::Plan& plan) {
  if (!snapshot.complete) return;
  if (!plan.change.private_key && !plan.change.listen_port && !plan.change.fwmark) device_expected_ = false;
  if (expected_.empty() && (!desired_.peers.any_fresh() || plan.more)) return;
  std::unordered_set<wg::PublicKey> changing;
  for (const auto& peer : plan.change.peers) changing.insert(peer.public_key);
  std::erase_if(expected_, [&changing](const auto& entry) { return !changing.contains(entry.first); });
  if (!plan.more) desired_.peers.settle([&changing](const wg::PublicKey& key) { return changing.contains(key); });
}

void InterfaceLoop::remove_peer(const wg::PublicKey& peer, sessions::CloseReason reason, std::function<void(Result<void>)> cut) {
  const bool routes_changed = put_leaving(peer, reason);
  expected_.erase(peer);
  if (life_ != Life::running)
    return cut(Error{Errc::unavailable, "the backend of " + settings_.name + " is down; the peer is not served when it returns"});
  auto random = wg::generate_preshared_key();
  if (!random) return cut(random.error());
  wg::DeviceChange change;
  change.peers.push_back(reconcile::quiesce(peer, *random));
  apply(std::move(change), [this, peer, cut = std::move(cut)](const Result<BootTime>& done) {
    if (!done) return cut(done.error());
    if (const auto it = desired_.leaving.find(peer); it != desired_.leaving.end()) {
      it->second.quiesced = *done;
      tracker_.expect_removal(peer, leaving_reason_[peer], *done);
    }
    cut({});
  });
  if (routes_changed) push_wanted();  // behind the cut, which must not wait for a poll
}

void InterfaceLoop::remove_all(sessions::CloseReason reason) {
  std::vector<wg::PublicKey> keys;
  for (reconcile::DesiredPeers::Slot slot = 0; slot < desired_.peers.size(); ++slot) keys.push_back(desired_.peers.key(slot));
  for (const auto& key : keys) put_leaving(key, reason);
  if (life_ == Life::running) push_wanted();  // the plan of its poll quiesces them all
}

// ---- The link ----

void InterfaceLoop::link_changed(bool up, bool removed) {
  if (life_ != Life::running || (up && !removed)) return;
  const Instant announced = now();
  // A wireguard-go that dies takes its interface down first and away a moment later: which of the two it is, the link itself
  // says. Counters outlive a link that is down, so they are read once more before its sessions are closed.
  device_.post([this, &loop = loop_, ports = ports_, removed, announced, generation = generation_] {
    const auto found = ports.link->look();
    bool read = false;
    if (found && found->exists && !removed) {
      // Never looked at yet: nothing is known that could end.
      read = read_for_loop(
                 [this](wg::Snapshot& part) {
                   if (!restored_) take_part(part);
                 },
                 generation)
                 .has_value();
    }
    boost::asio::post(loop, [this, generation, removed, announced, found, read] {
      if (generation != generation_ || life_ != Life::running || !found) return;
      if (!found->exists) return lose_backend("the interface is gone");
      if (removed) return poll();  // made again by somebody: the snapshot says what it is now
      link_went_down(read, announced);
    });
  });
}

void InterfaceLoop::link_went_down(bool read, Instant announced) {
  if (restored_) return poll();
  Observation out{.interface = settings_.name, .at = now(), .kernel = kernel_};
  if (read) out.identity = reading_.identity;
  out.events = std::exchange(found_, {});
  for (auto& event : tracker_.link_down(announced)) out.events.push_back(std::move(event));
  take_rows_of(tracker_, out.events, out.baselines, out.forgotten);
  last_checkpoint_.reset();  // the next snapshot's rows must say that these sessions are over, named by an event or not
  if (!out.events.empty()) send(std::move(out), [] {});
  poll();  // puts the link up again and says so
}

void InterfaceLoop::become_ready() {
  if (ready_) std::exchange(ready_, {})();
}

// ---- Stop ----

void InterfaceLoop::stop(bool destroy, std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  destroy_ = destroy;
  const bool was_running = life_ == Life::running;
  life_ = Life::stopping;
  timer_.cancel();
  look_timer_.cancel();
  boost::system::error_code ignored;
  death_.close(ignored);
  ++generation_;  // answers under way are of no use now: the last snapshot overtakes them
  loads_ = 0;
  if (!was_running) return finish_stop();
  polling_ = false;
  poll();
}

void InterfaceLoop::finish_stop() {
  life_ = Life::stopped;
  if (!destroy_) {
    if (stopped_) std::exchange(stopped_, {})();
    return;
  }
  device_.post([this, &loop = loop_, device = ports_.device] {
    auto gone = device->destroy();
    boost::asio::post(loop, [this, gone = std::move(gone)] {
      if (!gone) log::warn("{}", gone.error().message);
      if (stopped_) std::exchange(stopped_, {})();
    });
  });
}

InterfaceStatus InterfaceLoop::status() const {
  InterfaceStatus out = status_;
  out.listen_port = settings_.listen_port;
  out.public_key = desired_.public_key;
  out.addresses = settings_.addresses;
  out.peers = desired_.peers.size();
  out.connected = tracker_.open_count();
  return out;
}

}  // namespace sanad::service
