#include "gateway/sessions/session_id.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sanad::sessions {
namespace {

constexpr WallTime kNow{1'795'000'000'123'456'789};

TEST(SessionId, IsAUuidOfVersion7ThatCarriesTheMillisecond) {
  const SessionId id = make_session_id(kNow);
  std::uint64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | id[i];
  EXPECT_EQ(ms, 1'795'000'000'123U);
  EXPECT_EQ(id[6] >> 4, 7);
  EXPECT_EQ(id[8] >> 6, 2);
}

TEST(SessionId, LaterOnesSortBehindEarlierOnes) {
  SessionId before{};
  for (int i = 0; i < 3000; ++i) {  // three milliseconds in steps the fraction tells apart
    const SessionId id = make_session_id(kNow + std::chrono::nanoseconds{1000 * i});
    EXPECT_LT(before, id) << i;
    before = id;
  }
}

TEST(SessionId, TwoOfOneMomentDiffer) {
  std::set<SessionId> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(make_session_id(kNow));
  EXPECT_EQ(ids.size(), 1000U);
}

}  // namespace
}  // namespace sanad::sessions
