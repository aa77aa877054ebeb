#include "control/service/backend.hpp"

#include <algorithm>
#include <utility>

#include "gateway/link/peer_threads.hpp"
#include "gateway/wg/kernel/client.hpp"
#include "gateway/wg/userspace/client.hpp"

namespace sanad::service {

Result<BackendStarted> Backend::start() {
  client_.reset();
  process_.reset();
  auto present = link_.read(settings_.name);
  if (!present) return present.error();
  const bool is_kernel = *present && (*present)->kind == "wireguard";
  const bool is_tun = *present && (*present)->kind == "tun";
  if (*present && !is_kernel && !is_tun)
    return Error{Errc::conflict,
                 "the name " + settings_.name + " is taken by an interface of another kind (\"" + (*present)->kind + "\")", "",
                 "rename it, or choose another interfaces[].name"};
  // What is there decides: an interface that carries tunnels is adopted, never replaced by one of the other kind.
  bool kernel = is_kernel;
  if (!*present) {
    auto available = wg::kernel::kernel_wireguard_available();
    if (!available) return available.error();
    if (settings_.backend == config::Backend::kernel && !*available)
      return Error{Errc::unsupported, "this kernel has no WireGuard", "",
                   "modprobe wireguard, or set interfaces[].backend to userspace"};
    kernel = settings_.backend != config::Backend::userspace && *available;
  }
  if (kernel && settings_.backend == config::Backend::userspace)
    return Error{Errc::conflict, settings_.name + " is a kernel interface and the configuration asks for userspace", "",
                 "ip link delete " + settings_.name + ", or set interfaces[].backend to kernel"};
  if (is_tun && settings_.backend == config::Backend::kernel)
    return Error{Errc::conflict, settings_.name + " is run by wireguard-go and the configuration asks for the kernel", "",
                 "end that wireguard-go, or set interfaces[].backend to userspace"};
  auto started = kernel ? start_kernel() : start_userspace();
  if (!started) return std::move(started).error().within("couldn't bring up " + settings_.name);
  started->adopted = started->adopted && present->has_value();
  if (auto ready = repair(); !ready) return std::move(ready).error();
  return started;
}

Result<BackendStarted> Backend::start_kernel() {
  BackendStarted out;
  out.kernel = true;
  out.most_peers = wg::kernel::KernelClient::kMostPeers;
  auto created = link_.create_wireguard(settings_.name);
  out.adopted = !created && created.error().code == Errc::conflict;
  if (!created && !out.adopted) return created.error();
  auto client = wg::kernel::KernelClient::open(settings_.name);
  if (!client) return client.error();
  client_ = std::move(*client);
  return out;
}

Result<BackendStarted> Backend::start_userspace() {
  BackendStarted out;
  out.most_peers = wg::UserspaceClient::kMostPeers;
  auto process = wg::adopt_backend(settings_.name);
  out.adopted = process.has_value();
  if (!process) process = wg::start_backend(settings_.name);
  if (!process) return process.error();
  process_ = *process;
  auto death = wg::open_pidfd(*process);
  if (!death) return death.error();
  out.death = std::move(*death);
  client_ = std::make_unique<wg::UserspaceClient>(settings_.name);
  return out;
}

Result<void> Backend::read(const wg::DeviceClient::TakePart& take) {
  if (!client_) return Error{Errc::unavailable, settings_.name + " is not up"};
  return client_->read(take);
}

Result<BootTime> Backend::apply(const wg::DeviceChange& change) {
  if (!client_) return Error{Errc::unavailable, settings_.name + " is not up"};
  const bool threads = !process_ && !change.peers.empty() && link::has_peer_threads(settings_.name);
  auto applied = threads ? apply_without_threads(change) : client_->apply(change);
  if (!applied) return std::move(applied).error();
  return now().boot;
}

// They can be switched off once a peer is there: so one goes ahead of the others.
Result<void> Backend::apply_without_threads(const wg::DeviceChange& change) {
  const auto adds = [](const wg::PeerChange& peer) { return !peer.remove && !peer.update_only; };
  const auto first = std::find_if(change.peers.begin(), change.peers.end(), adds);
  if (first == change.peers.end()) return client_->apply(change);
  const auto split = std::next(first);
  wg::DeviceChange ahead = change;
  ahead.peers.assign(change.peers.begin(), split);
  if (auto applied = client_->apply(ahead); !applied) return applied;
  if (auto stopped = link::stop_peer_threads(settings_.name); !stopped && stopped.error().code != Errc::unavailable)
    return stopped;
  wg::DeviceChange others;
  others.peers.assign(split, change.peers.end());
  return others.empty() ? Result<void>{} : client_->apply(others);
}

void Backend::want(config::Interface settings, std::vector<IpPrefix> routes) {
  settings_ = std::move(settings);
  routes_ = std::move(routes);
}

Result<LinkRepair> Backend::repair() {
  LinkRepair out;
  auto state = link_.read(settings_.name);
  if (!state) return state.error();
  if (!*state) return Error{Errc::not_found, "interface " + settings_.name + " is gone"};
  const auto& link = **state;
  for (const auto& wanted : settings_.addresses)
    if (std::find(link.addresses.begin(), link.addresses.end(), wanted) == link.addresses.end())
      out.drift.push_back("address " + wanted.to_string() + " was missing");
  if (auto set = link_.set_addresses(settings_.name, settings_.addresses); !set) return set.error();
  if (link.mtu != settings_.mtu) {
    out.drift.push_back("MTU was " + std::to_string(link.mtu));
    if (auto set = link_.set_mtu(settings_.name, settings_.mtu); !set) return set.error();
  }
  if (!link.up) {
    out.drift.emplace_back("the link was down");
    if (auto set = link_.set_up(settings_.name, true); !set) return set.error();
  }
  // Without a peer there is nothing to stop, and the first to come is seen to by apply().
  if (!process_ && link::has_peer_threads(settings_.name)) {
    auto stopped = link::stop_peer_threads(settings_.name);
    if (!stopped && stopped.error().code != Errc::unavailable) out.problem = stopped.error().message;
  }
  // One destination that is routed elsewhere must not cost everybody the tunnel.
  if (auto set = link_.sync_routes(settings_.name, routes_); !set) out.problem = set.error().message;
  return out;
}

Result<LinkNow> Backend::look() {
  auto state = link_.read(settings_.name);
  if (!state) return state.error();
  if (!*state) return LinkNow{};
  return LinkNow{true, (*state)->up};
}

Result<void> Backend::destroy() {
  client_.reset();
  if (process_) return wg::stop_backend(*std::exchange(process_, std::nullopt));
  return link_.remove(settings_.name);
}

BackendPorts make_backend(config::Interface settings) {
  auto backend = std::make_shared<Backend>(std::move(settings));
  return {backend, backend};
}

}  // namespace sanad::service
