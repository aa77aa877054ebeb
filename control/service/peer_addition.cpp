#include "control/service/peer_addition.hpp"

#include <utility>

#include "control/ledger/custody.hpp"
#include "control/service/gateway.hpp"
#include "control/service/idempotency.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/peer_rules.hpp"

namespace sanad::service {
namespace {

// Whether enabled or not: an interface never has more peers than could be served together.
Result<void> check_room(ledger::Transaction& txn, const AddContext& context, const std::string& interface) {
  const std::size_t most = context.most_peers.at(interface);
  if (txn.peers_on(interface) < most) return {};
  return Error{Errc::exhausted, interface + " has " + std::to_string(most) + " peers, as many as its device holds", "interface",
               "revoke peers that nobody uses, or add an interface (interfaces: in sanad.yaml)"};
}

Result<std::vector<IpPrefix>> allocate(ledger::Transaction& txn, const AddContext& context, const config::Interface& interface) {
  if (auto room = check_room(txn, context, interface.name); !room) return room.error();
  std::vector<IpAddress> reserved;
  for (const auto& own : interface.addresses) reserved.push_back(own.address);
  std::vector<IpPrefix> out;
  for (const bool v4 : {true, false}) {
    std::optional<Error> last;
    bool given = false;
    for (const auto& pool : interface.pools) {
      if (pool.address().is_v4() != v4 || given) continue;
      auto address = txn.allocate({interface.name, pool, reserved, interface.quarantine});
      if (address) {
        out.push_back(IpPrefix::host(*address));
        given = true;
      } else {
        last = address.error();
      }
    }
    if (!given && last) return *last;
  }
  if (out.empty())
    return Error{Errc::exhausted, "interface " + interface.name + " has no address pool", "allowed_ips",
                 "name allowed IPs, or add interfaces[].pools"};
  return out;
}

// The answer of the same request made before, if it was.
std::optional<Result<Stored>> replay(ledger::Transaction& txn, const Caller& caller) {
  auto earlier = earlier_answer(txn, caller);
  if (!earlier) return std::nullopt;
  if (!*earlier) return Result<Stored>(earlier->error());
  auto peer = txn.find_peer((*earlier)->target);
  if (!peer) return Result<Stored>(Error{Errc::not_found, "the peer that this request made is gone"});
  return Result<Stored>(Stored{*peer, std::nullopt, txn.last_session_at(peer->id), (*earlier)->evidence, true});
}

}  // namespace

Result<void> check_quarantine(ledger::Transaction& txn, const config::Interface& interface,
                              const std::vector<IpPrefix>& allowed_ips) {
  for (std::size_t i = 0; i < allowed_ips.size(); ++i)
    if (txn.in_quarantine(interface.name, allowed_ips[i], interface.quarantine))
      return Error{Errc::conflict,
                   allowed_ips[i].to_string() + " was a deleted peer's until lately and rests for " +
                       std::to_string(interface.quarantine.count()) + " days, so that \"who held it\" has one answer",
                   "allowed_ips[" + std::to_string(i) + "]", "choose another, or shorten interfaces[].quarantine"};
  return {};
}

Result<Stored> AddJob::operator()(ledger::Transaction& txn) const {
  const auto& [caller, interface, others, most_peers, own_keys, reporter] = *context;
  if (auto before = replay(txn, caller)) return *std::move(before);
  ledger::PeerRecord peer = record;
  if (!input.owner_id.empty()) {
    auto owner = txn.find_owner(input.owner_id);
    if (!owner) return Error{Errc::not_found, "there is no owner " + input.owner_id, "owner.id"};
    peer.owner = *owner;
  } else {
    auto owner = txn.find_or_create_owner(input.owner_name, input.owner_email, input.owner_handle);
    if (!owner) return owner.error();
    peer.owner = *owner;
  }
  // What was erased stays erased: whatever came now, no later erasure would find.
  if (ledger::Custody(txn).find_erasure(peer.owner.id))
    return Error{Errc::conflict, "the records of this person were erased", "owner.id", "add them as a new person, by name"};
  if (peer.allowed_ips.empty()) {
    auto given = allocate(txn, *context, interface);
    for (auto next = others.begin();
         input.interface.empty() && !given && given.error().code == Errc::exhausted && next != others.end(); ++next) {
      given = allocate(txn, *context, *next);
      peer.interface = next->name;
      if (!input.keepalive_s) peer.keepalive_s = next->client.keepalive_s;
    }
    if (!given) return given.error();
    peer.allowed_ips = std::move(*given);
  } else if (auto room = check_room(txn, *context, interface.name); !room) {
    return room.error();
  } else if (auto free = check_quarantine(txn, interface, peer.allowed_ips); !free) {
    return free.error();
  }
  peer.on_device = ledger::state_of(peer, txn.now().wall) == ledger::PeerState::active;
  auto stored = txn.insert_peer(std::move(peer));
  if (!stored) return stored.error();
  auto index = txn.append(peer_changed(reporter, txn.now().wall, caller, audit::EntityVerb::create, "create", nullptr, *stored));
  if (!index) return index.error();
  remember_answer(txn, caller, stored->id, *index);
  return Stored{std::move(*stored), std::nullopt, std::nullopt, *index, false};
}

std::string place_for(Gateway& gateway, const NewPeer& input) {
  if (!input.interface.empty() || !input.allowed_ips || input.allowed_ips->empty()) return input.interface;
  for (const auto& one : gateway.interfaces())
    for (const auto& own : one->settings().addresses)
      if (own.network().contains(input.allowed_ips->front().address())) return one->settings().name;
  return {};
}

Result<std::shared_ptr<const AddContext>> add_context(Gateway& gateway, const Caller& caller, const std::string& interface) {
  const InterfaceLoop* one = gateway.interface(interface);
  if (one == nullptr) return Error{Errc::invalid_argument, "there is no interface \"" + interface + "\"", "interface"};
  std::vector<config::Interface> others;
  for (const auto& other : gateway.interfaces())
    if (other.get() != one) others.push_back(other->settings());
  std::map<std::string, std::size_t> most_peers;
  for (const auto& each : gateway.interfaces()) most_peers[each->settings().name] = each->most_peers();
  return std::make_shared<const AddContext>(
      AddContext{caller, one->settings(), std::move(others), std::move(most_peers), gateway.own_keys(), gateway.reporter()});
}

Result<AddJob> prepare_add(std::shared_ptr<const AddContext> context, NewPeer input) {
  auto record = check_new_peer(input, {context->interface, context->own_keys, now().wall});
  if (!record) return record.error();
  if (input.preshared == PresharedChoice::generate) {
    auto psk = wg::generate_preshared_key();
    if (!psk) return psk.error();
    record->preshared_key = *psk;
  }
  return AddJob{std::move(context), std::move(input), std::move(*record)};
}

PeerView view_of(const Gateway& gateway, ledger::PeerRecord peer, std::optional<WallTime> last_session_at) {
  PeerView view{std::move(peer), PeerState::active, std::nullopt, last_session_at};
  view.state = ledger::state_of(view.peer, now().wall);
  if (view.state == PeerState::active && gateway.suspended()) view.state = PeerState::suspended;
  for (const auto& one : gateway.interfaces())
    if (one->settings().name == view.peer.interface) view.connected = one->live(view.peer.public_key);
  return view;
}

}  // namespace sanad::service
