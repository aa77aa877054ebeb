#pragma once
// The state that the use cases share: everything here belongs to the loop thread. Jobs given to change() and ask() run on the
// storage thread and see only what they captured by value.
//
// Lifetimes: the loop outlives the ledger and the device worker, and those outlive the Gateway, whose destructor does not wait
// for them. So a job under way never touches the Gateway or an interface: it posts its answer to the loop, which by then has
// ended and never runs it.

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/config.hpp"
#include "control/audit/ocsf.hpp"
#include "control/ledger/ledger.hpp"
#include "control/service/clock_watch.hpp"
#include "control/service/host_rules.hpp"
#include "control/service/interface_loop.hpp"
#include "control/service/list_fetcher.hpp"
#include "control/service/published_log.hpp"
#include "control/service/recorder.hpp"
#include "control/service/refusals.hpp"
#include "control/service/registration_keeper.hpp"
#include "control/service/session_hints.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/link/watch.hpp"

namespace sanad::service {

class Gateway {
 public:
  // `keys`: one private key per interface of the config, in order, read before the loop starts.
  Gateway(boost::asio::io_context& loop, Worker& device, ledger::Ledger& ledger, config::Config config,
          std::filesystem::path config_file, std::vector<wg::PrivateKey> keys);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Restores what the ledger remembers, records the start, brings the interfaces up. `ready`: the gateway serves, or is trying
  // to (backend down); an error means the ledger or the registration could not be read: refuse to start.
  void start(std::function<void(Result<void>)> ready);
  // A last snapshot of each interface, recorded; the stop itself recorded; then `stopped`.
  void stop(std::string reason, std::function<void()> stopped);

  // A change of state with its evidence; `done` on the loop thread once durable.
  template <class T>
  void change(std::function<Result<T>(ledger::Transaction&)> job, Done<T> done) {
    ledger_.submit<T>(std::move(job), back_on_loop<T>(std::move(done)));
  }
  // A question to the ledger.
  template <class T>
  void ask(std::function<Result<T>(ledger::Transaction&)> job, Done<T> done) {
    ledger_.query<T>(std::move(job), back_on_loop<T>(std::move(done)));
  }

  [[nodiscard]] const config::Config& config() const { return config_; }
  [[nodiscard]] InterfaceLoop* interface(std::string_view name);  // null: not configured; "": the first
  [[nodiscard]] const std::vector<std::unique_ptr<InterfaceLoop>>& interfaces() const { return interfaces_; }
  [[nodiscard]] RegistrationKeeper& registration() { return registration_; }
  [[nodiscard]] Recorder& recorder() { return recorder_; }
  [[nodiscard]] Refusals& refusals() { return refusals_; }
  [[nodiscard]] ledger::Ledger& ledger() { return ledger_; }
  [[nodiscard]] audit::Reporter reporter() const;
  [[nodiscard]] const SessionEventsStatus& session_events() const { return session_hints_.status(); }
  [[nodiscard]] Instant started() const { return started_; }
  [[nodiscard]] std::vector<wg::PublicKey> own_keys() const;
  [[nodiscard]] bool suspended() const { return registration_.standing().action == registration::Action::suspend; }
  boost::asio::io_context& loop() { return loop_; }

  // Whether a peer may have traffic now: its own state and the registration's.
  [[nodiscard]] bool may_serve(const ledger::PeerRecord& peer, WallTime now) const;
  // Gives committed peers to their interfaces, or takes them off, whichever their state says.
  void put_in_force(const std::vector<ledger::PeerRecord>& peers);
  // A revocation or disabling that took effect while storage could not write: until it is recorded, what the ledger says of the
  // peer is out of date and must not bring it back.
  void withhold(const std::string& peer_id) { ++withheld_[peer_id]; }
  void release(const std::string& peer_id) {
    if (const auto it = withheld_.find(peer_id); it != withheld_.end() && --it->second == 0) withheld_.erase(it);
  }
  // The next not_before or expires_at may have moved.
  void due_changed() { next_due_ = now().wall; }

