#include "control/service/gateway.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "control/registration/certificate.hpp"
#include "control/service/backend.hpp"
#include "control/service/expiry_warnings.hpp"
#include "control/service/interface_keys.hpp"
#include "control/service/log_registrations.hpp"
#include "control/service/observation_record.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/memory.hpp"

namespace sanad::service {
namespace {

// meta: the standing that was recorded last, as "<kind> <action> <threshold>".
constexpr const char* kMetaStanding = "registration_standing";

// By then a change is on the device, unless the daemon was killed again and again meanwhile.
constexpr std::chrono::seconds kSettled{30};

// After a failed fetch, where the schedule itself is not shorter.
constexpr std::chrono::seconds kRetryList{60};

// What was fetched last is kept, so that a restart while the server is out of reach forgets no revocation.
std::filesystem::path kept_list(const config::Config& config, const std::string& url) {
  return config.gateway.state_dir / "registration" / ("list-" + hex_encode(sha256(as_bytes(url))).substr(0, 16) + ".crl");
}

std::optional<WallTime> written_at(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return std::nullopt;
  return WallTime{std::int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec};
}

// Of a chain's first certificate, hex; empty when it is none.
std::string fingerprint_of(std::string_view chain_pem) {
  const auto chain = registration::split_chain(chain_pem);
  if (!chain) return {};
  const auto leaf = registration::parse_summary(chain->front());
  return leaf ? hex_encode(leaf->fingerprint) : std::string{};
}

std::vector<std::string> interface_names(const config::Config& config) {
  std::vector<std::string> names;
  for (const auto& i : config.interfaces) names.push_back(i.name);
  return names;
}

sessions::CloseReason leaving_reason(ledger::PeerState state) {
  switch (state) {
    case ledger::PeerState::revoked:
      return sessions::CloseReason::revoked;
    case ledger::PeerState::expired:
      return sessions::CloseReason::peer_expired;
    case ledger::PeerState::suspended:
      return sessions::CloseReason::suspended;
    default:
      return sessions::CloseReason::disabled;
  }
}

// Keepalive is the client's to send (it is behind the NAT, and its profile says how often); the gateway sends none.
reconcile::DesiredPeer desired_of(const ledger::PeerRecord& peer) {
  return {.public_key = peer.public_key, .preshared_key = peer.preshared_key, .keepalive_s = 0, .allowed_ips = peer.allowed_ips};
}

// Derives the public key or throws: a private key that OpenSSL refuses was refused by the config reader already.
wg::PublicKey public_of(const wg::PrivateKey& key) { return wg::derive_public_key(key).value(); }

}  // namespace

Gateway::Gateway(boost::asio::io_context& loop, Worker& device, ledger::Ledger& ledger, config::Config config,
                 std::filesystem::path config_file, std::vector<wg::PrivateKey> keys)
    : loop_(loop),
      device_(device),
      ledger_(ledger),
      config_(std::move(config)),
      config_file_(std::move(config_file)),
      started_(now()),
      recorder_(loop, ledger),
      registration_(config_.registration, public_of(keys.front()), config_.interfaces.front().listen_port),
      host_rules_(std::make_shared<HostRules>(config_)),
      link_wait_(loop),
      session_hints_(loop, device, config_.sessions.events, [this](const hints::Drained& told) { on_handshakes(told); }),
      clock_watch_(loop, [this](ClockChange change) { on_clock(change); }),
      second_(loop),
      host_(loop),
      minute_(loop),
      lists_(loop),
      fetcher_([this, &loop](FetchedList list) {
        boost::asio::post(loop, [this, list = std::move(list)]() mutable { on_fetched(std::move(list)); });
      }) {
  for (std::size_t i = 0; i < config_.interfaces.size(); ++i) {
    InterfaceLoop::Sinks sinks{
        [this](Observation o, InterfaceLoop::Settled settled) { on_observed(std::move(o), std::move(settled)); },
        [this](BackendEvent e) { on_backend(std::move(e)); }};
    auto one = std::make_unique<InterfaceLoop>(loop_, device_, config_.interfaces[i], config_.sessions, std::move(sinks),
                                               make_backend(config_.interfaces[i]));
    one->set_device(keys[i], public_of(keys[i]));
    interfaces_.push_back(std::move(one));
  }
  recorder_.on_lost(
      [id = config_.gateway.id](ledger::Transaction& txn, std::uint64_t count, WallTime from, WallTime to) -> Result<void> {
        boost::json::object details{{"lost_events", count}, {"from", to_rfc3339(from)}, {"to", to_rfc3339(to)}};
        auto index =
            txn.append(audit::own_event(audit::Reporter{.gateway_id = id}, txn.now().wall, "storage_gap", std::move(details)));
        if (!index) return index.error();
        return {};
      });
}

// ---- Start ----

void Gateway::start(std::function<void(Result<void>)> ready) {
  auto boot_id = read_boot_id();
  if (!boot_id) return ready(boot_id.error());
  boot_id_ = *boot_id;
  change<Remembered>(
      [names = interface_names(config_), boot_id = boot_id_](ledger::Transaction& txn) { return remember(txn, names, boot_id); },
      [this, ready = std::move(ready)](Result<Remembered> remembered) {
        if (!remembered) return ready(std::move(remembered).error().within("couldn't read the state"));
        auto keys = std::move(remembered->keys);
        restore(std::move(*remembered));
        recover_keys(std::move(keys), [this, ready] {
          reload_material([this, ready](Result<void> loaded) {
            if (!loaded) return ready(std::move(loaded).error());
            install_from_file([this, ready](Result<void> installed) {
              if (!installed)
                log::warn("the registration certificate in {} is not used: {}", config_.registration.certificate.string(),
                          installed.error().message);
              load_kept_lists([this, ready] { start_interfaces(ready); });
            });
          });
        });
      });
}

// A kill came between the commit of a rotation and the rename of its key's file.
void Gateway::recover_keys(std::map<std::string, std::string> committed, std::function<void()> next) {
  std::map<std::string, std::pair<KeyFiles, std::string>> missing;
  for (const auto& one : interfaces_) {
    const std::string& digest = committed[one->settings().name];
    if (!digest.empty() && digest != digest_of(one->public_key()))
      missing.emplace(one->settings().name, std::pair{key_files(one->settings()), digest});
  }
  if (missing.empty()) return next();
  device_.post([this, &loop = loop_, missing = std::move(missing), next = std::move(next)] {
    std::map<std::string, InterfaceKey> found;
    for (const auto& [name, wanted] : missing)
      if (auto key = recover_key(wanted.first, wanted.second)) found.emplace(name, *key);
    boost::asio::post(loop, [this, found = std::move(found), next] {
      for (const auto& [name, key] : found) {
        log::info("{}: the key that was taken into use before the last end is in its place now", name);
        InterfaceLoop* one = interface(name);
        one->set_device(key.key, key.public_key);
        if (one == interfaces_.front().get()) registration_.set_gateway_key(key.public_key);
      }
      next();
    });
  });
}

Result<Gateway::Remembered> Gateway::remember(ledger::Transaction& txn, const std::vector<std::string>& names,
                                              const std::string& boot_id) {
  Remembered out;
  out.registrations = txn.registration_history();
  out.standing = txn.meta(kMetaStanding).value_or("");
  const bool same_boot = txn.meta(ledger::kMetaBootId) == boot_id;
  for (const auto& name : names) {
    out.keys[name] = txn.meta(kMetaKeyInUsePrefix + name).value_or("");
    InterfaceLoop::Restored restored;
    restored.same_boot = same_boot;
    restored.identity = txn.meta(ledger::kMetaDeviceIdentityPrefix + name).value_or("");
    if (const auto text = txn.meta(ledger::kMetaLastSnapshotPrefix + name)) restored.last_snapshot = read_instant(*text);
    restored.baselines = txn.baselines(name);
    // Peers changed shortly before the last durable look, or after it, may never have reached the device: the look is made
    // durable while what it found is still being put right. What is missing of them is our doing.
    const auto looked = restored.last_snapshot;
    auto& peers = out.peers[name];
    txn.each_peer_of_device(name, [&peers, looked, wall = now().wall](const ledger::PeerRecord& peer) {
      const auto state = ledger::state_of(peer, wall);
      if (state == ledger::PeerState::active)
        peers.served.put(desired_of(peer), !looked || peer.updated + kSettled >= looked->wall);
      else if (peer.on_device)
        peers.leaving.emplace_back(peer.public_key, leaving_reason(state));
    });
    out.interfaces[name] = std::move(restored);
  }
  return out;
}

void Gateway::restore(Remembered remembered) {
  registration_.set_history(std::move(remembered.registrations));
  told_standing_ = std::move(remembered.standing);
  for (auto& one : interfaces_) {
    const std::string& name = one->settings().name;
    auto& restored = remembered.interfaces[name];
    auto& peers = remembered.peers[name];
    one->want_peers(std::move(peers.served));
    for (const auto& [key, reason] : peers.leaving) one->put_leaving(key, reason);
    one->restore(std::move(restored));
  }
}

void Gateway::reload_material(std::function<void(Result<void>)> done) {
  device_.post([this, &loop = loop_, settings = config_.registration, names = interface_names(config_), done = std::move(done)] {
    auto material = load_material(settings, names);
    boost::asio::post(loop, [this, material = std::move(material), done]() mutable {
      if (!material) return done(material.error());
      registration_.set_material(std::move(*material));
      done({});
    });
  });
}

// A certificate that `sanad init` or an admin put in the configured file is installed by the first start that sees it.
void Gateway::install_from_file(std::function<void(Result<void>)> next) {
  const std::string& pem = registration_.material().certificate_pem;
  if (pem.empty()) return next({});
  const auto& history = registration_.history();
  const std::string fingerprint = fingerprint_of(pem);
  const bool known = std::any_of(history.begin(), history.end(), [&](const auto& r) { return r.fingerprint == fingerprint; });
  if (known) {
    // The ledger is what counts. An older one in the file: a kill came before the newer one was written there.
    if (history.back().fingerprint != fingerprint)
      device_.post([newest = history.back().certificate_pem, path = config_.registration.certificate] {
        if (auto written = write_file_durably(path, newest, 0644); !written) log::warn("{}", written.error().message);
      });
    return next({});
  }
  auto verified = registration_.check(pem);
  if (!verified) return next(verified.error());
  using History = std::vector<ledger::RegistrationRecord>;
  change<History>(
      [pem, fingerprint, reporter = reporter()](ledger::Transaction& txn) -> Result<History> {
        audit::EntityChange change{
            .verb = audit::EntityVerb::create, .action = "install", .type = "registration", .id = fingerprint};
        change.details["from"] = "file";
        ledger::RegistrationRecord record{
            .certificate_pem = pem, .fingerprint = fingerprint, .installed = txn.now().wall, .from_index = txn.next_index()};
        if (auto index = txn.append(audit::entity_management(reporter, txn.now().wall, std::nullopt, std::move(change))); !index)
          return index.error();
        txn.put_registration(record);
        return txn.registration_history();
      },
      [this, next](Result<History> now_known) {
        if (!now_known) return next(now_known.error());
        registration_.set_history(std::move(*now_known));
        next({});
      });
}

void Gateway::start_interfaces(std::function<void(Result<void>)> ready) {
  if (stopping_) return;  // asked to stop while the state was being read
  recorder_.record(1, [reporter = reporter(), boot_id = boot_id_](ledger::Transaction& txn) -> Result<void> {
    boost::json::object details{{"boot_id", boot_id}};
    auto index =
        txn.append(audit::lifecycle(reporter, txn.now().wall, audit::Lifecycle::start, SANAD_VERSION, std::move(details)));
    if (!index) return index.error();
    return {};
  });
  judge_registration();
  sign_log_keys();
  watch_links();
  if (auto watching = clock_watch_.start(); !watching) log::warn("{}", watching.error().message);
  auto waiting = std::make_shared<std::size_t>(interfaces_.size());  // shared by the callbacks of all interfaces
  for (auto& one : interfaces_) {
    one->start([this, waiting, ready] {
      if (--*waiting != 0) return;
      check_host();
      every_second();
      every_minute();
      fetch_lists();
      ready({});
    });
  }
}

void Gateway::watch_links() {
  auto watch = link::LinkWatch::open();
  if (!watch) return log::warn("links are not watched, changes show at the next poll: {}", watch.error().message);
  link_watch_.emplace(std::move(*watch));
  const int copy = ::dup(link_watch_->fd());
  if (copy < 0) return;
  link_wait_.assign(copy);
  const auto wait = std::make_shared<std::function<void()>>();  // shared: it names itself to go on waiting
  *wait = [this, weak = std::weak_ptr(wait)] {
    link_wait_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [this, again = weak.lock()](const boost::system::error_code& ec) {
                            if (ec) return;
                            auto events = link_watch_->drain();
                            if (events) {
                              for (const auto& event : *events)
                                for (auto& one : interfaces_)
                                  if (!event.overrun && one->settings().name == event.name)
                                    one->link_changed(event.up, event.removed);
                            } else {
                              log::warn("{}", events.error().message);
                            }
                            if (again) (*again)();
                          });
  };
  (*wait)();
}

