#include "gateway/wg/key_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace sanad::wg {
namespace {

// Few different bytes where the hash looks, so that many keys want the same place.
PublicKey key_of(std::uint32_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[8] = static_cast<std::uint8_t>(n % 7);
  std::memcpy(bytes.data() + 16, &n, sizeof n);
  return PublicKey{bytes};
}

TEST(KeyTable, DoesWhatAMapDoes) {
  KeyTable<int> table;
  std::map<PublicKey, int> expected;
  std::set<PublicKey> marked;
  std::mt19937 engine{7};
  const auto random = [&engine](std::uint32_t below) { return static_cast<std::uint32_t>(engine() % below); };
  for (int step = 0; step < 20'000; ++step) {
    const PublicKey key = key_of(random(1500));
    switch (random(4)) {
      case 0:
        EXPECT_EQ(table.erase(key), expected.erase(key) == 1);
        marked.erase(key);
        break;
      case 1:
        if (const auto slot = table.find(key, random(2000)); slot != KeyTable<int>::kNone) {
          EXPECT_EQ(table.mark(slot), marked.insert(key).second);
        }
        break;
      default: {
        const auto [slot, made] = table.insert(key);
        EXPECT_EQ(made, !expected.contains(key));
        EXPECT_TRUE(!made || table.at(slot) == 0);
        table.at(slot) = step;
        expected[key] = step;
      }
    }
    ASSERT_EQ(table.size(), expected.size());
    ASSERT_EQ(table.marked_count(), marked.size());
  }
  for (std::uint32_t n = 0; n < 1500; ++n) {
    const auto slot = table.find(key_of(n), n);
    ASSERT_EQ(slot != KeyTable<int>::kNone, expected.contains(key_of(n)));
    if (slot == KeyTable<int>::kNone) continue;
    EXPECT_EQ(table.at(slot), expected.at(key_of(n)));
    EXPECT_EQ(table.key(slot), key_of(n));
    EXPECT_EQ(table.marked(slot), marked.contains(key_of(n)));
  }
  table.clear_marks();
  EXPECT_EQ(table.marked_count(), 0U);
}

TEST(KeyTable, KeepsTheOrderInWhichKeysCame) {
  KeyTable<int> table;
  for (std::uint32_t n = 0; n < 2000; ++n) EXPECT_EQ(table.insert(key_of(n)).first, n);
}

TEST(KeyTable, TakesLittleBesideTheRecordsAndGivesItBack) {
  KeyTable<std::array<char, 32>> table;
  for (std::uint32_t n = 0; n < 60'000; ++n) {
    std::array<std::uint8_t, 32> bytes{};
    std::memcpy(bytes.data() + 8, &n, sizeof n);
    table.insert(PublicKey{bytes});
  }
  EXPECT_LT(table.memory(), 60'000U * (64 + 10));
  while (!table.empty()) table.erase(static_cast<std::uint32_t>(table.size() - 1));
  EXPECT_LT(table.memory(), 60'000U * 15);
}

}  // namespace
}  // namespace sanad::wg
