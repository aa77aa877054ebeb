#pragma once
// One interface on the loop thread: polls, tracks, reconciles, repairs. The second flow of the architecture, and the device
// side of the first.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.hpp"
#include "control/service/backend_port.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/permits.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/hints/pacer.hpp"
#include "gateway/reconcile/plan.hpp"
#include "gateway/sessions/tracker.hpp"

namespace sanad::service {

// What one poll found, to be recorded in one transaction.
struct Observation {
  std::string interface;
  Instant at;
  std::optional<Instant> watched;  // start of the latest complete snapshot
  bool kernel = false;
  wg::DeviceIdentity identity;
  std::vector<sessions::Event> events;
  std::vector<sessions::Baseline> baselines;  // of peers named in opened and closed events; all changed ones at a checkpoint
  std::vector<wg::PublicKey> forgotten;       // baselines to drop
  std::vector<reconcile::Drift> drift;
  std::vector<std::string> link_drift;  // what somebody changed on the link, in words
  std::vector<wg::PublicKey> gone;      // removed by us and confirmed by the device
  bool checkpoint = false;              // also move the durable "last watched" mark
};

// Things that happen to an interface besides polls.
enum class BackendChange { started, adopted, lost, restored, unavailable };
struct BackendEvent {
  std::string interface;
  BackendChange what = BackendChange::started;
  bool kernel = false;
  std::string detail;
  std::vector<sessions::Event> events;  // sessions closed by it
  std::vector<sessions::Baseline> baselines;
  std::vector<wg::PublicKey> forgotten;
};

class InterfaceLoop {
 public:
  // How findings leave. `observed` must call `settled` once, on the loop thread: true when they are durable, false when they
  // were given up. Only then are removals applied, so that final figures are never lost with the peer, and only then is the
  // next checkpoint taken, so that what waits for storage stays small.
  using Settled = std::function<void(bool durable)>;
  struct Sinks {
    std::function<void(Observation, Settled)> observed;
    std::function<void(BackendEvent)> backend;
  };

  InterfaceLoop(boost::asio::io_context& loop, Worker& device, config::Interface settings, const config::Sessions& sessions,
                Sinks sinks, BackendPorts ports);
  InterfaceLoop(const InterfaceLoop&) = delete;
  InterfaceLoop& operator=(const InterfaceLoop&) = delete;

  // What is wanted, before start(). `leaving`: peers that must not be served and may still be on the device.
  void set_device(wg::PrivateKey key, wg::PublicKey public_key);
  // The same while it runs: the next poll puts it on the device, as our own doing.
  void change_key(wg::PrivateKey key, wg::PublicKey public_key);
  // Peers that the device may have already (they were there before a restart), so that their absence is drift, are not fresh.
  void want_peers(reconcile::DesiredPeers peers);
  // Our own change, before start() or later.
  void put_peers(std::vector<reconcile::DesiredPeer> peers);
  // True when routes changed with it: only remove_peer() and remove_all() need to know.
  bool put_leaving(const wg::PublicKey& peer, sessions::CloseReason reason);
  struct Restored {
    std::string identity;  // device identity at the last checkpoint
    bool same_boot = false;
    std::optional<Instant> last_snapshot;
    std::vector<sessions::Baseline> baselines;
  };
  void restore(Restored restored) { restored_ = std::move(restored); }

  // `ready` runs after the first snapshot was reconciled or the first attempt failed; the loop goes on trying.
  void start(std::function<void()> ready);
  // A last snapshot, recorded; then `stopped`. With `destroy` the interface is taken away.
  void stop(bool destroy, std::function<void()> stopped);

  // Takes the peer off in two phases. `cut` runs when the backend has stopped its traffic, or with the reason it could not.
  void remove_peer(const wg::PublicKey& peer, sessions::CloseReason reason, std::function<void(Result<void>)> cut);
  // All peers leave (registration suspended).
  void remove_all(sessions::CloseReason reason);

  void configure(config::Interface settings, const config::Sessions& sessions);
  // The kernel has completed a handshake of this peer. Only a hint when to look whether a session begins: as soon as the pace of
  // hints allows. Those of peers whose session goes on ask for nothing.
  void handshake_hint(const wg::PublicKey& peer, BootTime at);
  // There were more hints than could be told.
  void hints_lost(BootTime at);
  // The kernel said something about this link: look now.
  void link_changed(bool up, bool removed);

  [[nodiscard]] const config::Interface& settings() const { return settings_; }
  [[nodiscard]] const wg::PublicKey& public_key() const { return desired_.public_key; }
  [[nodiscard]] std::optional<sessions::Tracker::Live> live(const wg::PublicKey& peer) const { return tracker_.live(peer); }
  [[nodiscard]] std::size_t connected() const { return tracker_.open_count(); }
  [[nodiscard]] bool serves(const wg::PublicKey& peer) const { return desired_.peers.contains(peer); }
  // Served, or on its way out and perhaps not yet cut off.
  [[nodiscard]] bool holds(const wg::PublicKey& peer) const { return serves(peer) || desired_.leaving.contains(peer); }
  // That the device holds; without bound before it has started.
  [[nodiscard]] std::size_t most_peers() const { return most_peers_; }
  [[nodiscard]] InterfaceStatus status() const;

 private:
  enum class Life { idle, starting, running, waiting, stopping, stopped };

  using Departing = std::vector<std::pair<wg::PublicKey, BootTime>>;  // and when each was quiesced

