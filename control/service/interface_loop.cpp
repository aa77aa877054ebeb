#include "control/service/interface_loop.hpp"

#include <boost/asio/post.hpp>
#include <algorithm>
#include <set>
#include <utility>

#include "control/service/random_id.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::seconds kLongestBackoff{30};

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

std::vector<sessions::Baseline> baselines_of(const sessions::Tracker& tracker, const std::vector<sessions::Event>& events) {
  std::set<wg::PublicKey> seen;
  std::vector<sessions::Baseline> out;
  for (const auto& event : events) {
    const wg::PublicKey peer = peer_of(event);
    if (peer.is_zero() || !seen.insert(peer).second) continue;
    if (auto row = tracker.baseline(peer)) out.push_back(std::move(*row));
  }
  return out;
}

}  // namespace

InterfaceLoop::InterfaceLoop(boost::asio::io_context& loop, Worker& device, config::Interface settings,
                             const config::Sessions& sessions, Sinks sinks)
    : loop_(loop),
      device_(device),
      settings_(std::move(settings)),
      sessions_(sessions),
      sinks_(std::move(sinks)),
      backend_(std::make_shared<Backend>(settings_)),
      tracker_(tracker_settings(sessions), random_session_id),
      timer_(loop),
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

void InterfaceLoop::put_peers(std::vector<reconcile::DesiredPeer> peers, bool known) {
  wg::DeviceChange change;
  std::vector<wg::PublicKey> keys;
  for (auto& peer : peers) {
    const wg::PublicKey key = peer.public_key;
    if (desired_.leaving.erase(key) != 0) {
      leaving_reason_.erase(key);
      tracker_.cancel_removal(key);
    }
    if (!known) expected_[key] = std::nullopt;
    if (life_ == Life::running) {
      change.peers.push_back(reconcile::set_peer(peer));
      keys.push_back(key);
    }
    desired_.peers.insert_or_assign(key, std::move(peer));
  }
  if (change.peers.empty()) return;
  apply(std::move(change), [this, keys = std::move(keys)](const Result<BootTime>& done) {
    // On failure nothing is assumed: the keys stay expected, the next snapshot shows what is missing and the plan adds it.
    if (!done) return log::warn("{}: {}", settings_.name, done.error().message);
    for (const auto& key : keys)
      if (const auto it = expected_.find(key); it != expected_.end()) it->second = *done;
  });
}

void InterfaceLoop::put_leaving(const wg::PublicKey& peer, sessions::CloseReason reason) {
  desired_.peers.erase(peer);
  desired_.leaving.try_emplace(peer, reconcile::LeavingPeer{peer, std::nullopt});
  leaving_reason_.try_emplace(peer, reason);
}

void InterfaceLoop::start(std::function<void()> ready) {
  ready_ = std::move(ready);
  begin();
}

void InterfaceLoop::begin() {
  life_ = Life::starting;
  device_.post([this, backend = backend_, generation = generation_] {
    auto started = std::make_shared<Result<BackendStarted>>(backend->start());  // shared: std::function wants it copyable
    boost::asio::post(loop_, [this, generation, started] {
      if (generation == generation_ && life_ == Life::starting) on_started(std::move(*started));
    });
  });
}

