#pragma once
// The peers that a device shall have, kept small: there may be 2^20, all of them for as long as the daemon runs.

#include <optional>
#include <unordered_map>
#include <utility>

#include "gateway/wg/key_table.hpp"
#include "gateway/wg/types.hpp"

namespace sanad::reconcile {

struct DesiredPeer {
  wg::PublicKey public_key;
  wg::PresharedKey preshared_key;  // all zero = none
  std::uint16_t keepalive_s = 0;
  wg::AllowedIps allowed_ips;
};

// In the order they were put, as long as none is taken out. Pure, one thread.
class DesiredPeers {
  struct Packed;

 public:
  using Slot = wg::KeyTable<Packed>::Slot;  // see KeyTable
  static constexpr Slot kNone = 0xFFFFFFFF;

  [[nodiscard]] std::size_t size() const { return table_.size(); }
  [[nodiscard]] bool empty() const { return table_.empty(); }
  [[nodiscard]] bool contains(const wg::PublicKey& key) const { return table_.contains(key); }
  [[nodiscard]] std::optional<DesiredPeer> get(const wg::PublicKey& key) const;

  // Adds the peer, or replaces what was wanted of it. `fresh`: the device cannot have it yet, by our own doing.
  void put(const DesiredPeer& peer, bool fresh = false);
  bool erase(const wg::PublicKey& key);

  [[nodiscard]] Slot find(const wg::PublicKey& key, Slot guess = kNone) const { return table_.find(key, guess); }
  [[nodiscard]] const wg::PublicKey& key(Slot slot) const { return table_.key(slot); }
  [[nodiscard]] DesiredPeer get(Slot slot) const;
  [[nodiscard]] wg::AllowedIps allowed_ips(Slot slot) const;
  [[nodiscard]] const wg::PresharedKey& preshared_key(Slot slot) const { return table_.at(slot).preshared_key; }
  [[nodiscard]] std::uint16_t keepalive_s(Slot slot) const { return table_.at(slot).keepalive_s; }

  // What the device is known to have: marked by whoever reads it.
  bool mark(Slot slot) { return table_.mark(slot); }
  [[nodiscard]] bool marked(Slot slot) const { return table_.marked(slot); }
  [[nodiscard]] bool all_marked() const { return table_.marked_count() == table_.size(); }
  void clear_marks() { table_.clear_marks(); }

  [[nodiscard]] bool fresh(Slot slot) const { return table_.at(slot).fresh; }
  [[nodiscard]] bool any_fresh() const { return any_fresh_; }
  // All of them: the device was made anew.
  void freshen();
  // `still(key)` says which of the fresh are fresh still.
  template <class Still>
  void settle(const Still& still) {
    bool any = false;
    for (Slot slot = 0; slot < table_.size(); ++slot) {
      Packed& peer = table_.at(slot);
      peer.fresh = peer.fresh && still(table_.key(slot));
      any = any || peer.fresh;
    }
    any_fresh_ = any;
  }

  // What all this takes, in bytes.
  [[nodiscard]] std::size_t memory() const { return table_.memory(); }

 private:
  // 58 bytes, 90 with its key. One address of each family, which is what a peer has; other lists lie in lists_.
  struct Packed {
    wg::PresharedKey preshared_key;
    std::array<std::uint8_t, 4> v4{};
    std::array<std::uint8_t, 16> v6{};
    std::uint8_t v4_length = 0;
    std::uint8_t v6_length = 0;
    std::uint16_t keepalive_s = 0;
    bool has_v4 : 1 = false;
    bool has_v6 : 1 = false;
    bool has_list : 1 = false;
    bool fresh : 1 = false;
  };

  wg::KeyTable<Packed> table_;
  std::unordered_map<wg::PublicKey, wg::AllowedIps> lists_;
  bool any_fresh_ = false;
};

}  // namespace sanad::reconcile
