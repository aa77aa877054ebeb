#include "control/service/observation_record.hpp"

#include <charconv>

#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::service {
namespace {

// Writes one session event after another; holds what they have in common.
class SessionWriter {
 public:
  SessionWriter(ledger::Transaction& txn, const RecordContext& context, std::string interface, bool kernel, Instant at,
                std::string identity)
      : txn_(txn),
        context_(context),
        interface_(std::move(interface)),
        kernel_(kernel),
        at_(at),
        identity_(std::move(identity)) {}

  Result<void> operator()(const sessions::Opened& e) {
    const auto peer = txn_.find_peer_by_key(e.peer);
    if (!peer) return stranger(e.peer, "session.opened", {});
    auto index = txn_.append(audit::session_opened(context_.reporter, session_context(*peer, e.incarnation), e));
    if (!index) return index.error();
    ledger::SessionRecord row{.id = e.session,
                              .peer_id = peer->id,
                              .owner_id = peer->owner.id,
                              .interface = interface_,
                              .inner = peer->allowed_ips,
                              .started = e.start,
                              .started_bounds = e.bounds,
                              .opened_evidence = *index,
                              .base = e.base,
                              .incarnation = e.incarnation,
                              .boot_id = context_.boot_id,
                              .device_identity = identity_};
    row.figures.as_of = at_.wall;
    if (e.endpoint) row.endpoints.push_back({*e.endpoint, e.start, *index});
    return txn_.open_session(row);
  }

  Result<void> operator()(const sessions::Roamed& e) {
    const auto peer = txn_.find_peer_by_key(e.peer);
    if (!peer) return {};
    auto index = txn_.append(audit::session_roamed(context_.reporter, session_context(*peer, 0), e));
    if (!index) return index.error();
    if (!e.to) return {};
    auto moved = txn_.move_session(e.session, {*e.to, e.bounds.not_after, *index});
    // No row: its opening was lost while storage could not write.
    if (!moved && moved.error().code != Errc::not_found) return moved;
    return {};
  }

  Result<void> operator()(const sessions::Closed& e) {
    const auto session = txn_.find_session(e.session);
    // By the session, not the key: the key may be another peer's by now.
    const auto peer = session ? txn_.find_peer(session->peer_id) : std::nullopt;
    if (!peer) return stranger(e.peer, "session.closed", e.traffic);
    auto index =
        txn_.append(audit::session_closed(context_.reporter, session_context(*peer, session->incarnation), e, session->started));
    if (!index) return index.error();
    const ledger::SessionEnd end{e.end, e.bounds, e.reason, e.end_inferred, *index};
    const ledger::SessionFigures figures{e.traffic, e.uncertain,     e.handshakes,
                                         e.moves,   e.figures_as_of, e.figures_from_checkpoint};
    return txn_.close_session(e.session, end, figures);
  }

  Result<void> operator()(const sessions::Attempted& e) {
    const auto peer = txn_.find_peer_by_key(e.peer);
    if (!peer) return {};
    return drop_index(txn_.append(audit::session_attempted(context_.reporter, session_context(*peer, 0), e)));
  }

  Result<void> operator()(const sessions::Gap& e) {
    return drop_index(txn_.append(audit::gap(context_.reporter, at_.wall, interface_, e)));
  }

 private:
  static Result<void> drop_index(const Result<std::uint64_t>& index) {
    if (!index) return index.error();
    return {};
  }

  [[nodiscard]] audit::SessionContext session_context(const ledger::PeerRecord& peer, std::uint32_t incarnation) const {
    return {.interface = interface_,
            .backend = kernel_ ? "kernel" : "userspace",
            .peer_id = peer.id,
            .owner_id = peer.owner.id,
            .peer_name = peer.name(),
            .owner_name = peer.owner.name,
            .inner = peer.allowed_ips,
            .poll_interval = context_.poll_interval,
            .incarnation = incarnation};
  }

  // A peer that nobody of us added was connected before the next reconcile took it off. It has no row and no owner; that it
  // was there is evidence all the same.
  Result<void> stranger(const wg::PublicKey& key, const char* what, sessions::Traffic traffic) {
    boost::json::object details{{"what", what},
                                {"interface", interface_},
                                {"key_digest", hex_encode(sha256(key.bytes()))},
                                {"rx_bytes", std::to_string(traffic.rx)},
                                {"tx_bytes", std::to_string(traffic.tx)}};
    return drop_index(txn_.append(audit::own_event(context_.reporter, at_.wall, "unknown_peer", std::move(details))));
  }