void InterfaceLoop::on_started(Result<BackendStarted> started) {
  BackendEvent event{.interface = settings_.name};
  if (!started) {
    status_.state = "backend_down";
    status_.problem = started.error().message;
    life_ = Life::waiting;
    if (!std::exchange(told_unavailable_, true)) {
      log::error("{}: {}{}{}", settings_.name, started.error().message, started.error().hint.empty() ? "" : ". ", started.error().hint);
      event.what = BackendChange::unavailable;
      event.detail = started.error().message;
      sinks_.backend(std::move(event));
    }
    become_ready();
    timer_.expires_after(backoff_);
    backoff_ = std::min(backoff_ * 2, kLongestBackoff);
    timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec && life_ == Life::waiting) begin();
    });
    return;
  }
  const bool first = generation_ == 0;
  life_ = Life::running;
  kernel_ = started->kernel;
  status_.backend = kernel_ ? "kernel" : "userspace";
  status_.state = "up";
  status_.problem.clear();
  told_unavailable_ = false;
  if (!started->adopted) {
    // A device made anew has nothing on it: that everything is missing is our doing, not somebody's drift.
    for (const auto& [key, peer] : desired_.peers) expected_[key] = std::nullopt;
    device_expected_ = true;
  }
  if (started->death) watch_death(std::move(*started->death));
  event.what = !first ? BackendChange::restored : started->adopted ? BackendChange::adopted : BackendChange::started;
  event.kernel = kernel_;
  log::info("{}: {} ({})", settings_.name, !first ? "restored" : started->adopted ? "adopted" : "created", status_.backend);
  sinks_.backend(std::move(event));
  poll();
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
  life_ = Life::waiting;
  status_.state = "backend_down";
  status_.problem = why;
  ++status_.backend_restarts;
  log::error("{}: {}; it is started again", settings_.name, why);
  BackendEvent event{.interface = settings_.name, .what = BackendChange::lost, .kernel = kernel_, .detail = std::move(why)};
  event.events = tracker_.device_lost(now());
  event.baselines = baselines_of(tracker_, event.events);
  sinks_.backend(std::move(event));
  // Quiesced peers went with the device; the new one never had them.
  for (auto& [key, leaving] : desired_.leaving) leaving.quiesced.reset();
  backoff_ = std::chrono::seconds{1};
  begin();
}

void InterfaceLoop::schedule_poll(BootTime from) {
  const auto wait = std::max<std::chrono::nanoseconds>(sessions_.poll_interval - (now().boot - from), std::chrono::milliseconds{100});
  timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && life_ == Life::running) poll();
  });
}

void InterfaceLoop::poll() {
  if (std::exchange(polling_, true)) return;
  device_.post([this, backend = backend_, generation = generation_] {
    auto snapshot = std::make_shared<Result<wg::Snapshot>>(backend->snapshot());  // shared: std::function wants it copyable
    std::vector<std::string> drift;
    if (*snapshot) {
      if (auto repaired = backend->repair_link())
        drift = std::move(*repaired);
      else
        log::warn("{}", repaired.error().message);
    }
    boost::asio::post(loop_, [this, generation, snapshot, drift = std::move(drift)]() mutable {
      if (generation != generation_) return;
      polling_ = false;
      on_snapshot(std::move(*snapshot), std::move(drift));
    });
  });
}

void InterfaceLoop::on_snapshot(Result<wg::Snapshot> snapshot, std::vector<std::string> link_drift) {
  ++status_.polls;
  if (!snapshot) {
    if (life_ == Life::stopping) return finish_stop();
    const Errc code = snapshot.error().code;
    if (code == Errc::not_found || code == Errc::unavailable || code == Errc::unsupported)
      return lose_backend(snapshot.error().message);
    // A garbled or late answer proves nothing: nothing is concluded, the next poll asks again.
    log::warn("{}: {}", settings_.name, snapshot.error().message);
    status_.problem = snapshot.error().message;
    become_ready();
    return schedule_poll(now().boot);
  }
  if (restored_) {
    sessions::RestoredState state;
    state.same_device = restored_->same_boot && restored_->identity == snapshot->identity;
    state.last_snapshot = restored_->last_snapshot;
    state.baselines = std::move(restored_->baselines);
    tracker_.restore(std::move(state));
    restored_.reset();
  }
  backoff_ = std::chrono::seconds{1};
  status_.problem.clear();
  status_.last_snapshot = snapshot->finished.wall;
  status_.snapshot_ms = std::chrono::duration<double, std::milli>(snapshot->finished.boot - snapshot->started.boot).count();
  status_.interruptions += snapshot->interruptions;

  auto plan = reconcile::plan(desired_, *snapshot, expected_for(*snapshot));
  auto observation = observe(*snapshot, plan, std::move(link_drift));
  status_.drift_total += observation.drift.size() + observation.link_drift.size();
  const bool worth_recording = observation.checkpoint || !observation.events.empty() || !observation.drift.empty() ||
                               !observation.link_drift.empty() || !observation.gone.empty();
  const bool stopping = life_ == Life::stopping;
  if (!stopping) carry_out(plan);
  auto committed = [this, stopping, departed = std::move(plan.remove)] {
    if (stopping) return finish_stop();
    remove_departed(departed);
  };
  const BootTime started = snapshot->started.boot;
  if (worth_recording)
    sinks_.observed(std::move(observation), std::move(committed));
  else
    committed();
  become_ready();
  if (!stopping) schedule_poll(started);
}

