#pragma once

#include "gateway/sessions/events.hpp"

namespace sanad::service {

// 128 random bits. Aborts when the system gives none: an id that repeats would merge two people's records.
sessions::SessionId random_session_id();

}  // namespace sanad::service