  ledger::Transaction& txn_;
  const RecordContext& context_;
  std::string interface_;
  bool kernel_;
  Instant at_;
  std::string identity_;
};

Result<void> write_events(ledger::Transaction& txn, SessionWriter& writer, const std::vector<sessions::Event>& events,
                          const std::string& interface, const std::vector<sessions::Baseline>& baselines) {
  for (const auto& event : events)
    if (auto written = std::visit(writer, event); !written) return written;
  for (const auto& row : baselines) txn.put_baseline(interface, row);
  return {};
}

Result<void> write_drift(ledger::Transaction& txn, const Observation& o, const RecordContext& context) {
  for (const auto& d : o.drift) {
    audit::DriftFound found{
        .interface = o.interface, .kind = std::string(reconcile::to_string(d.kind)), .was = d.was, .should_be = d.should_be};
    if (!d.peer.is_zero()) {
      if (const auto peer = txn.find_peer_by_key(d.peer)) found.peer_id = peer->id;
      found.key_digest = sha256(d.peer.bytes());
    }
    if (auto index = txn.append(audit::drift(context.reporter, o.at.wall, found)); !index) return index.error();
  }
  for (const auto& text : o.link_drift) {
    const audit::DriftFound found{.interface = o.interface, .kind = "link", .was = text};
    if (auto index = txn.append(audit::drift(context.reporter, o.at.wall, found)); !index) return index.error();
  }
  return {};
}

}  // namespace

std::string write_instant(Instant t) { return std::to_string(t.boot.ns) + " " + std::to_string(t.wall.ns); }

std::optional<Instant> read_instant(const std::string& text) {
  Instant out;
  const char* const end = text.data() + text.size();
  const auto boot = std::from_chars(text.data(), end, out.boot.ns);
  if (boot.ec != std::errc{} || boot.ptr == end || *boot.ptr != ' ') return std::nullopt;
  const auto wall = std::from_chars(boot.ptr + 1, end, out.wall.ns);
  if (wall.ec != std::errc{} || wall.ptr != end) return std::nullopt;
  return out;
}

Result<void> record_observation(ledger::Transaction& txn, const Observation& o, const RecordContext& context) {
  SessionWriter writer(txn, context, o.interface, o.kernel, o.at, o.identity);
  // First: a peer forgotten since the last checkpoint may be back, and then its row is among those written.
  for (const auto& key : o.forgotten) txn.delete_baseline(o.interface, key);
  if (auto written = write_events(txn, writer, o.events, o.interface, o.baselines); !written) return written;
  if (auto written = write_drift(txn, o, context); !written) return written;
  for (const auto& key : o.gone) {
    const auto peer = txn.find_peer_by_key(key);
    // Enabled again while the snapshot was under way: the device has it, or will.
    if (!peer || ledger::state_of(*peer, txn.now().wall) == ledger::PeerState::active) continue;
    if (auto marked = txn.mark_on_device(peer->id, false); !marked) return marked;
  }
  if (o.checkpoint) {
    for (const auto& row : o.baselines) {
      if (!row.open) continue;
      const ledger::SessionFigures figures{.traffic = {row.counters.rx - row.open->base.rx, row.counters.tx - row.open->base.tx},
                                           .handshakes = row.open->handshakes,
                                           .moves = row.open->moves,
                                           .as_of = row.sampled.wall};
      // A stranger's session has a baseline but no row.
      if (auto kept = txn.checkpoint_session(row.open->session, figures); !kept && kept.error().code != Errc::not_found)
        return kept;
    }
    txn.set_meta(ledger::kMetaBootId, context.boot_id);
    if (!o.identity.empty()) txn.set_meta(ledger::kMetaDeviceIdentityPrefix + o.interface, o.identity);
    if (o.watched) txn.set_meta(ledger::kMetaLastSnapshotPrefix + o.interface, write_instant(*o.watched));
  }
  return {};
}

Result<void> record_backend(ledger::Transaction& txn, const BackendEvent& event, const RecordContext& context) {
  const std::string_view backend = event.kernel ? "kernel" : "userspace";
  const Instant at = txn.now();
  SessionWriter writer(txn, context, event.interface, event.kernel, at, {});
  for (const auto& key : event.forgotten) txn.delete_baseline(event.interface, key);
  if (auto written = write_events(txn, writer, event.events, event.interface, event.baselines); !written) return written;
  Result<std::uint64_t> index = [&]() -> Result<std::uint64_t> {
    switch (event.what) {
      case BackendChange::lost:
        return txn.append(audit::backend_died(context.reporter, at.wall, event.interface, backend, event.detail));
      case BackendChange::restored:
        return txn.append(audit::backend_restored(context.reporter, at.wall, event.interface, backend));
      case BackendChange::started:
      case BackendChange::adopted:
      case BackendChange::unavailable:
        break;
    }
    boost::json::object details{{"interface", event.interface}, {"backend", backend}};
    if (!event.detail.empty()) details["why"] = event.detail;
    const std::string_view name = event.what == BackendChange::started   ? "backend_started"
                                  : event.what == BackendChange::adopted ? "backend_adopted"
                                                                         : "backend_unavailable";
    return txn.append(audit::own_event(context.reporter, at.wall, name, std::move(details)));
  }();
  if (!index) return index.error();
  return {};
}

}  // namespace sanad::service
