#include "control/service/peers.hpp"

#include <algorithm>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/peer_addition.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/peer_import.hpp"
#include "control/service/peer_rules.hpp"

namespace sanad::service {
namespace {

std::vector<InterfaceAddress> client_addresses(const std::vector<IpPrefix>& allowed_ips) {
  std::vector<InterfaceAddress> out;
  for (const auto& prefix : allowed_ips)
    if (prefix.is_host()) out.push_back({prefix.address(), prefix.length()});
  // A site's router routes its networks; its own address is then the first of each.
  if (out.empty())
    for (const auto& prefix : allowed_ips) out.push_back({prefix.address(), prefix.length()});
  return out;
}

Result<std::string> profile_of(Gateway& gateway, const ledger::PeerRecord& peer, const std::optional<wg::PrivateKey>& private_key,
                               bool with_psk) {
  const InterfaceLoop* one = gateway.interface(peer.interface);
  if (one == nullptr) return Error{Errc::not_found, "interface " + peer.interface + " is not configured any more"};
  const auto& client = one->settings().client;
  const InterfaceLoop& first = *gateway.interfaces().front();
  if (one != &first && gateway.registration().signs_profiles())
    return Error{Errc::refused_by_policy,
                 "the registration names the key of " + first.settings().name + ", not of " + peer.interface +
                     ": a profile for it would pass for nobody's, so none is written",
                 "interface",
                 "set its client up by hand: PublicKey = " + one->public_key().to_base64() +
                     ", Endpoint = " + client.endpoint_host + ":" + std::to_string(client.endpoint_port)};
  registration::ProfileInput in;
  in.gateway_name = client.name;
  in.device_name = peer.name();
  in.private_key = private_key;
  in.addresses = client_addresses(peer.allowed_ips);
  in.dns = client.dns;
  in.mtu = client.mtu;
  in.gateway_key = one->public_key();
  if (!peer.preshared_key.is_zero()) {
    if (with_psk)
      in.preshared_key = peer.preshared_key;
    else
      in.preshared_key_withheld = true;
  }
  in.full_tunnel = client.routing == config::Routing::full;
  in.networks = client.routes;
  in.endpoint_host = client.endpoint_host;
  in.endpoint_port = client.endpoint_port;
  in.keepalive_s = peer.keepalive_s;
  in.issued_at = now().wall;
  in.expires_at = peer.expires_at;
  in.sequence = peer.version;
  in.retention_days = static_cast<int>(gateway.config().retention.sessions.count());
  auto text = gateway.registration().write_profile(std::move(in));
  if (!text) return std::move(text).error().within("couldn't write the profile");
  return text;
}

// Whether a profile could be written for a peer of this interface: asked before a key is made that nothing but the profile shows.
Result<void> check_profile(Gateway& gateway, const config::Interface& interface) {
  ledger::PeerRecord trial;
  trial.interface = interface.name;
  trial.allowed_ips = interface.pools;
  if (auto text = profile_of(gateway, trial, std::nullopt, false); !text) {
    Error error = text.error();
    error.message += "; and a key made here is shown in the profile alone";
    error.hint = "let the client make its key and give its public half: sanad peer add ... --public-key KEY";
    return error;
  }
  return {};
}

// A refusal by the registration's standing; recorded.
std::optional<Error> refused_by_standing(Gateway& gateway, const Caller& caller, const char* operation) {
  const auto& standing = gateway.registration().standing();
  if (standing.action == registration::Action::serve) return std::nullopt;
  std::string why =
      standing.findings.empty() ? std::string(registration::to_string(standing.kind)) : standing.findings.front().detail;
  gateway.refusals().record(caller, operation, "",
                            std::string("registration ") + std::string(registration::to_string(standing.kind)));
  return Error{Errc::refused_by_policy,
               "no peer can be added or enabled: the gateway's registration is " +
                   std::string(registration::to_string(standing.kind)) + " (" + why + ")",
               "", "sanad registration show says what is missing; sanad registration install CERT puts it right"};
}

}  // namespace

void Peers::add(Caller caller, NewPeer peer, Done<PeerAdded> done) {
  if (auto refused = refused_by_standing(gateway_, caller, "POST /v1/peers")) return done(*refused);
  std::optional<wg::PrivateKey> private_key;
  if (!peer.public_key) {
    auto made = wg::generate_private_key();
    if (!made) return done(made.error());
    auto derived = wg::derive_public_key(*made);
    if (!derived) return done(derived.error());
    private_key = *made;
    peer.public_key = derived->to_base64();
  }
  const bool want_profile = peer.profile;
  auto context = add_context(gateway_, caller, place_for(gateway_, peer));
  if (!context) return done(context.error());
  if (private_key) {
    if (auto possible = check_profile(gateway_, (*context)->interface); !possible) return done(possible.error());
    auto narrowed = std::make_shared<AddContext>(**context);
    std::erase_if(narrowed->others, [this](const config::Interface& other) { return !check_profile(gateway_, other); });
    context = std::shared_ptr<const AddContext>(std::move(narrowed));
  }
  auto job = prepare_add(*std::move(context), std::move(peer));
  if (!job) return done(job.error());
  gateway_.change<Stored>(std::move(*job), [this, private_key, want_profile, done = std::move(done)](Result<Stored> stored) {
    if (!stored) return done(stored.error());
    PeerAdded out;
    out.evidence = stored->evidence;
    // A replay too: the first answer may have been that of a commit in doubt, after which nothing was done.
    gateway_.put_in_force({stored->peer});
    gateway_.due_changed();
    if (!stored->replayed && want_profile) {
      auto profile = profile_of(gateway_, stored->peer, private_key, true);
      // The peer exists all the same.
      if (profile)
        out.profile = *profile;
      else
        out.profile_problem = profile.error().message + (profile.error().hint.empty() ? "" : "; " + profile.error().hint);
    }
    out.peer = view_of(gateway_, std::move(stored->peer), stored->last_session_at);
    done(std::move(out));
  });
}

void Peers::import(Caller caller, std::vector<ImportLine> lines, bool atomic, Done<ImportReport> done) {
  if (auto refused = refused_by_standing(gateway_, caller, "POST /v1/peers/import")) return done(*refused);
  // The lines are told apart by their keys, so repeating a request that broke off adds only what is missing. A key for the whole
  // would promise one answer for it, which an import cut short in the middle does not have.
  if (caller.idempotency)
    return done(Error{Errc::invalid_argument, "an import takes no Idempotency-Key", "Idempotency-Key",
                      "leave it out and repeat the request: lines that were added answer \"conflict\""});
  import_peers(gateway_, std::move(caller), std::move(lines), atomic, std::move(done));
}

void Peers::list(PeerQuery query, Done<Page<PeerView>> done) {
  struct Found {
    std::vector<std::pair<ledger::PeerRecord, std::optional<WallTime>>> peers;
    std::string next;
  };
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, 1000);
  gateway_.ask<Found>(
      [query, limit](ledger::Transaction& txn) -> Result<Found> {
        const ledger::PeerFilter filter{query.match, query.owner_id, query.interface, query.state, txn.now().wall};
        auto page = txn.peers(filter, query.cursor, limit);
        if (!page) return page.error();
        Found out;
        for (auto& peer : page->peers) {
          auto last = txn.last_session_at(peer.id);
          out.peers.emplace_back(std::move(peer), last);
        }
        out.next = page->next;
        return out;
      },
      [this, done = std::move(done)](Result<Found> found) {
        if (!found) return done(found.error());
        Page<PeerView> page;
        for (auto& [peer, last] : found->peers) page.items.push_back(view_of(gateway_, std::move(peer), last));
        page.next = found->next;
        done(std::move(page));
      });
}