// ---- What the interfaces find ----

void Gateway::on_observed(Observation observation, InterfaceLoop::Settled settled) {
  const std::size_t weight = observation.events.size() + observation.drift.size() + observation.baselines.size() + 1;
  const bool checkpoint = observation.checkpoint;
  for (const auto& drift : observation.drift)
    log::warn("{}: changed by someone else: {} (was {}, should be {}); put right", observation.interface,
              reconcile::to_string(drift.kind), drift.was, drift.should_be);
  for (const auto& text : observation.link_drift) log::warn("{}: {}", observation.interface, text);
  auto shared = std::make_shared<const Observation>(std::move(observation));  // shared: the recorder may run the job again
  RecordContext context{reporter(), boot_id_, config_.sessions.poll_interval};
  const std::uint64_t quiet_since = checkpoint ? std::exchange(records_at_heartbeat_, ledger_.state().leaves) : 0;
  recorder_.record(
      weight,
      [shared, context, checkpoint, quiet_since](ledger::Transaction& txn) -> Result<void> {
        if (auto recorded = record_observation(txn, *shared, context); !recorded) return recorded;
        // Silence must be told from absence: a checkpoint at which nothing was written since the last one leaves a heartbeat.
        if (checkpoint && txn.next_index() == quiet_since) {
          auto index = txn.append(audit::lifecycle(context.reporter, txn.now().wall, audit::Lifecycle::heartbeat, SANAD_VERSION));
          if (!index) return index.error();
        }
        return {};
      },
      std::move(settled));
}

