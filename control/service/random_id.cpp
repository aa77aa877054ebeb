#include "control/service/random_id.hpp"

#include <sys/random.h>

#include <stdexcept>

namespace sanad::service {

sessions::SessionId random_session_id() {
  sessions::SessionId id{};
  if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()))
    throw std::runtime_error("getrandom gave no bytes");
  return id;
}

}  // namespace sanad::service
