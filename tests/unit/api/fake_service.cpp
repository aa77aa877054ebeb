#include "fake_service.hpp"

#include <algorithm>

namespace sanad::service {

PeerView make_peer(int number) {
  PeerView view;
  view.peer.id = "p-" + std::to_string(number);
  view.peer.interface = "wg0";
  view.peer.owner = {"o-1", "ayesha-khan", "Ayesha Khan", "ayesha@example.com"};
  view.peer.device = "d" + std::to_string(number);
  view.peer.note = "a note";
  view.peer.version = 3;
  sessions::Tracker::Live live;
  live.endpoint = Endpoint::parse("198.51.100.7:51820").value();
  view.connected = live;
  return view;
}

namespace {

Result<PeerView> find(Gateway& gateway, const std::string& id) {
  for (const PeerView& view : gateway.peers) {
    if (view.peer.id == id) return view;
  }
  return Error{Errc::not_found, "there is no peer " + id};
}

void change(Gateway& gateway, Caller caller, const std::string& what, const std::string& id,
            const Done<Changed<PeerView>>& done) {
  auto view = find(gateway, id);
  if (!view) return done(view.error());
  gateway.changes.push_back(what + " " + id);
  gateway.callers.push_back(std::move(caller));
  Changed<PeerView> changed{std::move(*view), 18};
  done(std::move(changed));
}

}  // namespace

void Peers::add(Caller caller, NewPeer peer, Done<PeerAdded> done) {
  gateway_.callers.push_back(std::move(caller));
  gateway_.added.push_back(std::move(peer));
  PeerAdded added{make_peer(1), 18, "[Interface]\n", ""};
  done(std::move(added));
}

void Peers::import(Caller caller, std::vector<ImportLine> lines, bool, Done<ImportReport> done) {
  gateway_.callers.push_back(std::move(caller));
  ImportReport report;
  for (ImportLine& line : lines) {
    if (line.peer) {
      PeerAdded added{make_peer(static_cast<int>(line.line)), line.line, "", ""};
      report.lines.push_back({line.line, std::move(added)});
      ++report.added;
    } else {
      report.lines.push_back({line.line, line.peer.error()});
      ++report.failed;
    }
  }
  report.database = std::chrono::microseconds{1500};
  done(std::move(report));
}

void Peers::list(PeerQuery query, Done<Page<PeerView>> done) {
  const std::size_t from = query.cursor.empty() ? 0 : std::stoul(query.cursor);
  if (from > 0 && gateway_.fail_second_page) return done(Error{Errc::io, "the disk is gone"});
  Page<PeerView> page;
  const std::size_t end = std::min(gateway_.peers.size(), from + query.limit);
  for (std::size_t i = from; i < end; ++i) page.items.push_back(gateway_.peers[i]);
  if (end < gateway_.peers.size()) page.next = std::to_string(end);
  done(std::move(page));
}

void Peers::get(std::string id, Done<PeerView> done) { done(find(gateway_, id)); }

void Peers::edit(Caller caller, std::string id, PeerEdit, std::optional<std::uint64_t> if_version, Done<Changed<PeerView>> done) {
  const auto view = find(gateway_, id);
  if (view && if_version && *if_version != view->peer.version)
    return done(Error{Errc::conflict, "the peer has changed since", "If-Match"});
  change(gateway_, std::move(caller), "edit", id, done);
}

void Peers::set_enabled(Caller caller, std::string id, bool enabled, Done<Changed<PeerView>> done) {
  change(gateway_, std::move(caller), enabled ? "enable" : "disable", id, done);
}

void Peers::revoke(Caller caller, std::string id, Done<PeerRevoked> done) {
  change(gateway_, std::move(caller), "revoke", id, [done](Result<Changed<PeerView>> changed) {
    if (!changed) return done(changed.error());
    PeerRevoked revoked;
    revoked.peer = std::move(changed->value);
    revoked.evidence = changed->evidence;
    done(std::move(revoked));
  });
}

void Peers::rotate_psk(Caller caller, std::string id, Done<RotatedPsk> done) {
  change(gateway_, std::move(caller), "rotate-psk", id, [done](Result<Changed<PeerView>> changed) {
    if (!changed) return done(changed.error());
    RotatedPsk rotated{std::move(changed->value), changed->evidence, "c2VjcmV0"};
    done(std::move(rotated));
  });
}

void Peers::profile(std::string id, Done<std::string> done) {
  const auto view = find(gateway_, id);
  if (!view) return done(view.error());
  done(std::string("[Interface]\n"));
}

void Queries::sessions(SessionQuery, Done<Page<SessionView>> done) {
  SessionView view;
  view.peer = make_peer(1).peer;
  view.session.peer_id = "p-1";
  view.session.inner = {IpPrefix::parse("10.66.0.2/32").value(), IpPrefix::parse("10.70.0.0/24").value()};
  view.session.endpoints = {{Endpoint::parse("198.51.100.7:51820").value(), WallTime{}, 211}};
  Page<SessionView> page;
  page.items.push_back(std::move(view));
  done(std::move(page));
}

void Queries::session(std::string id, Done<SessionView> done) { done(Error{Errc::not_found, "there is no session " + id}); }

void Queries::leaves(std::uint64_t from, std::size_t limit, Done<std::vector<LeafView>> done) {
  std::vector<LeafView> out;
  for (std::uint64_t i = from; i < gateway_.leaves.size() && out.size() < limit; ++i) out.push_back(gateway_.leaves[i]);
  done(std::move(out));
}

void Queries::status(Done<Status> done) {
  Status status;
  status.gateway_id = "example-khi-1";
  status.records = gateway_.leaves.size();
  status.interfaces.emplace_back().name = "wg0";
  auto& witness = status.witnesses.emplace_back();
  witness.name = "audit";
  witness.records = 7;
  witness.cosigned_at = WallTime::from_ms(1'795'510'800'000);
  witness.lag_records = 3;
  witness.lag = std::chrono::milliseconds(1500);
  done(std::move(status));
}

void Queries::registration(Done<RegistrationStatus> done) { done(RegistrationStatus{}); }

std::uint64_t Queries::subscribe(std::function<void()> wake) {
  gateway_.followers.emplace(gateway_.next_follower, std::move(wake));
  return gateway_.next_follower++;
}

void Queries::unsubscribe(std::uint64_t id) { gateway_.followers.erase(id); }

void Queries::record_read(Caller caller, std::string verb, std::string target, Done<std::uint64_t> done) {
  if (!gateway_.writable) return done(Error{Errc::unavailable, "the disk is full"});
  gateway_.reads.push_back({caller.actor.uid, std::move(verb), std::move(target)});
  done(std::uint64_t{1});
}

void Queries::record_refusal(Caller caller, std::string verb, std::string target, std::string) {
  gateway_.refusals.push_back({caller.actor.uid, std::move(verb), std::move(target)});
}

void Registrations::install(Caller, InstallRegistration, Done<Changed<RegistrationStatus>> done) {
  Changed<RegistrationStatus> changed;
  changed.evidence = 20;
  done(std::move(changed));
}

void Registrations::grace(Caller, WallTime, std::string, Done<Changed<RegistrationStatus>> done) {
  Changed<RegistrationStatus> changed;
  changed.evidence = 21;
  done(std::move(changed));
}

void Custody::add_hold(Caller caller, NewHold hold, Done<Changed<ledger::Hold>> done) {
  gateway_.callers.push_back(std::move(caller));
  Changed<ledger::Hold> placed;
  placed.value.id = "h-1";
  placed.value.owner_id = hold.person;
  placed.value.address = hold.address;
  placed.value.reason = hold.reason;
  placed.value.approver = hold.approver;
  placed.evidence = 30;
  done(std::move(placed));
}

void Custody::holds(Done<std::vector<ledger::Hold>> done) { done(std::vector<ledger::Hold>{}); }

void Custody::release_hold(Caller, std::string id, Done<NowOrWaiting<Released>> done) {
  done(NowOrWaiting<Released>(Released{std::move(id), 31}));
}

void Custody::erase(Caller, std::string person, std::string, Done<NowOrWaiting<Erased>> done) {
  if (person == "o-held") return done(Error{Errc::refused_by_policy, "a legal hold keeps this person's records: h-1", "person"});
  if (person == "o-two") return done(NowOrWaiting<Erased>(Waiting{"c-1", kActErasure, WallTime{}, 32}));
  done(NowOrWaiting<Erased>(Erased{std::move(person), WallTime{}, 33, 7, 2, true, {}}));
}

void Custody::confirmations(Done<std::vector<ledger::Confirmation>> done) {
  done(std::vector<ledger::Confirmation>{{"c-1", kActErasure, R"({"person":"o-two"})", 4104, WallTime{}, WallTime{}}});
}

void Custody::confirm(Caller, std::string id, Done<Confirmed> done) {
  if (id != "c-1") return done(Error{Errc::not_found, "nothing with this id waits for a confirmation", "id"});
  done(Confirmed{kActErasure, 34, Erased{"o-two", WallTime{}, 34, 7, 2, false, "it is still under way"}});
}

void Registrations::record_request(Caller, RecordRequest input, Done<Changed<Sha256>> done) {
  Changed<Sha256> changed;
  changed.value[0] = static_cast<std::uint8_t>(input.documents.size());
  changed.evidence = 23;
  done(std::move(changed));
}

void Registrations::next_key(Caller, std::string interface, Done<Changed<RotationStatus>> done) {
  if (interface != "wg0") return done(Error{Errc::not_found, "no interface " + interface + " is configured"});
  Changed<RotationStatus> changed;
  changed.evidence = 24;
  done(std::move(changed));
}

void Registrations::rotate_key(Caller, std::string, InstallRegistration, Done<Changed<RotationStatus>> done) {
  Changed<RotationStatus> changed;
  changed.evidence = 25;
  done(std::move(changed));
}

void Registrations::rotation(std::string, Done<RotationStatus> done) { done(RotationStatus{}); }

void Operations::reload(Caller, Done<Reloaded> done) {
  done(Error{Errc::invalid_argument, "sanad.yaml:1:1: a: wrong\nsanad.yaml:2:1: b: wrong"});
}

void Operations::rotate_log_key(Caller, Done<RotatedLogKey> done) { done(RotatedLogKey{2, "sanad/gw+00000000+AA==", 42, 41}); }

void Operations::shutdown(Caller, Done<std::uint64_t> done) { done(std::uint64_t{22}); }

}  // namespace sanad::service