void Gateway::on_handshakes(const hints::Drained& told) {
  for (const auto& handshake : told.handshakes)
    if (auto* one = interface(handshake.interface); one != nullptr) one->handshake_hint(handshake.peer, handshake.at);
  if (!told.lost) return;
  for (auto& one : interfaces_) one->hints_lost(now().boot);
}

void Gateway::on_backend(BackendEvent event) {
  const bool works =
      event.what == BackendChange::started || event.what == BackendChange::adopted || event.what == BackendChange::restored;
  if (event.kernel && works) session_hints_.backend_is_kernel();
  const std::size_t weight = event.events.size() + event.baselines.size() + 1;
  auto shared = std::make_shared<const BackendEvent>(std::move(event));  // shared: the recorder may run the job again
  RecordContext context{reporter(), boot_id_, config_.sessions.poll_interval};
  recorder_.record(weight, [shared, context](ledger::Transaction& txn) { return record_backend(txn, *shared, context); });
}

void Gateway::on_clock(ClockChange change) {
  if (change.stepped)
    log::warn("the wall clock was set by {} ms; sessions go by the boot clock and are not affected", change.step_ms);
  else
    log::info("the clock is {}", change.sync.synchronised ? "synchronised" : "no longer synchronised");
  auto about = reporter();
  recorder_.record(1, [about, change](ledger::Transaction& txn) -> Result<void> {
    const char* what = change.stepped ? "stepped" : change.sync.synchronised ? "synchronised" : "unsynchronised";
    auto index = txn.append(audit::clock_change(about, txn.now().wall, what, change.step_ms));
    if (!index) return index.error();
    return {};
  });
  next_due_ = WallTime{};  // expiry dates are wall time: look again
  judge_registration();
}

