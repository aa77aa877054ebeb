// How InterfaceLoop changes its device: what a plan asks for, long additions in pieces, removals in two phases.

#include <algorithm>
#include <boost/asio/post.hpp>
#include <set>
#include <utility>

#include "control/service/interface_loop.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

// A million peers take a kernel minutes.
constexpr std::chrono::seconds kLoadingToldEvery{10};

}  // namespace

// What may be done before the observation is durable: everything but the removal of leaving peers, whose final figures
// would be gone with them. What the device refuses must not keep the rest from it: a port that another socket has, or one peer
// too many, is no reason to go on serving those who were cut off. So each kind goes by itself, those who lose first.
void InterfaceLoop::carry_out(reconcile::Plan& plan) {
  const std::set<wg::PublicKey> departing(plan.remove.begin(), plan.remove.end());
  const std::set<wg::PublicKey> quiescing(plan.quiesce.begin(), plan.quiesce.end());
  wg::DeviceChange losing, own, port, others;
  own.private_key = plan.change.private_key;
  own.fwmark = plan.change.fwmark;
  port.listen_port = plan.change.listen_port;
  for (auto& peer : plan.change.peers) {
    if (peer.remove && departing.contains(peer.public_key)) continue;
    auto& part = peer.remove || quiescing.contains(peer.public_key) ? losing : others;
    part.peers.push_back(std::move(peer));
  }
  plan.change = {};
  not_taken_.clear();
  apply_part(std::move(losing), [this, quiesce = plan.quiesce](BootTime at) {
    for (const auto& key : quiesce)
      if (const auto it = desired_.leaving.find(key); it != desired_.leaving.end()) {
        it->second.quiesced = at;
        tracker_.expect_removal(key, leaving_reason_[key], at);
      }
  });
  const bool both = !own.empty() && !port.empty();
  apply_part(std::move(own), [this, both](BootTime) { device_expected_ = device_expected_ && both; });
  apply_part(std::move(port), [this](BootTime) { device_expected_ = false; });
  apply_part(std::move(others), [](BootTime) {});
}

void InterfaceLoop::apply_part(wg::DeviceChange part, std::function<void(BootTime)> then) {
  if (part.empty()) return;
  std::vector<wg::PublicKey> touched;
  for (const auto& peer : part.peers) touched.push_back(peer.public_key);
  if (touched.empty()) touched.emplace_back();  // the device itself
  apply(std::move(part), [this, touched = std::move(touched), then = std::move(then)](const Result<BootTime>& done) {
    if (!done) {
      not_taken_.insert(touched.begin(), touched.end());
      return;
    }
    for (const auto& key : touched)
      if (const auto it = expected_.find(key); it != expected_.end()) it->second = *done;
    then(*done);
  });
}

// A device that lacks more than a plan adds gets the rest in pieces, two of them under way so that the device never waits for the
// next; other changes get in between. It is looked at again when it has all.
void InterfaceLoop::load_more() {
  while (loads_ < 2) {
    auto addition = reconcile::add_more(desired_, expected_for(reading_));
    if (addition.change.empty()) break;
    if (!addition.drift.empty() && !load_refused_) {  // else recorded by the attempt that was refused
      status_.drift_total += addition.drift.size();
      Observation missing{.interface = settings_.name, .at = now(), .kernel = kernel_, .identity = identity_};
      missing.drift = std::move(addition.drift);
      send(std::move(missing), [] {});
    }
    ++loads_;
    loaded_ += addition.change.peers.size();
    apply(std::move(addition.change), [this](const Result<BootTime>& done) { on_loaded(done); });
  }
  if (loads_ > 0) {
    if (now().boot - loading_told_ < kLoadingToldEvery) return;
    loading_told_ = now().boot;
    return log::info("{}: {} of {} peers given to the device", settings_.name, loaded_, desired_.peers.size());
  }
  load_refused_ = false;
  const std::chrono::duration<double> took = now().boot - loading_since_;
  log::info("{}: {} missing peers put on the device in {:.1f} s", settings_.name, loaded_, took.count());
  poll_again_ = false;
  poll();
}

void InterfaceLoop::on_loaded(const Result<BootTime>& done) {
  if (loads_ == 0 || life_ != Life::running) return;  // of a device that is lost meanwhile
  --loads_;
  if (done) return load_more();
  load_refused_ = true;
  if (loads_ == 0) schedule_poll(now().boot);
}

// Those whose removal nobody waits for yet.
InterfaceLoop::Departing InterfaceLoop::departing(const reconcile::Plan& plan) {
  Departing out;
  for (const auto& key : plan.remove) {
    const auto it = desired_.leaving.find(key);
    if (it == desired_.leaving.end() || !it->second.quiesced) continue;
    const auto [waiting, fresh] = removing_.try_emplace(key, *it->second.quiesced);
    if (!fresh && waiting->second == *it->second.quiesced) continue;
    waiting->second = *it->second.quiesced;
    out.emplace_back(key, *it->second.quiesced);
  }
  return out;
}

