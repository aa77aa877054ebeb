#pragma once
// How a command of `sanad` fails, and what the shell sees of it.

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"

namespace sanad::cli {

// The exit statuses, as `sanad --help` lists them. Scripts rely on the numbers.
enum class Exit : int { ok = 0, failure = 1, usage = 2, not_found = 3, denied = 4, unreachable = 5 };

struct Failure {
  Exit exit = Exit::failure;
  std::string message;  // lower case, no full stop; empty: the command has already said what there is to say
  std::string hint{};   // what to do next
  std::string field{};  // of the request, as the daemon names it
};

template <class T>
using Outcome = boost::system::result<T, Failure>;

[[noreturn]] void throw_exception_from_error(const Failure& failure, const boost::source_location& where);

Failure failure_of(Error error);

// The failure in an answer of status >= 400: application/problem+json, or whatever else came.
Failure failure_of_problem(int status, std::string_view body);

// "error: --public-key: not a WireGuard key (...). On the client: wg genkey | ...": one line, safe to print.
std::string render(const Failure& failure);

}  // namespace sanad::cli
