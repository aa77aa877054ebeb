#include "tests/fakes/fake_interface.hpp"

#include <algorithm>

namespace sanad::fakes {

void FakeInterface::handshake(const wg::PublicKey& peer, std::uint64_t rx, std::uint64_t tx) {
  const std::lock_guard lock(mutex_);
  auto& p = state_.peers.at(peer);
  const auto wall = now().wall.ns;
  p.last_handshake = {wall / 1'000'000'000, wall % 1'000'000'000};
  p.endpoint = Endpoint{IpAddress::parse("192.0.2.7").value(), 4711};
  p.rx_bytes += rx;
  p.tx_bytes += tx;
}

void FakeInterface::traffic(const wg::PublicKey& peer, std::uint64_t rx, std::uint64_t tx) {
  const std::lock_guard lock(mutex_);
  auto& p = state_.peers.at(peer);
  p.rx_bytes += rx;
  p.tx_bytes += tx;
}

void FakeInterface::reborn() {
  const std::lock_guard lock(mutex_);
  ++state_.life;
  state_.peers.clear();
  state_.public_key = {};
  state_.listen_port = 0;
}

Result<service::BackendStarted> FakeInterface::start() {
  const std::lock_guard lock(mutex_);
  ++state_.starts;
  state_.calls.emplace_back("start");
  if (state_.start_error) return *state_.start_error;
  state_.exists = state_.up = true;
  service::BackendStarted out;
  out.adopted = state_.adopted;
  out.most_peers = state_.most_peers;
  return out;
}

Result<void> FakeInterface::read(const wg::DeviceClient::TakePart& take) {
  auto whole = snapshot();
  if (!whole) return whole.error();
  const auto [size, between] = with([](State& s) {
    return std::pair{s.part == 0 ? s.peers.size() + 1 : s.part, s.between_parts};
  });
  std::vector<wg::Peer> peers = std::exchange(whole->device.peers, {});
  for (std::size_t at = 0;; at += size) {
    wg::Snapshot part = *whole;
    const auto begin = peers.begin() + static_cast<std::ptrdiff_t>(at);
    part.device.peers.assign(begin, begin + static_cast<std::ptrdiff_t>(std::min(size, peers.size() - at)));
    part.first = at == 0;
    part.last = at + size >= peers.size();
    if (auto taken = take(part); !taken || part.last) return taken;
    if (between) between();
    if (auto error = with([](State& s) { return s.read_error; })) return *error;
  }
}

Result<wg::Snapshot> FakeInterface::snapshot() {
  const std::lock_guard lock(mutex_);
  ++state_.snapshots;
  if (state_.snapshot_error) return *state_.snapshot_error;
  wg::Snapshot out;
  out.started = now();
  out.identity = "fake:" + std::to_string(state_.life);
  out.device.name = "wg0";
  out.device.public_key = state_.public_key;
  out.device.listen_port = state_.listen_port;
  for (const auto& [key, peer] : state_.peers) out.device.peers.push_back(peer);
  out.complete = state_.complete;
  out.finished = now();
  return out;
}

Result<BootTime> FakeInterface::apply(const wg::DeviceChange& change) {
  const std::lock_guard lock(mutex_);
  if (state_.apply_error) return *state_.apply_error;
  if (change.listen_port && state_.port_error) return *state_.port_error;
  if (change.private_key) state_.public_key = wg::derive_public_key(*change.private_key).value();
  if (change.listen_port) state_.listen_port = *change.listen_port;
  for (const auto& c : change.peers) {
    const std::string name = c.public_key.to_base64().substr(0, 4);
    if (c.remove) {
      state_.calls.push_back("remove " + name);
      state_.peers.erase(c.public_key);
      continue;
    }
    if (c.update_only && !state_.peers.contains(c.public_key)) continue;
    if (!state_.peers.contains(c.public_key) && state_.peers.size() == state_.most_peers)
      return Error{Errc::exhausted, "the fake device is full", "", "take peers off it"};
    state_.calls.push_back((c.replace_allowed_ips && c.add_allowed_ips.empty() ? "quiesce " : "set ") + name);
    auto& p = state_.peers[c.public_key];
    p.public_key = c.public_key;
    p.has_counters = true;
    if (c.preshared_key) p.preshared_key = *c.preshared_key;
    if (c.keepalive_s) p.keepalive_s = *c.keepalive_s;
    if (c.replace_allowed_ips) p.allowed_ips.clear();
    for (const auto& ip : c.add_allowed_ips) {
      for (auto& [key, other] : state_.peers) {  // as WireGuard does: it moves
        std::vector<IpPrefix> left = other.allowed_ips.to_vector();
        std::erase(left, ip);
        other.allowed_ips = left;
      }
      p.allowed_ips.push_back(ip);
    }
  }
  return now().boot;
}

Result<void> FakeInterface::destroy() {
  const std::lock_guard lock(mutex_);
  state_.exists = false;
  return {};
}

void FakeInterface::want(config::Interface, std::vector<IpPrefix> routes) {
  const std::lock_guard lock(mutex_);
  state_.routes = std::move(routes);
}

Result<service::LinkNow> FakeInterface::look() {
  const std::lock_guard lock(mutex_);
  return service::LinkNow{state_.exists, state_.up};
}

Result<service::LinkRepair> FakeInterface::repair() {
  const std::lock_guard lock(mutex_);
  if (!state_.exists) return Error{Errc::not_found, "interface wg0 is gone"};
  service::LinkRepair out;
  if (!std::exchange(state_.up, true)) out.drift.emplace_back("the link was down");
  return out;
}

}  // namespace sanad::fakes
