#include "control/service/queries.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

constexpr std::int64_t kDay_ns = std::int64_t{86400} * 1'000'000'000;

// Midnight of this day in the gateway's time zone is what "today" means to the person who asks; the zone is the process's.
WallTime start_of_day(WallTime t) {
  const time_t seconds = t.ns / 1'000'000'000;
  tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return WallTime{t.ns / kDay_ns * kDay_ns};
  parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
  parts.tm_isdst = -1;
  return WallTime{std::int64_t{mktime(&parts)} * 1'000'000'000};
}

Result<SessionView> with_peer(ledger::Transaction& txn, ledger::SessionRecord session) {
  auto peer = txn.find_peer(session.peer_id);
  if (!peer) return Error{Errc::corrupt, "a session names the unknown peer " + session.peer_id};
  return SessionView{std::move(session), std::move(*peer)};
}

// The checkpoint is renamed into place when it is signed.
std::optional<WallTime> modified_at(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  return WallTime{std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

// The rows of open sessions are as old as the last checkpoint; the tracker knows better.
void refresh(const Gateway& gateway, SessionView& view) {
  if (view.session.end) return;
  for (const auto& one : gateway.interfaces()) {
    if (one->settings().name != view.session.interface) continue;
    const auto live = one->live(view.peer.public_key);
    if (!live || live->session != view.session.id) continue;
    view.session.figures.traffic = live->traffic;
    if (const auto at = one->status().last_snapshot) view.session.figures.as_of = *at;
  }
}

}  // namespace

void Queries::sessions(SessionQuery query, Done<Page<SessionView>> done) {
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, 1000);
  gateway_.ask<Page<SessionView>>(
      [query, limit](ledger::Transaction& txn) -> Result<Page<SessionView>> {
        const ledger::SessionFilter filter{query.peer_id, query.owner_id, query.active, query.from,
                                           query.to,      query.inner,    query.outer,  query.at};
        auto found = txn.sessions(filter, query.cursor, limit);
        if (!found) return found.error();
        Page<SessionView> page;
        page.next = found->next;
        for (auto& session : found->sessions) {
          auto view = with_peer(txn, std::move(session));
          if (!view) return view.error();
          page.items.push_back(std::move(*view));
        }
        return page;
      },
      [this, done = std::move(done)](Result<Page<SessionView>> page) {
        if (page)
          for (auto& view : page->items) refresh(gateway_, view);
        done(std::move(page));
      });
}

void Queries::session(std::string id_hex, Done<SessionView> done) {
  const auto bytes = hex_decode(id_hex);
  sessions::SessionId id{};
  if (!bytes || bytes->size() != id.size())
    return done(Error{Errc::invalid_argument, "not a session id (32 hex digits expected)", "id"});
  std::copy(bytes->begin(), bytes->end(), id.begin());
  gateway_.ask<SessionView>(
      [id](ledger::Transaction& txn) -> Result<SessionView> {
        auto session = txn.find_session(id);
        if (!session) return Error{Errc::not_found, "there is no such session", "id", "sanad session list"};
        return with_peer(txn, std::move(*session));
      },
      [this, done = std::move(done)](Result<SessionView> view) {
        if (view) refresh(gateway_, *view);
        done(std::move(view));
      });
}

void Queries::leaves(std::uint64_t from, std::size_t limit, Done<std::vector<LeafView>> done) {
  gateway_.ask<std::vector<LeafView>>(
      [from, limit = std::clamp<std::size_t>(limit, 1, 1000),
       log = log_directory(gateway_.config().gateway.state_dir)](ledger::Transaction& txn) -> Result<std::vector<LeafView>> {
        std::vector<LeafView> out;
        auto leaves = read_leaves(txn, log, from, limit);
        if (!leaves) return std::move(leaves).error().within("couldn't read the log");
        for (auto& leaf : *leaves) {
          LeafView view{leaf.index, std::move(leaf.bytes), {}};
          for (auto& d : leaf.disclosures)
            view.disclosures.push_back({std::move(d.name), std::move(d.value_json), std::move(d.salt)});
          out.push_back(std::move(view));
        }
        return out;
      },
      std::move(done));
}

void Queries::status(Done<Status> done) {
  struct Counts {
    ledger::PeerCounts peers;
    ledger::SessionCounts sessions;
    std::uint64_t signed_records = 0;
  };
  gateway_.ask<Counts>(
      [](ledger::Transaction& txn) -> Result<Counts> {
        return Counts{txn.peer_counts(txn.now().wall), txn.session_counts(start_of_day(txn.now().wall)), txn.signed_log().size};
      },
      [this, done = std::move(done)](Result<Counts> counts) {
        Status out;
        const Instant t = now();
        out.gateway_id = gateway_.config().gateway.id;
        out.started = gateway_.started().wall;
        out.uptime = std::chrono::duration_cast<std::chrono::seconds>(t.boot - gateway_.started().boot);
        for (const auto& one : gateway_.interfaces()) out.interfaces.push_back(one->status());
        out.session_events = gateway_.session_events();
        out.registration = gateway_.registration().status();
        if (counts) {
          out.peers_total = counts->peers.total;
          out.signed_records = counts->signed_records;
          out.peers_enabled = counts->peers.enabled;
          out.peers_expiring = counts->peers.expiring;
          out.sessions_open = counts->sessions.open;
          out.sessions_today = counts->sessions.since;
        }
        const auto ledger = gateway_.ledger().state();
        out.records = ledger.leaves;
        out.writable = ledger.writable;
        out.storage_problem = ledger.problem;
        out.events_held = gateway_.recorder().held();
        out.clock = read_clock_sync();
        out.checkpoint_at = modified_at(gateway_.config().gateway.state_dir / "log" / "checkpoint");
        if (gateway_.witness_status) out.witnesses = gateway_.witness_status();
        if (gateway_.log_state) {
          LogState log = gateway_.log_state();
          out.log_epoch = log.epoch;
          out.log_problem = std::move(log.problem);
        }
        struct statvfs fs {};
        if (::statvfs(gateway_.config().gateway.state_dir.c_str(), &fs) == 0)
          out.disk_free_bytes = std::uint64_t{fs.f_bavail} * fs.f_frsize;
        done(std::move(out));
      });
}

void Queries::registration(Done<RegistrationStatus> done) { done(gateway_.registration().status()); }

std::uint64_t Queries::subscribe(std::function<void()> wake) { return gateway_.subscribe(std::move(wake)); }
void Queries::unsubscribe(std::uint64_t id) { gateway_.unsubscribe(id); }

void Queries::record_read(Caller caller, std::string verb, std::string target, Done<std::uint64_t> done) {
  audit::ApiCall call{.verb = audit::ApiVerb::read, .operation = std::move(verb), .target = std::move(target), .allowed = true};
  auto event = ledger::prepare(audit::api_activity(gateway_.reporter(), now().wall, audit_actor(caller), call));
  if (!event) return done(std::move(event).error());
  gateway_.change<std::uint64_t>([event = *std::move(event)](ledger::Transaction& txn) { return txn.append(event); },
                                 std::move(done));
}

void Queries::record_refusal(Caller caller, std::string verb, std::string target, std::string why) {
  gateway_.refusals().record(caller, std::move(verb), std::move(target), std::move(why));
}

}  // namespace sanad::service
