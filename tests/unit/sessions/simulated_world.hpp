#pragma once
// A WireGuard gateway and its clients as they really behave, packet by packet, with their own truth: which handshakes belong
// to which session, and what every byte was for. It shares no rule with the tracker but the definition of a session (handshakes
// of one peer object less than 180 s apart, not cut by an announced loss of the keys).

#include <cstdint>
#include <random>
#include <vector>

#include "gateway/wg/types.hpp"

namespace sanad::sessions::simulation {

using Nanos = std::int64_t;
inline constexpr Nanos kSecond = 1'000'000'000;
inline constexpr Nanos kKeyLife = 180 * kSecond;
inline constexpr std::int64_t kNoSession = -1;

struct TruthSession {
  std::uint32_t peer = 0;
  Nanos first_handshake = 0;
  Nanos last_handshake = 0;
  Nanos last_packet = 0;  // from the peer
  std::uint64_t rx = 0;
  std::uint64_t tx = 0;
  bool ended = false;  // its keys were lost: the object died, or the link went down and the daemon was told
  bool object_died = false;
  bool mixed = false;  // a poll cannot tell all its bytes from others'
  // The judge's notes.
  bool read = false;    // a durable observation had one of its handshakes
  bool missed = false;  // the peer fell out of an incomplete snapshot meanwhile
  std::uint32_t recorded = 0;
  std::uint64_t recorded_rx = 0;
  std::uint64_t recorded_tx = 0;
};

// The peer object in the backend.
struct Object {
  std::uint64_t id = 0;  // another object, another id; 0 = removed
  wg::HandshakeTime handshake;
  Nanos handshake_at = 0;
  std::int64_t session = kNoSession;  // of that handshake
  std::uint64_t rx = 0;
  std::uint64_t tx = 0;
  std::uint32_t address = 0;  // 0 = no endpoint yet
};

class World {
 public:
  World(std::uint64_t seed, std::uint32_t peers);

  // Time is counted from the beginning of the world; the gateway's two clocks are derived from it.
  [[nodiscard]] Nanos time() const { return time_; }
  [[nodiscard]] Instant clocks(Nanos t) const { return {BootTime{t - boot_began_}, WallTime{t + wall_ahead_}}; }
  void advance(Nanos to);

  // Things that happen to the gateway.
  void step_clock(Nanos by) { wall_ahead_ += by; }
  void lose_keys(bool announced);  // link down and up
  void recreate_device();          // every object anew
  void reboot();                   // likewise, and the boot clock begins again
  void remove(std::uint32_t peer);
  void add(std::uint32_t peer);
  void quiesce(std::uint32_t peer);
  void stop_connecting() { quiet_ = true; }
  // Sessions alive since then may have bytes that no poll can tell apart.
  void mix_recent(Nanos since);

  [[nodiscard]] const std::vector<Object>& objects() const { return objects_; }
  [[nodiscard]] std::vector<TruthSession>& sessions() { return sessions_; }
  [[nodiscard]] std::uint32_t device() const { return device_; }
  [[nodiscard]] bool quiesced(std::uint32_t peer) const { return clients_[peer].quiesced; }
  // Initiations that came to nothing.
  [[nodiscard]] std::uint64_t attempts(std::uint32_t peer) const { return clients_[peer].attempts; }

 private:
  enum class Phase : std::uint8_t { off, failing, calling, handshaking, up };
  struct Client {
    Nanos next = 0;
    Nanos leaves = 0;
    Nanos data_every = 0;
    std::uint32_t tries = 0;
    std::uint32_t address = 1;
    Phase phase = Phase::off;
    bool keys = false;    // the client's idea of them and the gateway's agree
    bool silent = false;  // only the gateway sends
    bool stray = false;   // bytes outside sessions since the last session
    bool quiesced = false;
    std::uint64_t attempts = 0;
    std::int64_t last_session = kNoSession;
    std::int64_t session_before = kNoSession;
    std::uint64_t flight_rx = 0;  // an initiation under way, on this object
    std::uint64_t flight_tx = 0;
    std::uint64_t flight_object = 0;
  };

  void act(std::uint32_t peer);
  void act_off(std::uint32_t peer);
  void act_up(std::uint32_t peer);
  void initiate(std::uint32_t peer);
  void complete(std::uint32_t peer);
  void leave(std::uint32_t peer);
  void stray(std::uint32_t peer, std::uint64_t rx, std::uint64_t tx);
  void packet(std::uint32_t peer, std::uint64_t rx, std::uint64_t tx);
  void end_session(std::uint32_t peer, bool object_died);
  void lose_flight(std::uint32_t peer);
  Nanos between(Nanos low, Nanos high);
  bool chance(double p);

  std::mt19937_64 random_;
  Nanos time_ = 0;
  Nanos boot_began_ = -100 * kSecond;
  Nanos wall_ahead_ = 1'800'000'000 * kSecond;
  std::uint32_t device_ = 1;
  std::uint64_t next_object_ = 1;
  bool quiet_ = false;
  std::vector<Client> clients_;
  std::vector<Object> objects_;
  std::vector<TruthSession> sessions_;
};

}  // namespace sanad::sessions::simulation
