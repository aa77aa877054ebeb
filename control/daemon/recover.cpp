#include "control/daemon/recover.hpp"

#include <pwd.h>
#include <unistd.h>

#include <iostream>

#include "control/ledger/ledger.hpp"
#include "control/service/log_recovery.hpp"
#include "control/service/published_log.hpp"

namespace sanad::daemon {
namespace {

int fail(const Error& error) {
  std::cerr << "error: " << error.message << "\n";
  if (!error.hint.empty()) std::cerr << error.hint << "\n";
  return 1;
}

// The real user: root by sudo is root here, as on the socket.
audit::Actor asking() {
  audit::Actor actor;
  actor.uid = ::getuid();
  actor.gid = ::getgid();
  actor.pid = ::getpid();
  actor.role = "admin";
  if (const passwd* entry = ::getpwuid(actor.uid); entry != nullptr) actor.user_name = entry->pw_name;
  return actor;
}

void tell(const service::Recovery& recovery) {
  using What = service::Recovery::What;
  if (recovery.what == What::nothing) {
    std::cout << "nothing to do: state.db and the log tell the same history\n";
    return;
  }
  std::cout << "found    " << recovery.why << "\n";
  if (recovery.what == What::adopted) {
    std::cout
        << "done     the log stands as it is, and state.db goes on where it ends. What happened since the copy of state.db\n"
           "         was made is in the log alone: peers added since are to be added again, see sanad log cat.\n";
  } else {
    std::cout << "done     the other history is kept in " << recovery.kept.string() << ", as it was; a new log has begun.\n"
              << "         Its name is " << recovery.origin << ", its key another: tell whoever verifies it (sanad log key).\n";
  }
  std::cout << "evidence #" << recovery.evidence << "\nNext: systemctl start sanadd\n";
}

}  // namespace

int recover_log(const config::Config& config) {
  service::CommitSignal commits;
  ledger::LedgerOptions options;
  options.on_commit = [&commits](std::uint64_t, std::uint64_t) { commits.raise(); };
  auto ledger = ledger::Ledger::open(config.gateway.state_dir / "state.db", std::move(options));
  if (!ledger) return fail(ledger.error());
  const auto recovered = service::recover_log(**ledger, {config.gateway.state_dir, config.gateway.id, asking()});
  if (!recovered) return fail(recovered.error());
  // The record of it is published before anybody is told that all is well.
  service::PublishedLogSettings settings{
      .state_dir = config.gateway.state_dir, .gateway_id = config.gateway.id, .epoch = config.evidence.epoch};
  auto published = service::PublishedLog::open(**ledger, commits, std::move(settings));
  if (!published) return fail(published.error());
  tell(*recovered);
  return 0;
}

}  // namespace sanad::daemon
