#include "gateway/sessions/events.hpp"

namespace sanad::sessions {

std::string_view to_string(CloseReason reason) noexcept {
  switch (reason) {
    case CloseReason::expired:
      return "expired";
    case CloseReason::superseded:
      return "superseded";
    case CloseReason::revoked:
      return "revoked";
    case CloseReason::disabled:
      return "disabled";
    case CloseReason::peer_expired:
      return "peer_expired";
    case CloseReason::suspended:
      return "suspended";
    case CloseReason::removed_externally:
      return "removed_externally";
    case CloseReason::counters_reset:
      return "counters_reset";
    case CloseReason::link_down:
      return "link_down";
    case CloseReason::device:
      return "device";
  }
  return "unknown";
}

std::string_view to_string(GapCause cause) noexcept {
  switch (cause) {
    case GapCause::late_poll:
      return "late_poll";
    case GapCause::restart:
      return "restart";
    case GapCause::backend_down:
      return "backend_down";
  }
  return "unknown";
}

}  // namespace sanad::sessions