// ---- Time passing ----

void Gateway::every_second() {
  if (stopping_) return;
  if (!settling_ && now().wall >= next_due_) settle_due();
  second_.expires_after(std::chrono::seconds{1});
  second_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) every_second();
  });
}

void Gateway::settle_due() {
  settling_ = true;
  next_due_ = WallTime{INT64_MAX};  // whatever moves it while the question is under way is kept
  ask<ledger::DuePeers>(
      [](ledger::Transaction& txn) -> Result<ledger::DuePeers> { return txn.due_peers(txn.now().wall); },
      [this](Result<ledger::DuePeers> due) {
        settling_ = false;
        if (!due) {
          next_due_ = std::min(next_due_, now().wall + std::chrono::seconds{10});
          return;
        }
        next_due_ = std::min(next_due_, due->next.value_or(WallTime{INT64_MAX}));
        std::vector<ledger::PeerRecord> changed;
        for (auto& peer : due->expired)
          if (auto* one = interface(peer.interface); one != nullptr && one->serves(peer.public_key))
            changed.push_back(std::move(peer));
        for (auto& peer : due->begun)
          if (auto* one = interface(peer.interface); one != nullptr && !one->serves(peer.public_key))
            changed.push_back(std::move(peer));
        if (changed.empty()) return;
        put_in_force(changed);
        auto about = reporter();
        recorder_.record(changed.size(), [about, changed](ledger::Transaction& txn) -> Result<void> {
          for (const auto& peer : changed) {
            const bool begins = ledger::state_of(peer, txn.now().wall) == ledger::PeerState::active;
            audit::EntityChange entry{.verb = begins ? audit::EntityVerb::enable : audit::EntityVerb::disable,
                                      .action = begins ? "begin" : "expire",
                                      .type = "peer",
                                      .id = peer.id};
            if (auto index = txn.append(audit::entity_management(about, txn.now().wall, std::nullopt, std::move(entry))); !index)
              return index.error();
            if (begins)
              if (auto marked = txn.mark_on_device(peer.id, true); !marked) return marked;
          }
          return {};
        });
      });
}

