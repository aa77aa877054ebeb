#pragma once
// One interface on the loop thread: polls, tracks, reconciles, repairs. The second flow of the architecture, and the device
// side of the first.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.hpp"
#include "control/service/backend.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/reconcile/plan.hpp"
#include "gateway/sessions/tracker.hpp"

namespace sanad::service {

// What one poll found, to be recorded in one transaction.
struct Observation {
  std::string interface;
  Instant at;
  bool kernel = false;
  wg::DeviceIdentity identity;
  std::vector<sessions::Event> events;
  std::vector<sessions::Baseline> baselines;     // of peers named in opened and closed events; all changed ones at a checkpoint
  std::vector<wg::PublicKey> forgotten;          // baselines to drop
  std::vector<reconcile::Drift> drift;
  std::vector<std::string> link_drift;           // what somebody changed on the link, in words
  std::vector<wg::PublicKey> gone;               // removed by us and confirmed by the device
  bool checkpoint = false;                       // also move the durable "last watched" mark
};

// Things that happen to an interface besides polls.
enum class BackendChange { started, adopted, lost, restored, unavailable };
struct BackendEvent {
  std::string interface;
  BackendChange what = BackendChange::started;
  bool kernel = false;
  std::string detail;
  std::vector<sessions::Event> events;           // sessions closed by it
  std::vector<sessions::Baseline> baselines;
};

class InterfaceLoop {
 public:
  // How findings leave: `observed` must call `committed` when they are durable (or were given up); only then are
  // removals applied, so that final figures are never lost with the peer.
  struct Sinks {
    std::function<void(Observation, std::function<void()> committed)> observed;
    std::function<void(BackendEvent)> backend;
  };

  InterfaceLoop(boost::asio::io_context& loop, Worker& device, config::Interface settings, const config::Sessions& sessions,
                Sinks sinks);
  InterfaceLoop(const InterfaceLoop&) = delete;
  InterfaceLoop& operator=(const InterfaceLoop&) = delete;

  // What is wanted, before start(). `leaving`: peers that must not be served and may still be on the device.
  void set_device(wg::PrivateKey key, wg::PublicKey public_key);
  // `known`: the device may have them already (they were there before a restart), so that their absence is drift. Otherwise
  // they are our own change.
  void put_peers(std::vector<reconcile::DesiredPeer> peers, bool known = false);
  void put_leaving(const wg::PublicKey& peer, sessions::CloseReason reason);
  struct Restored {
    std::string identity;                        // device identity at the last checkpoint
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
  // The kernel said something about this link: look now.
  void link_changed(bool up, bool removed);

  [[nodiscard]] const config::Interface& settings() const { return settings_; }
  [[nodiscard]] const wg::PublicKey& public_key() const { return desired_.public_key; }
  [[nodiscard]] std::optional<sessions::Tracker::Live> live(const wg::PublicKey& peer) const { return tracker_.live(peer); }
  [[nodiscard]] std::size_t connected() const { return tracker_.open_count(); }
  [[nodiscard]] bool serves(const wg::PublicKey& peer) const { return desired_.peers.contains(peer); }
  [[nodiscard]] InterfaceStatus status() const;

 private:
  enum class Life { idle, starting, running, waiting, stopping, stopped };

  void begin();
  void on_started(Result<BackendStarted> started);
  void watch_death(UniqueFd pidfd);
  void lose_backend(std::string why);
  void schedule_poll(BootTime from);
  void poll();
  void on_snapshot(Result<wg::Snapshot> snapshot, std::vector<std::string> link_drift);
  void apply(wg::DeviceChange change, std::function<void(Result<BootTime>)> done);
  void carry_out(reconcile::Plan& plan);
  void remove_departed(const std::vector<wg::PublicKey>& peers);
  Observation observe(const wg::Snapshot& snapshot, const reconcile::Plan& plan, std::vector<std::string> link_drift);
  void finish_stop();
  reconcile::Expected expected_for(const wg::Snapshot& snapshot);
  void become_ready();

  boost::asio::io_context& loop_;
  Worker& device_;
  config::Interface settings_;
  config::Sessions sessions_;
  Sinks sinks_;
  std::shared_ptr<Backend> backend_;  // shared with jobs queued on the device worker, which may outlive a stop
  sessions::Tracker tracker_;
  reconcile::Desired desired_;
  std::unordered_map<wg::PublicKey, sessions::CloseReason> leaving_reason_;
  // Our own changes that a snapshot may not show yet: unset until the device has answered, then the time it did.
  std::unordered_map<wg::PublicKey, std::optional<BootTime>> expected_;
  bool device_expected_ = true;
  std::optional<Restored> restored_;
  Life life_ = Life::idle;
  bool kernel_ = false;
  bool told_unavailable_ = false;
  bool polling_ = false;
  std::uint64_t generation_ = 0;      // of the backend: answers from an earlier life are dropped
  std::chrono::seconds backoff_{1};
  boost::asio::steady_timer timer_;
  boost::asio::posix::stream_descriptor death_;
  std::optional<BootTime> last_checkpoint_;
  std::function<void()> ready_;    // empty once called
  std::function<void()> stopped_;  // empty once called
  bool destroy_ = false;
  InterfaceStatus status_;
};

}  // namespace sanad::service