namespace {

Result<Stored> find_stored(ledger::Transaction& txn, const std::string& id) {
  auto peer = txn.find_peer(id);
  if (!peer) return Error{Errc::not_found, "there is no peer " + id.substr(0, 64), "id", "sanad peer list"};
  return Stored{*peer, std::nullopt, txn.last_session_at(peer->id), 0, false};
}

Result<Stored> find_live(ledger::Transaction& txn, const std::string& id) {
  auto stored = find_stored(txn, id);
  if (stored && stored->peer.revoked)
    return Error{Errc::conflict, "the peer was revoked on " + to_rfc3339(*stored->peer.revoked) + " and cannot be changed", "id",
                 "add it again with a new key"};
  return stored;
}

}  // namespace

void Peers::get(std::string id, Done<PeerView> done) {
  gateway_.ask<Stored>([id](ledger::Transaction& txn) { return find_stored(txn, id); },
                       [this, done = std::move(done)](Result<Stored> stored) {
                         if (!stored) return done(stored.error());
                         done(view_of(gateway_, std::move(stored->peer), stored->last_session_at));
                       });
}

void Peers::edit(Caller caller, std::string id, PeerEdit edit, std::optional<std::uint64_t> if_version,
                 Done<Changed<PeerView>> done) {
  const auto interfaces = gateway_.config().interfaces;
  gateway_.change<Stored>(
      [caller, id, edit, if_version, interfaces, own = gateway_.own_keys(),
       reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<Stored> {
        auto found = find_live(txn, id);
        if (!found) return found;
        const ledger::PeerRecord before = found->peer;
        if (if_version && *if_version != before.version)
          return Error{Errc::conflict, "the peer was changed meanwhile (version " + std::to_string(before.version) + ")",
                       "If-Match", "read it again and repeat the change"};
        const auto interface = std::find_if(interfaces.begin(), interfaces.end(),
                                            [&](const config::Interface& i) { return i.name == before.interface; });
        if (interface == interfaces.end())
          return Error{Errc::not_found, "interface " + before.interface + " is not configured any more"};
        auto after = apply_edit(before, edit, {*interface, own, txn.now().wall});
        if (!after) return after.error();
        if (edit.allowed_ips) {
          std::vector<IpPrefix> added;
          for (const auto& prefix : *edit.allowed_ips)
            if (std::find(before.allowed_ips.begin(), before.allowed_ips.end(), prefix) == before.allowed_ips.end())
              added.push_back(prefix);
          if (auto free = check_quarantine(txn, *interface, added); !free) return free.error();
        }
        if (after->owner != before.owner)
          if (auto owner = txn.update_owner(after->owner); !owner) return owner.error();
        auto stored = txn.update_peer(*after);
        if (!stored) return stored.error();
        if (ledger::state_of(*stored, txn.now().wall) == PeerState::active)
          if (auto marked = txn.mark_on_device(id, true); !marked) return marked.error();
        auto index =
            txn.append(peer_changed(reporter, txn.now().wall, caller, audit::EntityVerb::update, "update", &before, *stored));
        if (!index) return index.error();
        return Stored{*stored, before, found->last_session_at, *index, false};
      },
      [this, done = std::move(done)](Result<Stored> stored) {
        if (!stored) return done(stored.error());
        // Another key is another peer to WireGuard: the old one leaves in two phases like any other.
        if (stored->before->public_key != stored->peer.public_key)
          if (auto* one = gateway_.interface(stored->peer.interface); one != nullptr && one->serves(stored->before->public_key))
            one->remove_peer(stored->before->public_key, sessions::CloseReason::revoked, [](const Result<void>&) {});
        gateway_.put_in_force({stored->peer});
        gateway_.due_changed();
        done(Changed<PeerView>{view_of(gateway_, std::move(stored->peer), stored->last_session_at), stored->evidence});
      });
}

namespace {

Result<Stored> set_enabled_in(ledger::Transaction& txn, const std::string& id, bool enabled, const Caller& caller,
                              const audit::Reporter& reporter) {
  auto found = find_live(txn, id);
  if (!found) return found;
  const ledger::PeerRecord before = found->peer;
  ledger::PeerRecord after = before;
  after.enabled = enabled;
  auto stored = txn.update_peer(after);
  if (!stored) return stored.error();
  if (ledger::state_of(*stored, txn.now().wall) == PeerState::active)
    if (auto marked = txn.mark_on_device(id, true); !marked) return marked.error();
  auto index =
      txn.append(peer_changed(reporter, txn.now().wall, caller, enabled ? audit::EntityVerb::enable : audit::EntityVerb::disable,
                              enabled ? "enable" : "disable", &before, *stored));
  if (!index) return index.error();
  return Stored{*stored, before, found->last_session_at, *index, false};
}

Result<Stored> revoke_in(ledger::Transaction& txn, const std::string& id, const Caller& caller, const audit::Reporter& reporter) {
  auto found = find_live(txn, id);
  if (!found) return found;
  auto stored = txn.revoke_peer(id);
  if (!stored) return stored.error();
  auto index =
      txn.append(peer_changed(reporter, txn.now().wall, caller, audit::EntityVerb::remove, "revoke", &found->peer, *stored));
  if (!index) return index.error();
  return Stored{*stored, found->peer, found->last_session_at, *index, false};
}

// What took effect while storage could not write, written as soon as it can. `seen`: the version it was decided on. The attempt
// that was answered "unavailable" may have become durable after all: then there is nothing left to write.
void revoke_later(Gateway& gateway, const std::string& id, const Caller& caller) {
  gateway.withhold(id);
  gateway.recorder().record(
      1,
      [id, caller, reporter = gateway.reporter()](ledger::Transaction& txn) -> Result<void> {
        auto later = revoke_in(txn, id, caller, reporter);
        if (!later && later.error().code != Errc::conflict) return later.error();
        return {};
      },
      [&gateway, id](bool) { gateway.release(id); });
}

void disable_later(Gateway& gateway, const std::string& id, std::uint64_t seen, const Caller& caller) {
  gateway.withhold(id);
  gateway.recorder().record(
      1,
      [id, seen, caller, reporter = gateway.reporter()](ledger::Transaction& txn) -> Result<void> {
        const auto found = find_stored(txn, id);
        if (!found) return found.error();
        const auto& peer = found->peer;
        if (peer.revoked || !peer.enabled) return {};
        if (peer.version == seen) {
          if (auto later = set_enabled_in(txn, id, false, caller, reporter); !later) return later.error();
          return {};
        }
        // Somebody decided anew meanwhile; that stands. That it was off for a while is evidence all the same.
        ledger::PeerRecord off = peer;
        off.enabled = false;
        auto index =
            txn.append(peer_changed(reporter, txn.now().wall, caller, audit::EntityVerb::disable, "disable", &peer, off));
        if (!index) return index.error();
        return {};
      },
      [&gateway, id](bool) {
        gateway.release(id);
        // The ledger's word counts again, also when it is another's than the one that waited.
        gateway.ask<Stored>([id](ledger::Transaction& txn) { return find_live(txn, id); },
                            [&gateway](Result<Stored> now_stored) {
                              if (now_stored) gateway.put_in_force({now_stored->peer});
                            });
      });
}

}  // namespace

void Peers::set_enabled(Caller caller, std::string id, bool enabled, Done<Changed<PeerView>> done) {
  if (enabled)
    if (auto refused = refused_by_standing(gateway_, caller, "POST /v1/peers/{id}/enable")) return done(*refused);
  gateway_.change<Stored>(
      [caller, id, enabled, reporter = gateway_.reporter()](ledger::Transaction& txn) {
        return set_enabled_in(txn, id, enabled, caller, reporter);
      },
      [this, caller, id, enabled, done = std::move(done)](Result<Stored> stored) {
        if (!stored && !enabled && stored.error().code == Errc::unavailable)
          return disable_unrecorded(caller, id, stored.error(), done);
        if (!stored) return done(stored.error());
        gateway_.put_in_force({stored->peer});
        gateway_.due_changed();
        done(Changed<PeerView>{view_of(gateway_, std::move(stored->peer), stored->last_session_at), stored->evidence});
      });
}

// A full disk must not keep connected who was to be cut off.
void Peers::disable_unrecorded(Caller caller, std::string id, Error why, Done<Changed<PeerView>> done) {
  gateway_.ask<Stored>([id](ledger::Transaction& txn) { return find_live(txn, id); },
                       [this, caller, id, why, done = std::move(done)](Result<Stored> found) {
                         if (!found) return done(found.error().code == Errc::unavailable ? why : found.error());
                         const std::uint64_t seen = found->peer.version;
                         found->peer.enabled = false;
                         disable_later(gateway_, id, seen, caller);
                         gateway_.put_in_force({found->peer});
                         done(Changed<PeerView>{view_of(gateway_, std::move(found->peer), found->last_session_at), 0, false});
                       });
}

void Peers::revoke(Caller caller, std::string id, Done<PeerRevoked> done) {
  gateway_.ask<Stored>(
      [id](ledger::Transaction& txn) { return find_live(txn, id); },
      [this, caller = std::move(caller), id, done = std::move(done)](Result<Stored> found) {
        if (!found) return done(found.error());
        struct Both {
          PeerRevoked out;
          int waiting = 2;
          std::optional<Error> error;
        };
        auto both = std::make_shared<Both>();  // shared by the two answers that are waited for
        const auto finish = [both, done] {
          if (--both->waiting != 0) return;
          if (both->error) return done(*both->error);
          done(std::move(both->out));
        };
        // The traffic is cut without waiting for storage: a full disk must not keep a leaver connected. One on its way out
        // already is cut once more: the first time may still be waiting for a backend that is down. A change that was under way
        // before may be answered after the cut: it must not bring the peer back until the revocation stands in the ledger.
        gateway_.withhold(id);
        if (auto* one = gateway_.interface(found->peer.interface); one != nullptr && one->holds(found->peer.public_key)) {
          one->remove_peer(found->peer.public_key, sessions::CloseReason::revoked, [both, finish](const Result<void>& cut) {
            both->out.stopped = cut.has_value();
            if (!cut) both->out.why_not_stopped = cut.error().message;
            finish();
          });
        } else {
          finish();
        }
        gateway_.change<Stored>([id, caller, reporter = gateway_.reporter()](
                                    ledger::Transaction& txn) { return revoke_in(txn, id, caller, reporter); },
                                [this, both, finish, found = *found, caller, id](Result<Stored> stored) {
                                  if (stored) {
                                    both->out.peer = view_of(gateway_, stored->peer, stored->last_session_at);
                                    both->out.evidence = stored->evidence;
                                  } else if (stored.error().code == Errc::unavailable) {
                                    both->out.recorded = false;
                                    both->out.peer = view_of(gateway_, found.peer, found.last_session_at);
                                    both->out.peer.state = PeerState::revoked;
                                    revoke_later(gateway_, id, caller);
                                  } else {
                                    both->error = stored.error();
                                  }
                                  gateway_.release(id);
                                  finish();
                                });
      });
}

void Peers::rotate_psk(Caller caller, std::string id, Done<RotatedPsk> done) {
  auto psk = wg::generate_preshared_key();
  if (!psk) return done(psk.error());
  gateway_.change<Stored>(
      [caller, id, psk = *psk, reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<Stored> {
        auto found = find_live(txn, id);
        if (!found) return found;
        ledger::PeerRecord after = found->peer;
        after.preshared_key = psk;
        auto stored = txn.update_peer(after);
        if (!stored) return stored.error();
        auto index = txn.append(
            peer_changed(reporter, txn.now().wall, caller, audit::EntityVerb::update, "rotate-psk", &found->peer, *stored));
        if (!index) return index.error();
        return Stored{*stored, found->peer, found->last_session_at, *index, false};
      },
      [this, psk = *psk, done = std::move(done)](Result<Stored> stored) {
        if (!stored) return done(stored.error());
        gateway_.put_in_force({stored->peer});
        done(RotatedPsk{view_of(gateway_, stored->peer, stored->last_session_at), stored->evidence, wg::secret_to_base64(psk)});
      });
}

void Peers::profile(std::string id, Done<std::string> done) {
  gateway_.ask<Stored>([id](ledger::Transaction& txn) { return find_live(txn, id); },
                       [this, done = std::move(done)](Result<Stored> stored) {
                         if (!stored) return done(stored.error());
                         done(profile_of(gateway_, stored->peer, std::nullopt, false));
                       });
}

}  // namespace sanad::service