void Gateway::check_host() {
  if (stopping_) return;
  if (!std::exchange(host_checking_, true)) {
    device_.post([this, &loop = loop_, rules = host_rules_, first = std::exchange(host_first_, false)] {
      auto changed = rules->enforce(first);
      boost::asio::post(loop, [this, changed = std::move(changed)] {
        host_checking_ = false;
        if (!changed)
          return log::warn("{}{}{}", changed.error().message, changed.error().hint.empty() ? "" : ". ", changed.error().hint);
        if (changed->empty()) return;
        for (const auto& text : *changed) log::info("{}", text);
        auto about = reporter();
        recorder_.record(changed->size(), [about, texts = *changed](ledger::Transaction& txn) -> Result<void> {
          for (const auto& text : texts) {
            boost::json::object details{{"change", text}};
            if (auto index = txn.append(audit::own_event(about, txn.now().wall, "host_changed", std::move(details))); !index)
              return index.error();
          }
          return {};
        });
      });
    });
  }
  host_.expires_after(config_.sessions.poll_interval);
  host_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) check_host();
  });
}

void Gateway::every_minute() {
  minute_.expires_after(std::chrono::minutes{1});
  minute_.async_wait([this](const boost::system::error_code& ec) {
    if (ec || stopping_) return;
    clock_watch_.look_at_sync();
    refusals_.settle();
    device_.post(give_back_free_memory);  // malloc keeps what a burst or a large reading needed
    recorder_.record(1, [about = reporter()](ledger::Transaction& txn) { return warn_of_expiry(txn, about); });
    reload_material([this](Result<void> loaded) {
      if (!loaded) log::warn("{}", loaded.error().message);
      judge_registration();
      sign_log_keys();
    });
    every_minute();
  });
}

// ---- Registration ----

