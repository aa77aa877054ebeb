#pragma once
// A record for each public key, for tables of 2^20 keys that are gone through at every poll. What the standard map lacks: records
// lie in blocks one behind the other, in the order they came, with no allocation each and no list that doubles; whoever goes
// through keys in that order (a kernel dumps a device so) finds each beside the one before, without hashing. Pure, one thread.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "gateway/wg/key.hpp"

namespace sanad::wg {

template <class Record>
class KeyTable {
 public:
  // Where a record lies: below size(); changes for one record when another is erased.
  using Slot = std::uint32_t;
  static constexpr Slot kNone = 0xFFFFFFFF;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const PublicKey& key(Slot slot) const { return entry(slot).key; }
  [[nodiscard]] Record& at(Slot slot) { return entry(slot).record; }
  [[nodiscard]] const Record& at(Slot slot) const { return entry(slot).record; }

  // kNone when the key has no record. `guess`: looked at first; any number will do.
  [[nodiscard]] Slot find(const PublicKey& key, Slot guess = kNone) const {
    if (guess < size_ && entry(guess).key == key) return guess;
    if (size_ == 0) return kNone;
    return places_[place_of(key)];
  }
  [[nodiscard]] bool contains(const PublicKey& key) const { return find(key) != kNone; }

  // The key's record, made when there is none; whether it was made.
  std::pair<Slot, bool> insert(const PublicKey& key) {
    if ((size_ + std::size_t{1}) * 4 > places_.size() * 3) grow();
    const std::size_t place = place_of(key);
    if (places_[place] != kNone) return {places_[place], false};
    if (size_ % kBlock == 0 && size_ / kBlock == blocks_.size()) blocks_.push_back(std::make_unique<Block>());
    const Slot slot = size_++;
    if (slot % 64 == 0 && slot / 64 == marks_.size()) marks_.push_back(0);
    entry(slot) = Entry{key, Record{}};
    set_mark(slot, false);
    places_[place] = slot;
    return {slot, true};
  }

  // The last record takes the place of the erased one.
  void erase(Slot slot) {
    unplace(place_of(entry(slot).key));
    const Slot last = size_ - 1;
    if (slot != last) {
      places_[place_of(entry(last).key)] = slot;
      entry(slot) = std::move(entry(last));
      set_mark(slot, marked(last));
    }
    entry(last) = Entry{};
    set_mark(last, false);
    --size_;
    // One block is kept in hand, so that a size around its edge does not take and give it back each time.
    while (blocks_.size() * kBlock >= size_ + std::size_t{2} * kBlock) blocks_.pop_back();
  }
  bool erase(const PublicKey& key) {
    const Slot slot = find(key);
    if (slot != kNone) erase(slot);
    return slot != kNone;
  }

  // A bit beside each record, for whoever goes through a list and must know what it lacked. New records are not marked.
  // False when it was marked already.
  bool mark(Slot slot) {
    if (marked(slot)) return false;
    set_mark(slot, true);
    return true;
  }
  [[nodiscard]] bool marked(Slot slot) const { return ((marks_[slot / 64] >> (slot % 64)) & 1U) != 0; }
  [[nodiscard]] std::size_t marked_count() const { return marked_; }
  void clear_marks() {
    std::fill(marks_.begin(), marks_.end(), 0);
    marked_ = 0;
  }

  // What all this takes, in bytes.
  [[nodiscard]] std::size_t memory() const {
    return blocks_.size() * sizeof(Block) + blocks_.capacity() * sizeof(blocks_[0]) + places_.capacity() * sizeof(Slot) +
           marks_.capacity() * sizeof(std::uint64_t);
  }

 private:
  struct Entry {
    PublicKey key;
    Record record;
  };
  static constexpr std::size_t kBlock = 512;
  using Block = std::array<Entry, kBlock>;

  Entry& entry(Slot slot) { return (*blocks_[slot / kBlock])[slot % kBlock]; }
  const Entry& entry(Slot slot) const { return (*blocks_[slot / kBlock])[slot % kBlock]; }

  void set_mark(Slot slot, bool on) {
    if (marked(slot) == on) return;
    marks_[slot / 64] ^= std::uint64_t{1} << (slot % 64);
    marked_ += on ? std::size_t{1} : ~std::size_t{0};
  }

  // Keys are points of a curve, as good as random; the multiplication spreads those that are not.
  [[nodiscard]] std::size_t home_of(const PublicKey& key) const {
    return (std::hash<PublicKey>{}(key)*0x9E3779B97F4A7C15ULL >> 32U) & (places_.size() - 1);
  }
  // Where the key's slot is noted, or would be.
  [[nodiscard]] std::size_t place_of(const PublicKey& key) const {
    std::size_t place = home_of(key);
    while (places_[place] != kNone && entry(places_[place]).key != key) place = (place + 1) & (places_.size() - 1);
    return place;
  }
  // Those noted behind move up, so that no search meets a gap before what it looks for.
  void unplace(std::size_t gap) {
    const std::size_t mask = places_.size() - 1;
    for (std::size_t next = (gap + 1) & mask; places_[next] != kNone; next = (next + 1) & mask) {
      const std::size_t home = home_of(entry(places_[next]).key);
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      places_[gap] = places_[next];
      gap = next;
    }
    places_[gap] = kNone;
  }
  void grow() {
    places_ = std::vector<Slot>(std::max<std::size_t>(16, places_.size() * 2), kNone);
    for (Slot slot = 0; slot < size_; ++slot) places_[place_of(entry(slot).key)] = slot;
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<Slot> places_;  // open addressing, at most 3/4 full; its size is a power of two
  std::vector<std::uint64_t> marks_;
  std::size_t marked_ = 0;
  Slot size_ = 0;
};

}  // namespace sanad::wg