Observation InterfaceLoop::observe(const wg::Snapshot& snapshot, const reconcile::Plan& plan, std::vector<std::string> link_drift) {
  Observation out{.interface = settings_.name, .at = snapshot.finished, .kernel = kernel_, .identity = snapshot.identity};
  out.events = tracker_.observe(snapshot);
  out.drift = plan.drift;
  out.link_drift = std::move(link_drift);
  out.gone = plan.gone;
  for (const auto& key : plan.gone) {
    desired_.leaving.erase(key);
    leaving_reason_.erase(key);
  }
  out.checkpoint = !last_checkpoint_ || life_ == Life::stopping || snapshot.finished.boot - *last_checkpoint_ >= sessions_.checkpoint;
  if (out.checkpoint) {
    last_checkpoint_ = snapshot.finished.boot;
    auto dirty = tracker_.take_dirty();
    out.baselines = std::move(dirty.changed);
    out.forgotten = std::move(dirty.forgotten);
  } else {
    out.baselines = baselines_of(tracker_, out.events);
  }
  return out;
}

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

void InterfaceLoop::remove_departed(const std::vector<wg::PublicKey>& peers) {
  wg::DeviceChange change;
  for (const auto& key : peers)
    if (desired_.leaving.contains(key))  // not enabled again meanwhile
      change.peers.push_back(wg::PeerChange{.public_key = key, .remove = true});
  if (change.empty() || life_ != Life::running) return;
  apply(std::move(change), [this](const Result<BootTime>& done) {
    if (!done) log::warn("{}: {}", settings_.name, done.error().message);
  });
}

void InterfaceLoop::apply(wg::DeviceChange change, std::function<void(Result<BootTime>)> done) {
  device_.post([this, backend = backend_, generation = generation_, change = std::move(change), done = std::move(done)] {
    auto applied = backend->apply(change);
    boost::asio::post(loop_, [this, generation, applied = std::move(applied), done] {
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

void InterfaceLoop::remove_peer(const wg::PublicKey& peer, sessions::CloseReason reason, std::function<void(Result<void>)> cut) {
  put_leaving(peer, reason);
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
}

void InterfaceLoop::remove_all(sessions::CloseReason reason) {
  std::vector<wg::PublicKey> keys;
  for (const auto& [key, peer] : desired_.peers) keys.push_back(key);
  for (const auto& key : keys) put_leaving(key, reason);
  if (life_ == Life::running) poll();  // its plan quiesces them all
}

void InterfaceLoop::configure(config::Interface settings, const config::Sessions& sessions) {
  if (settings.listen_port != settings_.listen_port || settings.fwmark != settings_.fwmark) device_expected_ = true;
  settings_ = std::move(settings);
  sessions_ = sessions;
  desired_.listen_port = settings_.listen_port;
  desired_.fwmark = settings_.fwmark;
  tracker_.configure(tracker_settings(sessions_));
  device_.post([backend = backend_, copy = settings_] { backend->configure(copy); });
  if (life_ == Life::running) poll();
}

void InterfaceLoop::link_changed(bool up, bool removed) {
  if (life_ != Life::running) return;
  if (removed) return lose_backend("the interface was deleted");
  if (up) return;
  Observation out{.interface = settings_.name, .at = now(), .kernel = kernel_};
  out.events = tracker_.link_down(out.at);
  out.baselines = baselines_of(tracker_, out.events);
  if (!out.events.empty()) sinks_.observed(std::move(out), [] {});
  poll();  // puts the link up again and says so
}

void InterfaceLoop::become_ready() {
  if (ready_) std::exchange(ready_, {})();
}

void InterfaceLoop::stop(bool destroy, std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  destroy_ = destroy;
  const bool was_running = life_ == Life::running;
  life_ = Life::stopping;
  timer_.cancel();
  boost::system::error_code ignored;
  death_.close(ignored);
  if (!was_running) return finish_stop();
  polling_ = false;  // one under way is of no use now: its answer is overtaken by this last one
  ++generation_;
  poll();
}

void InterfaceLoop::finish_stop() {
  life_ = Life::stopped;
  if (!destroy_) {
    if (stopped_) std::exchange(stopped_, {})();
    return;
  }
  device_.post([this, backend = backend_] {
    if (auto gone = backend->destroy(); !gone) log::warn("{}", gone.error().message);
    boost::asio::post(loop_, [this] {
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
