// sanadd: builds everything in order and names each flow.
//
// Failure policy at start: a configuration error, a ledger that cannot be opened or is newer than this program, a log that is
// ahead of it or beside it, an admin socket that cannot be made safe: say what and what to do, exit 1. A backend that does not
// come up is not fatal: the socket is served, the status says so, and it is tried again with backoff.

#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <iostream>

#include "config/reader.hpp"
#include "control/api/server.hpp"
#include "control/daemon/recover.hpp"
#include "control/daemon/settings.hpp"
#include "control/ledger/ledger.hpp"
#include "control/service/gateway.hpp"
#include "control/service/published_log.hpp"
#include "control/service/retention_keeper.hpp"
#include "control/service/witnesses.hpp"
#include "control/witness/http_client.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/hints/pins.hpp"

namespace sanad::daemon {
namespace {

// Longest a stop may take: the last snapshot (10 s at most) and the last commit.
constexpr std::chrono::seconds kStopLimit{20};

int fail(const Error& error) {
  log::error("{}{}{}", error.message, error.hint.empty() ? "" : ". ", error.hint);
  return 1;
}

int detach_hints() {
  const auto gone = hints::unpin();
  return gone ? 0 : fail(gone.error());
}

class Watchdog {
 public:
  explicit Watchdog(boost::asio::io_context& loop) : timer_(loop) {}
  // systemd asks for a sign of life at half its interval; the loop that cannot give it is stuck.
  void start() {
    std::uint64_t interval_us = 0;
    if (sd_watchdog_enabled(0, &interval_us) > 0 && interval_us > 0) beat(std::chrono::microseconds{interval_us / 2});
  }
  void stop() { timer_.cancel(); }

