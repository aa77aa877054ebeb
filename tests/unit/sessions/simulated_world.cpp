#include "simulated_world.hpp"

#include <algorithm>
#include <utility>

namespace sanad::sessions::simulation {
namespace {

constexpr std::uint64_t kInitiation = 148;
constexpr std::uint64_t kResponse = 92;
constexpr std::uint64_t kEmptyPacket = 32;

}  // namespace

World::World(std::uint64_t seed, std::uint32_t peers) : random_(seed), clients_(peers), objects_(peers) {
  for (std::uint32_t peer = 0; peer < peers; ++peer) {
    add(peer);
    clients_[peer].next = between(0, 600 * kSecond);
    clients_[peer].address = peer + 1;
  }
}

Nanos World::between(Nanos low, Nanos high) { return std::uniform_int_distribution<Nanos>{low, high}(random_); }
bool World::chance(double p) { return std::bernoulli_distribution{p}(random_); }

void World::advance(Nanos to) {
  for (std::uint32_t peer = 0; peer < clients_.size(); ++peer) {
    while (clients_[peer].next <= to) {
      time_ = clients_[peer].next;
      act(peer);
    }
  }
  time_ = to;
}

void World::act(std::uint32_t peer) {
  Client& c = clients_[peer];
  switch (c.phase) {
    case Phase::off:
      act_off(peer);
      return;
    case Phase::failing:  // a wrong pre-shared key: the gateway answers, and nothing follows
      stray(peer, kInitiation, kResponse);
      ++c.attempts;
      c.next = time_ + between(5 * kSecond, 5 * kSecond + kSecond / 3);
      if (--c.tries == 0) leave(peer);
      return;
    case Phase::calling:
      if (objects_[peer].address != 0) stray(peer, 0, kInitiation);
      c.next = time_ + between(5 * kSecond, 5 * kSecond + kSecond / 3);
      if (--c.tries == 0) leave(peer);
      return;
    case Phase::handshaking:
      complete(peer);
      return;
    case Phase::up:
      act_up(peer);
      return;
  }
}

void World::act_off(std::uint32_t peer) {
  Client& c = clients_[peer];
  if (quiet_) {
    c.next = time_ + 100'000 * kSecond;
    return;
  }
  if (chance(0.06)) {
    c.phase = Phase::failing;
    c.tries = static_cast<std::uint32_t>(between(1, 18));
    return;
  }
  if (chance(0.03)) {
    c.phase = Phase::calling;
    c.tries = static_cast<std::uint32_t>(between(1, 18));
    return;
  }
  if (chance(0.3)) c.address = static_cast<std::uint32_t>(between(1, 1'000'000));
  c.silent = chance(0.15);
  c.data_every = chance(0.2) ? 25 * kSecond : between(kSecond, 20 * kSecond);
  const double kind = std::uniform_real_distribution<>{}(random_);
  const Nanos stay = kind < 0.3    ? between(0, 10 * kSecond)
                     : kind < 0.85 ? between(10 * kSecond, 150 * kSecond)
                                   : between(150 * kSecond, 1'200 * kSecond);
  c.leaves = time_ + stay;
  initiate(peer);
}

void World::initiate(std::uint32_t peer) {
  Client& c = clients_[peer];
  Object& o = objects_[peer];
  if (o.id == 0) {
    c.next = time_ + 5 * kSecond;
    if (c.phase == Phase::off || c.phase == Phase::handshaking) c.phase = Phase::up;
    c.keys = false;
    return;
  }
  if (c.quiesced) {
    stray(peer, kInitiation, kResponse);
    ++c.attempts;
    c.next = time_ + 5 * kSecond;
    c.phase = Phase::up;
    c.keys = false;
    return;
  }
  // Its initiation may arrive before anyone can know that the last session is over.
  if (o.session != kNoSession && time_ - o.handshake_at >= kKeyLife && time_ - o.handshake_at < kKeyLife + 100 * kSecond) {
    sessions_[static_cast<std::size_t>(o.session)].mixed = true;
  }
  c.phase = Phase::handshaking;
  c.flight_object = o.id;
  c.flight_rx = kInitiation;
  c.flight_tx = kResponse;
  o.rx += c.flight_rx;
  o.tx += c.flight_tx;
  o.address = c.address;
  c.next = time_ + between(1'000'000, kSecond / 2);
}

// An initiation that reached the gateway and came to nothing.
void World::lose_flight(std::uint32_t peer) {
  Client& c = clients_[peer];
  if (c.phase != Phase::handshaking) return;
  c.phase = Phase::up;
  if (c.flight_object == objects_[peer].id) {
    ++c.attempts;
    c.stray = true;
  }
}

void World::complete(std::uint32_t peer) {
  Client& c = clients_[peer];
  Object& o = objects_[peer];
  c.phase = Phase::up;
  c.keys = true;
  std::int64_t& session = o.session;
  const bool continues =
      session != kNoSession && !sessions_[static_cast<std::size_t>(session)].ended && time_ - o.handshake_at < kKeyLife;
  if (!continues) {
    TruthSession fresh;
    fresh.peer = peer;
    fresh.first_handshake = time_;
    fresh.mixed = c.stray;
    if (session != kNoSession && time_ - o.handshake_at < kKeyLife + 100 * kSecond) {
      fresh.mixed = true;
      sessions_[static_cast<std::size_t>(session)].mixed = true;
    }
    c.stray = false;
    session = static_cast<std::int64_t>(sessions_.size());
    sessions_.push_back(fresh);
    c.session_before = std::exchange(c.last_session, session);
  }
  TruthSession& truth = sessions_[static_cast<std::size_t>(session)];
  truth.last_handshake = time_;
  truth.rx += c.flight_rx;
  truth.tx += c.flight_tx;
  if (c.stray) truth.mixed = true;
  const Nanos stamp = clocks(time_).wall.ns;
  o.handshake = {stamp / kSecond, stamp % kSecond};
  o.handshake_at = time_;
  packet(peer, kEmptyPacket + 16 * static_cast<std::uint64_t>(between(0, 90)), 0);
  c.next = time_ + between(1'000'000, c.data_every);
}

void World::packet(std::uint32_t peer, std::uint64_t rx, std::uint64_t tx) {
  Object& o = objects_[peer];
  TruthSession& truth = sessions_[static_cast<std::size_t>(o.session)];
  o.rx += rx;
  o.tx += tx;
  truth.rx += rx;
  truth.tx += tx;
  if (rx == 0) return;  // what the gateway sends is no sign of the peer's life
  truth.last_packet = time_;
  o.address = clients_[peer].address;
}

void World::stray(std::uint32_t peer, std::uint64_t rx, std::uint64_t tx) {
  Object& o = objects_[peer];
  if (o.id == 0) return;
  o.rx += rx;
  o.tx += tx;
  if (rx != 0) o.address = clients_[peer].address;
  clients_[peer].stray = true;
  // Until the tracker can know that the session is over, strays look like a part of it.
  if (o.session != kNoSession && time_ - o.handshake_at < kKeyLife + 200 * kSecond) {
    sessions_[static_cast<std::size_t>(o.session)].mixed = true;
  }
}

void World::act_up(std::uint32_t peer) {
  Client& c = clients_[peer];
  Object& o = objects_[peer];
  if (time_ >= c.leaves) {
    leave(peer);
    return;
  }
  if (!c.keys || o.id == 0 || c.quiesced) {
    initiate(peer);
    return;
  }
  const Nanos age = time_ - o.handshake_at;
  const Nanos due = c.silent ? 165 * kSecond : 120 * kSecond;
  if (age >= due) {
    // A bad line: initiations vanish on the way, retried every 5 s, for 90 s at most.
    if (chance(0.3)) {
      c.next = time_ + between(5 * kSecond, 5 * kSecond + kSecond / 3);
      return;
    }
    initiate(peer);
    return;
  }
  if (chance(0.02)) c.address = static_cast<std::uint32_t>(between(1, 1'000'000));
  const auto size = [this] { return kEmptyPacket + 16 * static_cast<std::uint64_t>(between(0, 4000)); };
  if (c.silent) {
    packet(peer, chance(0.3) ? kEmptyPacket : 0, size());  // answered by a keepalive once in 10 s
  } else {
    packet(peer, size(), chance(0.7) ? size() : 0);
  }
  const Nanos rekey_at = o.handshake_at + due;
  c.next = std::min(time_ + between(1'000'000, 2 * c.data_every), std::max(rekey_at, time_ + 1));
  // A client that is started anew shakes hands at once.
  if (chance(0.005)) initiate(peer);
}

void World::leave(std::uint32_t peer) {
  Client& c = clients_[peer];
  c.phase = Phase::off;
  c.keys = false;
  c.next = time_ + (chance(0.3) ? between(kSecond, 190 * kSecond) : between(170 * kSecond, 700 * kSecond));
}

void World::end_session(std::uint32_t peer, bool object_died) {
  Object& o = objects_[peer];
  Client& c = clients_[peer];
  c.keys = false;
  if (c.phase == Phase::handshaking) lose_flight(peer);
  // Unanswered for KEEPALIVE_TIMEOUT + REKEY_TIMEOUT (15 s), a client with something to send begins anew.
  if (c.phase == Phase::up) c.next = time_ + between(15 * kSecond, 30 * kSecond);
  if (o.session == kNoSession) return;
  TruthSession& truth = sessions_[static_cast<std::size_t>(o.session)];
  truth.ended = true;
  truth.object_died = truth.object_died || object_died;
  if (time_ - truth.last_handshake < kKeyLife + 200 * kSecond) truth.mixed = true;
}

void World::lose_keys(bool announced) {
  for (std::uint32_t peer = 0; peer < clients_.size(); ++peer) {
    if (announced) {
      end_session(peer, false);
      clients_[peer].stray = true;
      clients_[peer].next = std::max(clients_[peer].next, time_ + kSecond);  // the link is down that long at least
      continue;
    }
    Client& c = clients_[peer];
    c.keys = false;
    if (c.phase == Phase::handshaking) {
      lose_flight(peer);
      const Object& o = objects_[peer];
      if (o.session != kNoSession) sessions_[static_cast<std::size_t>(o.session)].mixed = true;
    }
    if (c.phase == Phase::up) c.next = time_ + between(15 * kSecond, 30 * kSecond);
  }
}

void World::recreate_device() {
  ++device_;
  for (std::uint32_t peer = 0; peer < clients_.size(); ++peer) {
    if (objects_[peer].id == 0) continue;
    remove(peer);
    add(peer);
  }
}

void World::reboot() {
  recreate_device();
  boot_began_ = time_ - 20 * kSecond;
}

void World::remove(std::uint32_t peer) {
  end_session(peer, true);
  objects_[peer] = Object{};
  clients_[peer].quiesced = false;
  clients_[peer].stray = true;
}

void World::add(std::uint32_t peer) { objects_[peer].id = next_object_++; }

void World::quiesce(std::uint32_t peer) {
  end_session(peer, false);
  clients_[peer].quiesced = true;
}

void World::mix_recent(Nanos since) {
  for (Client& c : clients_) {
    c.stray = true;
    for (const std::int64_t session : {c.session_before, c.last_session}) {
      if (session == kNoSession) continue;
      TruthSession& truth = sessions_[static_cast<std::size_t>(session)];
      if (truth.last_handshake > since - kKeyLife - 200 * kSecond) truth.mixed = true;
    }
  }
}

}  // namespace sanad::sessions::simulation
