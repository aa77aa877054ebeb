#pragma once
// One vocabulary for expected failures. Exceptions are for bugs and failed start-up only.

#include <boost/system/result.hpp>
#include <boost/throw_exception.hpp>
#include <string>
#include <string_view>

namespace sanad {

// What kind of failure it is; decides the HTTP status (control/api/problem) and the exit code of `sanad`.
enum class Errc {
  invalid_argument,  // the caller's value cannot be accepted; `field` names it
  not_found,
  conflict,  // collides with what exists (duplicate key, stale ETag, overlapping allowed IP)
  permission_denied,
  refused_by_policy,  // registration standing, dual control, hold
  exhausted,          // a pool, limit or quota is used up
  unavailable,        // backend or storage cannot take it now; retry later
  unsupported,        // this host or backend cannot do it at all
  io,                 // the operating system reported an error
  corrupt,            // bytes that must be ours are not
  timeout,
  internal  // a bug of ours, or an answer we have no words for
};

std::string_view to_string(Errc code) noexcept;

struct Error {
  Errc code = Errc::internal;
  std::string message;  // what happened and why, lower case, no trailing full stop
  std::string field{};  // dotted path of the input at fault ("allowed_ips[1]"), empty when none
  std::string hint{};   // what to do next, empty when nothing helps

  Error() = default;
  Error(Errc c, std::string m) : code(c), message(std::move(m)) {}
  Error(Errc c, std::string m, std::string f, std::string h = {})
      : code(c), message(std::move(m)), field(std::move(f)), hint(std::move(h)) {}

  // "couldn't read device wg0: <message>"; keeps code, field and hint.
  Error within(std::string_view context) &&;

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = boost::system::result<T, Error>;

// Called by boost::system::result when value() is asked of an error: a bug at the caller.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

// Turns errno into an Error: "<what>: No space left on device". Call at the file that made the system call.
Error from_errno(int err, std::string_view what);

}  // namespace sanad
