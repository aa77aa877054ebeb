#include "gateway/sessions/session_id.hpp"

#include <span>

#include "gateway/base/random.hpp"

namespace sanad::sessions {

SessionId make_session_id(WallTime now) {
  constexpr std::uint64_t kNsPerMs = 1'000'000;
  const auto ns = static_cast<std::uint64_t>(now.ns);
  const std::uint64_t ms = ns / kNsPerMs;
  const std::uint64_t fraction = (ns % kNsPerMs) * 4096 / kNsPerMs;

  SessionId id{};
  for (std::size_t i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  id[6] = static_cast<std::uint8_t>(0x70 | (fraction >> 8));  // version 7
  id[7] = static_cast<std::uint8_t>(fraction);
  fill_random(std::span(id).subspan(8));
  id[8] = static_cast<std::uint8_t>(0x80 | (id[8] & 0x3F));  // variant 10
  return id;
}

SessionId new_session_id() { return make_session_id(now().wall); }

}  // namespace sanad::sessions