 private:
  void beat(std::chrono::microseconds every) {
    sd_notify(0, "WATCHDOG=1");
    timer_.expires_after(every);
    timer_.async_wait([this, every](const boost::system::error_code& ec) {
      if (!ec) beat(every);
    });
  }
  boost::asio::steady_timer timer_;
};

int run(const std::filesystem::path& config_file) {
  auto loaded = config::read(config_file);
  if (!loaded.config) {
    for (const auto& line : loaded.errors) std::cerr << line << '\n';
    log::error("the configuration has {} error(s); see above, or: sanadd --check --config {}", loaded.errors.size(),
               config_file.string());
    return 1;
  }
  config::Config config = std::move(*loaded.config);
  log::start(log_level(config.log.level));
  auto keys = read_keys(config);
  if (!keys) return fail(keys.error());
  if (auto made = make_state_directory(config.gateway.state_dir); !made) return fail(made.error());

  boost::asio::io_context loop(1);

  // Storage: the ledger's own thread. Its commits wake whoever follows the log.
  service::CommitSignal commits;
  service::Gateway* followed = nullptr;  // read and set on the loop thread only; the ledger commits once more after the loop
  ledger::LedgerOptions options;
  options.on_commit = [&loop, &followed, &commits](std::uint64_t, std::uint64_t) {
    commits.raise();
    boost::asio::post(loop, [&followed] {
      if (followed != nullptr) followed->committed();
    });
  };
  auto ledger = ledger::Ledger::open(config.gateway.state_dir / "state.db", std::move(options));
  if (!ledger) return fail(ledger.error());

  // Evidence: what the ledger has committed, as tiles and signed checkpoints. Ends after the use cases and before the ledger, so
  // that the record of the stop is in it.
  service::PublishedLogSettings log_settings{
      .state_dir = config.gateway.state_dir, .gateway_id = config.gateway.id, .epoch = config.evidence.epoch};
  log_settings.on_rotated = [&loop, &followed] {
    boost::asio::post(loop, [&followed] {
      if (followed != nullptr) followed->sign_log_keys();
    });
  };
  auto published = service::PublishedLog::open(**ledger, commits, std::move(log_settings));
  if (!published) return fail(published.error());

  // Device: netlink, the UAPI socket, wireguard-go, nftables, files of the registration.
  Worker device("device");

  service::Gateway gateway(loop, device, **ledger, config, config_file, std::move(*keys));
  followed = &gateway;
  gateway.on_rotate_log_key = [&log = **published](audit::EventDraft by, std::function<void(Result<service::RotatedKey>)> done) {
    log.rotate_key(std::move(by), std::move(done));
  };
  gateway.log_state = [&log = **published] { return log.state(); };

  // Witnesses: the log's checkpoints go out to be cosigned, what comes back is kept beside them.
  witness::HttpClient http(loop);
  service::WitnessPorts ports = service::gateway_ports(gateway);
  ports.on_publisher = [&log = **published](std::function<void()> job) { log.post(std::move(job)); };
  ports.post = [&http](const HttpUrl& url, std::string body, std::function<void(Result<service::WitnessReply>)> done) {
    http.post(url, std::move(body), [done = std::move(done)](Result<witness::HttpAnswer> answer) {
      if (!answer) return done(std::move(answer).error());
      done(service::WitnessReply{answer->status, std::move(answer->body)});
    });
  };
  service::Witnesses witnesses(loop, service::log_directory(config.gateway.state_dir), std::move(ports));
  witnesses.configure(config.evidence);
  gateway.witness_status = [&witnesses] { return witnesses.status(); };

  service::Peers peers(gateway);
  service::Queries queries(gateway);
  service::Registrations registrations(gateway);
  service::Operations operations(gateway);
  service::Custody custody(gateway);
  service::RetentionKeeper retention(gateway, custody);

  auto listener = api::listen_unix(listen_settings(config));
  if (!listener) return fail(listener.error());
  api::Server server(loop, std::move(*listener), limits_of(config),
                     api::Services{peers, queries, registrations, operations, custody}, roles_of(config));
  gateway.on_config = [&server, &retention, &witnesses](const config::Config& changed) {
    server.set_roles(roles_of(changed));
    retention.policy_changed();
    witnesses.configure(changed.evidence);
  };

  int status = 0;
  Watchdog watchdog(loop);
  boost::asio::signal_set stop_signals(loop, SIGTERM, SIGINT);
  boost::asio::signal_set reload_signal(loop, SIGHUP);
  boost::asio::steady_timer stop_limit(loop);

  const auto stop = [&](std::string reason) {
    log::info("stopping: {}", reason);
    sd_notify(0, "STOPPING=1");
    stop_signals.cancel();
    reload_signal.cancel();
    server.stop();
    retention.stop();
    witnesses.stop();
    stop_limit.expires_after(kStopLimit);
    stop_limit.async_wait([&](const boost::system::error_code& ec) {
      if (ec) return;
      log::error("the stop took longer than {} s; what was observed last is not recorded", kStopLimit.count());
      status = 1;
      loop.stop();
    });
    gateway.stop(std::move(reason), [&] {
      watchdog.stop();
      loop.stop();
    });
  };
  gateway.on_shutdown = stop;
  stop_signals.async_wait([&](const boost::system::error_code& ec, int signal) {
    if (!ec) stop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
  });
  const std::function<void()> await_reload = [&] {
    reload_signal.async_wait([&](const boost::system::error_code& ec, int) {
      if (ec) return;
      sd_notify(0, "RELOADING=1");
      operations.reload(own_caller(), [](Result<service::Reloaded> done) {
        if (done)
          log::info("configuration reloaded, {} change(s)", done->changed.size());
        else
          log::error("the configuration was not reloaded: {}", done.error().message);
        sd_notify(0, "READY=1");
      });
      await_reload();
    });
  };
  await_reload();

  gateway.start([&](Result<void> ready) {
    if (!ready) {
      status = fail(ready.error());
      return loop.stop();
    }
    server.start();
    witnesses.start();
    retention.start();
    watchdog.start();
    log::info("serving on {}", config.socket.path.string());
    sd_notify(0, "READY=1");
  });

  // Exceptions that arrive here are bugs: the process ends with a message, systemd starts it anew, tunnels stay up.
  loop.run();
  // Answers that the stop cut short (event streams above all) end here, while the use cases they name still live.
  loop.restart();
  loop.poll();
  return status;
}

// For the systemd unit, with all rights and outside its sandbox: the program that tells of handshakes is put into the kernel, and
// left where the daemon, which has no right to do that, picks it up. Nothing depends on it, so it never keeps a start from
// happening.
int attach_hints(const config::Config& config) {
  log::start(log_level(config.log.level));
  const bool kernel =
      std::ranges::any_of(config.interfaces, [](const config::Interface& i) { return i.backend != config::Backend::userspace; });
  if (config.sessions.events == config::SessionEvents::off || !kernel) return detach_hints();
  const auto hook = hints::pin();
  if (!hook) return fail(hook.error());
  log::info("the kernel tells of handshakes ({})", hints::to_string(*hook));
  return 0;
}

}  // namespace
}  // namespace sanad::daemon

int main(int argc, char** argv) try {
  CLI::App app{"sanadd: the Sanad gateway daemon", "sanadd"};
  std::string config_file = "/etc/sanad/sanad.yaml";
  bool check = false;
  app.add_option("--config,-c", config_file, "configuration file")->capture_default_str();
  bool recover = false;
  app.add_flag("--recover-log", recover, "bring log and state.db together again when they tell two histories, and exit");
  bool attach = false;
  app.add_flag("--attach-hints", attach,
               "have the kernel tell of handshakes to the daemon that is started next, and exit (for the systemd unit)");
  bool detach = false;
  app.add_flag("--detach-hints", detach, "undo --attach-hints, and exit");
  app.add_flag("--check", check, "read and check the configuration, print all errors, and exit (0: fine, 1: not)");
  app.set_version_flag("--version", SANAD_VERSION);
  CLI11_PARSE(app, argc, argv);
  sanad::log::start(spdlog::level::info);
  if (detach) return sanad::daemon::detach_hints();
  if (!check && !recover && !attach) return sanad::daemon::run(config_file);
  const auto outcome = sanad::config::read(config_file);
  for (const auto& line : outcome.errors) std::cerr << line << '\n';
  if (outcome.config && attach) return sanad::daemon::attach_hints(*outcome.config);
  if (outcome.config && recover) return sanad::daemon::recover_log(*outcome.config);
  if (outcome.config) std::cout << config_file << ": fine\n";
  return outcome.config ? 0 : 1;
} catch (const std::exception& bug) {
  sanad::log::error("sanadd ends on a bug of its own: {}", bug.what());
  return 1;
}
