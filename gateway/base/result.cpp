#include "gateway/base/result.hpp"

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace sanad {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument:
      return "invalid-argument";
    case Errc::not_found:
      return "not-found";
    case Errc::conflict:
      return "conflict";
    case Errc::permission_denied:
      return "permission-denied";
    case Errc::refused_by_policy:
      return "refused-by-policy";
    case Errc::exhausted:
      return "exhausted";
    case Errc::unavailable:
      return "unavailable";
    case Errc::unsupported:
      return "unsupported";
    case Errc::io:
      return "io-error";
    case Errc::corrupt:
      return "corrupt";
    case Errc::timeout:
      return "timeout";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

Error Error::within(std::string_view context) && {
  message = std::string(context) + ": " + message;
  return std::move(*this);
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  throw std::logic_error("value() of a failed result at " + where.to_string() + ": " + error.message);
}

Error from_errno(int err, std::string_view what) {
  Errc code = Errc::io;
  switch (err) {
    case ENOENT:
    case ENODEV:
      code = Errc::not_found;
      break;
    case EPERM:
    case EACCES:
      code = Errc::permission_denied;
      break;
    case EEXIST:
    case EADDRINUSE:
      code = Errc::conflict;
      break;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      code = Errc::unsupported;
      break;
    case ECONNREFUSED:
    case ENETDOWN:
      code = Errc::unavailable;
      break;
    case ETIMEDOUT:
      code = Errc::timeout;
      break;
    default:
      break;
  }
  return Error{code, std::string(what) + ": " + std::generic_category().message(err)};
}

}  // namespace sanad
