#include "control/service/interface_loop.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <utility>

#include "control/service/interface_rows.hpp"
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

sessions::TrackerSettings tracker_settings(const config::Sessions& s) {
  return {.idle_timeout = s.idle_timeout, .poll_interval = s.poll_interval, .attempt_interval = s.attempt_interval};
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
  const bool running = life_ == Life::running;
  // Many are left to a plan, which adds them in pieces: a revocation must not wait behind them.
  const bool at_once = running && peers.size() <= reconcile::kMostAdded;
  for (auto& peer : peers) {
    const wg::PublicKey key = peer.public_key;
    if (desired_.leaving.erase(key) != 0) {
      leaving_reason_.erase(key);
      tracker_.cancel_removal(key);
    }
    if (at_once) {
      expected_[key] = std::nullopt;
      change.peers.push_back(reconcile::set_peer(peer));
      keys.push_back(key);
    }
    routes_changed |= note_routes(key, peer.allowed_ips.all());
    desired_.peers.put(peer, !at_once);
  }
  if (running && !at_once) return push_wanted();
  if (change.peers.empty()) return;
  apply(std::move(change), [this, keys = std::move(keys)](const Result<BootTime>& done) {
    // On failure nothing is assumed: the keys stay expected, the next snapshot shows what is missing and the plan adds it.
    if (!done) return;
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
  most_peers_ = started->most_peers;
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
  refused_.clear();
  told_.clear();
  not_taken_.clear();
  load_refused_ = false;
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

// ---- The link ----

void InterfaceLoop::link_changed(bool up, bool removed) {
  if (life_ != Life::running || (up && !removed)) return;
  const Instant announced = now();
  // A wireguard-go that dies takes its interface down first and away a moment later: which of the two it is, the link itself
  // says. Counters outlive a link that is down, so they are read once more before its sessions are closed.
  device_.post([this, &loop = loop_, link = ports_.link, removed, announced, generation = generation_,
                read_device = reading_for_loop([this](wg::Snapshot& part) { take_figures(part); })] {
    const auto found = link->look();
    const bool read = found && found->exists && !removed && read_device();
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
  if (!refused_.empty()) out.problem += (out.problem.empty() ? "" : "; ") + refused_;
  return out;
}

}  // namespace sanad::service