  // Has the registration sign the log's keys that it has not signed yet; what fails is tried again every minute.
  void sign_log_keys();
  // After an installation, a grace or new files: judge, record a change, act on it.
  void judge_registration();
  void reload_material(std::function<void(Result<void>)> done);
  // Anchors, lists and keys may have changed under the names that the configuration has for them.
  void reread_registration();
  // Takes a new private key for one of the interfaces into use.
  void change_key(InterfaceLoop& interface, const wg::PrivateKey& key, const wg::PublicKey& public_key);
  // Applies a configuration that passed all checks, at the request of `by`.
  void apply_config(config::Config config, uid_t by);
  // At whose request the configuration is in force; at the start the daemon's own.
  [[nodiscard]] uid_t configured_by() const { return configured_by_; }
  [[nodiscard]] const std::filesystem::path& config_file() const { return config_file_; }
  Worker& device() { return device_; }

  std::uint64_t subscribe(std::function<void()> wake);
  void unsubscribe(std::uint64_t id) { followers_.erase(id); }
  // Leaves were committed: wakes the followers. Loop thread.
  void committed();

  // Set by the daemon: how to end the program after a shutdown request, how to take a new socket or role configuration, how the
  // log gets its next key (`done` on any thread) and how it is.
  std::function<void(std::string reason)> on_shutdown;
  std::function<void(const config::Config&)> on_config;
  // How the witnesses of the log stand. Loop thread.
  std::function<std::vector<WitnessStatus>()> witness_status;
  std::function<void(audit::EventDraft by, std::function<void(Result<RotatedKey>)> done)> on_rotate_log_key;
  std::function<LogState()> log_state;

 private:
  template <class T>
  std::function<void(Result<T>)> back_on_loop(Done<T> done) {
    // Shared: the two std::functions on the way want copyable callables, a Result<T> need not be one.
    return [&loop = loop_, done = std::move(done)](Result<T> result) {
      auto held = std::make_shared<Result<T>>(std::move(result));
      boost::asio::post(loop, [done, held] { done(std::move(*held)); });
    };
  }

  struct Remembered {
    std::vector<ledger::RegistrationRecord> registrations;
    std::string standing;
    std::map<std::string, std::string> keys;  // by interface: digest of the key that a rotation took into use
    std::map<std::string, InterfaceLoop::Restored> interfaces;
    struct Peers {
      reconcile::DesiredPeers served;
      std::vector<std::pair<wg::PublicKey, sessions::CloseReason>> leaving;
    };
    std::map<std::string, Peers> peers;
  };
  static Result<Remembered> remember(ledger::Transaction& txn, const std::vector<std::string>& names, const std::string& boot_id);

  void restore(Remembered remembered);
  void recover_keys(std::map<std::string, std::string> committed, std::function<void()> next);
  void install_from_file(std::function<void(Result<void>)> next);
  void start_interfaces(std::function<void(Result<void>)> ready);
  void watch_links();
  void on_observed(Observation observation, InterfaceLoop::Settled settled);
  void on_backend(BackendEvent event);
  void on_handshakes(const hints::Drained& told);
  void every_second();
  void settle_due();
  void check_host();
  void every_minute();
  void load_kept_lists(std::function<void()> next);
  void fetch_lists();
  void on_fetched(FetchedList list);
  void on_clock(ClockChange change);
  void record_standing(const registration::Standing& before, const registration::Standing& after);

  boost::asio::io_context& loop_;
  Worker& device_;
  ledger::Ledger& ledger_;
  config::Config config_;
  uid_t configured_by_ = ::geteuid();
  std::filesystem::path config_file_;
  std::string boot_id_;
  Instant started_;
  Recorder recorder_;
  Refusals refusals_{*this};
  std::vector<std::unique_ptr<InterfaceLoop>> interfaces_;
  RegistrationKeeper registration_;
  bool was_suspended_ = false;
  std::string told_standing_;                 // what the evidence says last
  std::map<std::string, unsigned> withheld_;  // by peer id: how many records wait
  std::shared_ptr<HostRules> host_rules_;     // shared with jobs on the device worker
  bool host_checking_ = false;
  bool host_first_ = true;
  std::optional<link::LinkWatch> link_watch_;
  boost::asio::posix::stream_descriptor link_wait_;
  SessionHints session_hints_;
  ClockWatch clock_watch_;
  boost::asio::steady_timer second_;
  boost::asio::steady_timer host_;
  boost::asio::steady_timer minute_;
  boost::asio::steady_timer lists_;
  ListFetcher fetcher_;
  WallTime next_due_;
  bool settling_ = false;
  std::uint64_t records_at_heartbeat_ = 0;
  std::uint64_t next_follower_ = 1;
  std::map<std::uint64_t, std::function<void()>> followers_;
  bool stopping_ = false;
};

}  // namespace sanad::service