  void begin();
  void on_started(Result<BackendStarted> started);
  void try_later(const Error& why);
  void watch_death(UniqueFd pidfd);
  void lose_backend(std::string why);
  void schedule_poll(BootTime from);
  void poll();
  void schedule_look();
  void look();
  void glance_at(wg::Snapshot& part);
  void on_look(const Result<void>& read);
  using TakePart = std::function<void(wg::Snapshot& part)>;
  std::function<Result<void>()> reading_for_loop(TakePart take);
  void take_part(wg::Snapshot& part);
  void take_figures(wg::Snapshot& part);
  void on_read(const Result<void>& read, LinkRepair link);
  void on_unreadable(const Error& error);
  void announce();
  void note(const wg::Snapshot& snapshot, std::string link_problem);
  void load_more();
  void on_loaded(const Result<BootTime>& done);
  void apply(wg::DeviceChange change, std::function<void(Result<BootTime>)> done);
  void note_refusal(const Result<BootTime>& applied);
  void drop_told(std::vector<reconcile::Drift>& drift);
  void apply_part(wg::DeviceChange part, std::function<void(BootTime)> then);
  void carry_out(reconcile::Plan& plan);
  Departing departing(const reconcile::Plan& plan);
  void remove_departed(const Departing& peers);
  Observation observe(const wg::Snapshot& snapshot, const reconcile::Plan& plan, std::vector<std::string> link_drift);
  void take_checkpoint(Observation& out);
  void send(Observation observation, std::function<void()> then);
  void finish_stop();
  reconcile::Expected expected_for(const wg::Snapshot& snapshot);
  void settle_expected(const wg::Snapshot& snapshot, const reconcile::Plan& plan);
  void link_went_down(bool read, Instant announced);
  void become_ready();
  void note_all_routes();
  bool note_routes(const wg::PublicKey& peer, std::span<const IpPrefix> allowed_ips);
  [[nodiscard]] std::vector<IpPrefix> routes() const;
  void push_wanted();

  boost::asio::io_context& loop_;
  Worker& device_;
  config::Interface settings_;
  config::Sessions sessions_;
  Sinks sinks_;
  BackendPorts ports_;
  sessions::Tracker tracker_;
  reconcile::Desired desired_;
  reconcile::Planner planner_;
  wg::Snapshot reading_;                // the latest whole reading, without its peers
  wg::Snapshot glance_;                 // the same of a look
  std::vector<sessions::Event> found_;  // told by the tracker, not sent yet: a reading comes in parts
  Permits parts_;                       // of parts on their way from the device worker
  unsigned loads_ = 0;                  // pieces of a long addition that the device has not answered; polls wait for the last
  std::size_t loaded_ = 0;              // peers of that addition
  BootTime loading_since_;
  BootTime loading_told_;
  std::unordered_map<wg::PublicKey, sessions::CloseReason> leaving_reason_;
  // Our own changes that a snapshot may not show yet: unset until the device has answered, then the time it did.
  std::unordered_map<wg::PublicKey, std::optional<BootTime>> expected_;
  bool device_expected_ = true;
  // What of each peer's allowed IPs lies outside the interface's networks; only peers that have such.
  std::map<wg::PublicKey, std::vector<IpPrefix>> outside_;
  bool poll_again_ = false;  // a poll was asked for while one was under way that may not see the reason
  std::optional<Restored> restored_;
  Instant starting_;                // when the latest attempt to start began
  std::optional<Instant> created_;  // the same, when the device was made by it and not adopted
  std::optional<Instant> watched_;  // start of the latest complete snapshot
  Life life_ = Life::idle;
  bool kernel_ = false;
  std::size_t most_peers_ = SIZE_MAX;
  std::string refused_;         // why the device did not take a change that is still to be made
  bool refused_again_ = false;  // since the latest reading
  bool load_refused_ = false;   // a piece of the latest long addition
  // Drift of the latest reading, and whom the change that was to put it right was about that the device did not take whole; no
  // peer: the device itself.
  std::set<std::pair<reconcile::DriftKind, wg::PublicKey>> told_;
  std::set<wg::PublicKey> not_taken_;
  bool adopted_ = false;
  bool answers_ = false;  // a snapshot has come since the backend was started
  bool ever_answered_ = false;
  bool told_unavailable_ = false;
  unsigned unreadable_ = 0;  // answers in a row that made no sense
  bool polling_ = false;
  std::uint64_t generation_ = 0;  // of the backend: answers from an earlier life are dropped
  std::chrono::seconds backoff_{1};
  boost::asio::steady_timer timer_;
  hints::Pacer pacer_;
  boost::asio::steady_timer look_timer_;
  bool looking_ = false;
  boost::asio::posix::stream_descriptor death_;
  wg::DeviceIdentity identity_;  // of the last snapshot
  std::optional<BootTime> last_checkpoint_;
  bool checkpoint_waits_ = false;                         // one is not durable yet
  std::unordered_set<wg::PublicKey> rewrite_;             // rows that were given up: the next checkpoint has them again
  std::unordered_map<wg::PublicKey, BootTime> removing_;  // departing peers whose final figures are not durable yet
  std::function<void()> ready_;                           // empty once called
  std::function<void()> stopped_;                         // empty once called
  bool destroy_ = false;
  InterfaceStatus status_;
};

}  // namespace sanad::service