void InterfaceLoop::remove_departed(const Departing& peers) {
  wg::DeviceChange change;
  for (const auto& [key, quiesced] : peers) {
    if (const auto it = removing_.find(key); it != removing_.end() && it->second == quiesced) removing_.erase(it);
    // Not enabled again meanwhile, nor enabled and cut off again: what it moved in between is not in those figures.
    const auto it = desired_.leaving.find(key);
    if (it != desired_.leaving.end() && it->second.quiesced == quiesced)
      change.peers.push_back(wg::PeerChange{.public_key = key, .remove = true});
  }
  if (change.empty() || life_ != Life::running) return;
  apply(std::move(change), [](const Result<BootTime>&) {});  // what is left of them is in the next reading
}

void InterfaceLoop::apply(wg::DeviceChange change, std::function<void(Result<BootTime>)> done) {
  device_.post([this, &loop = loop_, device = ports_.device, generation = generation_, change = std::move(change),
                done = std::move(done)] {
    auto applied = device->apply(change);
    boost::asio::post(loop, [this, generation, applied = std::move(applied), done] {
      if (generation == generation_) {
        note_refusal(applied);
        done(applied);
      } else {
        done(Error{Errc::unavailable, "the backend of " + settings_.name + " ended meanwhile"});
      }
    });
  });
}

// The same reason comes with each poll until it is gone: told once. Gone it is when what a whole reading asked for was taken:
// that another change was says nothing about this one.
void InterfaceLoop::note_refusal(const Result<BootTime>& applied) {
  if (applied) return;
  refused_again_ = true;
  const Error& error = applied.error();
  std::string why = error.hint.empty() ? error.message : error.message + ". " + error.hint;
  if (why != refused_) log::warn("{}: {}", settings_.name, why);
  refused_ = std::move(why);
}

// What the device refuses to have put right is found by every poll; it is recorded by the first.
void InterfaceLoop::drop_told(std::vector<reconcile::Drift>& drift) {
  std::set<std::pair<reconcile::DriftKind, wg::PublicKey>> found;
  for (const auto& one : drift) found.emplace(one.kind, one.peer);
  std::erase_if(drift, [this](const auto& one) { return not_taken_.contains(one.peer) && told_.contains({one.kind, one.peer}); });
  told_ = std::move(found);
}

reconcile::Expected InterfaceLoop::expected_for(const wg::Snapshot& snapshot) {
  reconcile::Expected out;
  out.device = device_expected_;
  for (auto it = expected_.begin(); it != expected_.end();) {
    if (it->second && *it->second < snapshot.started.boot) {
      it = expected_.erase(it);
    } else {
      out.peers.push_back(it->first);
      ++it;
    }
  }
  return out;
}

// What a complete snapshot shows to be right needs no excuse any more: the next difference is somebody else's.
void InterfaceLoop::settle_expected(const wg::Snapshot& snapshot, const reconcile::Plan& plan) {
  if (!snapshot.complete) return;
  if (!plan.change.private_key && !plan.change.listen_port && !plan.change.fwmark) device_expected_ = false;
  if (expected_.empty() && (!desired_.peers.any_fresh() || plan.more)) return;
  std::unordered_set<wg::PublicKey> changing;
  for (const auto& peer : plan.change.peers) changing.insert(peer.public_key);
  std::erase_if(expected_, [&changing](const auto& entry) { return !changing.contains(entry.first); });
  if (!plan.more) desired_.peers.settle([&changing](const wg::PublicKey& key) { return changing.contains(key); });
}

void InterfaceLoop::remove_peer(const wg::PublicKey& peer, sessions::CloseReason reason, std::function<void(Result<void>)> cut) {
  const bool routes_changed = put_leaving(peer, reason);
  expected_.erase(peer);
  if (life_ != Life::running)
    return cut(Error{Errc::unavailable, "the backend of " + settings_.name + " is down; the peer is not served when it returns"});
  auto random = wg::generate_preshared_key();
  if (!random) return cut(random.error());
  wg::DeviceChange change;
  change.peers.push_back(reconcile::quiesce(peer, *random));
  apply(std::move(change), [this, peer, cut = std::move(cut)](const Result<BootTime>& done) {
    if (!done) return cut(done.error());
    if (const auto it = desired_.leaving.find(peer); it != desired_.leaving.end()) {
      it->second.quiesced = *done;
      tracker_.expect_removal(peer, leaving_reason_[peer], *done);
    }
    cut({});
  });
  if (routes_changed) push_wanted();  // behind the cut, which must not wait for a poll
}

void InterfaceLoop::remove_all(sessions::CloseReason reason) {
  std::vector<wg::PublicKey> keys;
  for (reconcile::DesiredPeers::Slot slot = 0; slot < desired_.peers.size(); ++slot) keys.push_back(desired_.peers.key(slot));
  for (const auto& key : keys) put_leaving(key, reason);
  if (life_ == Life::running) push_wanted();  // the plan of its poll quiesces them all
}

}  // namespace sanad::service
