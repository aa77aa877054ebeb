#pragma once

#include "gateway/base/clock.hpp"
#include "gateway/sessions/events.hpp"

namespace sanad::sessions {

// A UUIDv7 (RFC 9562 section 5.7, sub-millisecond fraction in rand_a by method 3 of section 6.2): 60 bits of time, 62 random.
// Later ids sort behind earlier ones, so that rows with them as key are appended, where random ids would each dirty another page
// of the index; the start of a session is in its leaf anyway. Throws when the system gives no randomness: an id that repeats
// would merge two people's records.
SessionId make_session_id(WallTime now);
SessionId new_session_id();  // of this moment

}  // namespace sanad::sessions