void Gateway::load_kept_lists(std::function<void()> next) {
  device_.post([this, &loop = loop_, config = config_, next = std::move(next)] {
    std::vector<ListReading> kept;
    for (const auto& url : config.registration.crl_urls) {
      const auto file = kept_list(config, url);
      auto text = read_file(file, registration::kMaxCrl);
      const auto written = written_at(file);  // each good fetch writes it
      if (text && written) kept.push_back({url, std::move(*text), {}, *written});
    }
    boost::asio::post(loop, [this, kept = std::move(kept), next]() mutable {
      registration_.set_kept(std::move(kept));
      next();
    });
  });
}

void Gateway::fetch_lists() {
  for (const auto& url : config_.registration.crl_urls) fetcher_.fetch(url);
  lists_.expires_after(config_.registration.crl_interval);
  lists_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && !stopping_) fetch_lists();
  });
}

void Gateway::on_fetched(FetchedList list) {
  if (stopping_) return;
  if (!list.problem.empty()) {
    log::warn("couldn't fetch the revocation list {}: {}", list.url, list.problem);
    lists_.expires_after(std::min<std::chrono::seconds>(config_.registration.crl_interval, kRetryList));
    lists_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec && !stopping_) fetch_lists();
    });
  }
  const auto file = kept_list(config_, list.url);
  std::string text = list.text;
  if (registration_.set_fetched(std::move(list), now().wall)) {
    device_.post([file, text = std::move(text)] {
      if (auto written = write_file_durably(file, text, 0644); !written) log::warn("{}", written.error().message);
    });
  }
  judge_registration();
}

void Gateway::change_key(InterfaceLoop& interface, const wg::PrivateKey& key, const wg::PublicKey& public_key) {
  const bool first = &interface == interfaces_.front().get();
  interface.change_key(key, public_key);
  if (first) registration_.set_gateway_key(public_key);
}

void Gateway::judge_registration() {
  const auto before = registration_.standing();
  if (!registration_.judge(now().wall)) return;
  const auto& after = registration_.standing();
  log::info("registration: {} ({})", registration::to_string(after.kind), registration::to_string(after.action));
  for (const auto& finding : after.findings) log::warn("registration: {}", finding.detail);
  record_standing(before, after);
  if (suspended() == was_suspended_) return;
  was_suspended_ = suspended();
  if (was_suspended_) {
    for (auto& one : interfaces_) one->remove_all(sessions::CloseReason::suspended);
    return;
  }
  using Records = std::vector<ledger::PeerRecord>;
  ask<Records>(
      [names = interface_names(config_)](ledger::Transaction& txn) -> Result<Records> {
        Records all;
        for (const auto& name : names)
          for (auto& peer : txn.peers_of_device(name)) all.push_back(std::move(peer));
        return all;
      },
      [this](Result<Records> peers) {
        if (!peers) return log::error("couldn't bring the peers back: {}", peers.error().message);
        put_in_force(*peers);
      });
}

void Gateway::sign_log_keys() {
  using Keys = std::vector<ledger::LogKey>;
  ask<Keys>([](ledger::Transaction& txn) -> Result<Keys> { return txn.log_keys(); },
            [this](Result<Keys> keys) {
              if (!keys) return;
              device_.post([what = LogRegistrations{log_directory(config_.gateway.state_dir), registration_.history(),
                                                    registration_.material().key, std::move(*keys)}] {
                const auto signed_keys = write_log_registrations(what);
                if (!signed_keys)
                  log::warn("the registration's word for the log's keys is missing: {}", signed_keys.error().message);
                else if (*signed_keys > 0)
                  log::info("the registration's key has signed {} key(s) of the log", *signed_keys);
              });
            });
}

// Told once, also over restarts: what was told last is kept with the leaf that told it.
void Gateway::record_standing(const registration::Standing& before, const registration::Standing& after) {
  std::string told = fmt::format("{} {} {}", registration::to_string(after.kind), registration::to_string(after.action),
                                 after.threshold_days.value_or(0));
  if (std::exchange(told_standing_, told) == told) return;
  recorder_.record(
      1,
      [about = reporter(), from = std::string(registration::to_string(before.kind)),
       to = std::string(registration::to_string(after.kind)), action = std::string(registration::to_string(after.action)),
       told = std::move(told)](ledger::Transaction& txn) -> Result<void> {
        auto index = txn.append(audit::standing_changed(about, txn.now().wall, from, to, action));
        if (!index) return index.error();
        txn.set_meta(kMetaStanding, told);
        return {};
      });
}

bool Gateway::may_serve(const ledger::PeerRecord& peer, WallTime now) const {
  return !withheld_.contains(peer.id) && registration_.standing().action != registration::Action::suspend &&
         ledger::state_of(peer, now) == ledger::PeerState::active;
}

void Gateway::put_in_force(const std::vector<ledger::PeerRecord>& peers) {
  const WallTime wall = now().wall;
  std::map<std::string, std::vector<reconcile::DesiredPeer>> wanted;
  for (const auto& peer : peers) {
    auto* one = interface(peer.interface);
    if (one == nullptr) continue;
    if (may_serve(peer, wall)) {
      wanted[peer.interface].push_back(desired_of(peer));
    } else if (one->serves(peer.public_key)) {
      one->remove_peer(peer.public_key, leaving_reason(suspended() ? ledger::PeerState::suspended : ledger::state_of(peer, wall)),
                       [name = peer.interface](const Result<void>& cut) {
                         if (!cut) log::warn("{}: {}", name, cut.error().message);
                       });
    }
  }
  for (auto& [name, list] : wanted) interface(name)->put_peers(std::move(list));
}

// ---- The rest ----

InterfaceLoop* Gateway::interface(std::string_view name) {
  for (auto& one : interfaces_)
    if (name.empty() || one->settings().name == name) return one.get();
  return nullptr;
}

std::vector<wg::PublicKey> Gateway::own_keys() const {
  std::vector<wg::PublicKey> keys;
  for (const auto& one : interfaces_) keys.push_back(one->public_key());
  return keys;
}

audit::Reporter Gateway::reporter() const {
  audit::Reporter out{.gateway_id = config_.gateway.id, .clock = read_clock_sync()};
  if (const auto& installed = registration_.installed()) {
    out.certificate_fingerprint = hex_encode(installed->verified.certificate.fingerprint);
    out.registration_reference = installed->reference.value_or("");
  }
  return out;
}

void Gateway::apply_config(config::Config config, uid_t by) {
  config_ = std::move(config);
  configured_by_ = by;
  for (std::size_t i = 0; i < interfaces_.size(); ++i) interfaces_[i]->configure(config_.interfaces[i], config_.sessions);
  registration_.configure(config_.registration, config_.interfaces.front().listen_port);
  device_.post([rules = host_rules_, copy = config_] { rules->configure(copy); });
  host_.cancel();
  check_host();
  reread_registration();
  if (on_config) on_config(config_);
}

void Gateway::reread_registration() {
  reload_material([this](Result<void> loaded) {
    if (!loaded) log::warn("{}", loaded.error().message);
    judge_registration();
  });
  fetch_lists();
}

std::uint64_t Gateway::subscribe(std::function<void()> wake) {
  followers_[next_follower_] = std::move(wake);
  return next_follower_++;
}

void Gateway::committed() {
  // A follower may unsubscribe, or subscribe, while it is woken.
  const auto followers = followers_;
  for (const auto& [id, wake] : followers)
    if (followers_.contains(id)) wake();
}

void Gateway::stop(std::string reason, std::function<void()> stopped) {
  if (std::exchange(stopping_, true)) return;
  for (auto* timer : {&second_, &host_, &minute_, &lists_}) timer->cancel();
  clock_watch_.stop();
  session_hints_.stop();
  refusals_.settle(true);
  boost::system::error_code ignored;
  link_wait_.close(ignored);
  auto waiting = std::make_shared<std::size_t>(interfaces_.size());  // shared by the callbacks of all interfaces
  for (auto& one : interfaces_) {
    one->stop(!config_.stop.keep_interfaces, [this, waiting, reason, stopped] {
      if (--*waiting != 0) return;
      recorder_.record(1, [about = reporter(), reason](ledger::Transaction& txn) -> Result<void> {
        boost::json::object details{{"reason", reason}};
        auto index =
            txn.append(audit::lifecycle(about, txn.now().wall, audit::Lifecycle::stop, SANAD_VERSION, std::move(details)));
        if (!index) return index.error();
        return {};
      });
      recorder_.when_idle(stopped);
    });
  }
}

}  // namespace sanad::service
