#pragma once
// The request target: a path in one spelling, and query parameters. Pure.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/result.hpp"

namespace sanad::api {

struct Target {
  std::string path;   // "/v1/peers"; letters, digits and "-._~/" only
  std::string query;  // as sent, without the "?"
};

// Refuses (invalid_argument) what could be read in two ways: percent-encoding in the path, "//", "." and ".." segments, a slash
// at the end, anything that is not an absolute path.
Result<Target> parse_target(std::string_view target);

// Query parameters, each taken by name and type; the first error is kept and reported by finish(). Values are plain text of
// at most 1,024 bytes.
class Query {
 public:
  // application/x-www-form-urlencoded: "+" and %20 are both a space. Refused: the same name
  // twice, and a name that is not `known`.
  static Result<Query> parse(std::string_view text, const std::set<std::string_view>& known);

  std::optional<std::string> text(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::uint64_t> integer(std::string_view name, std::uint64_t min, std::uint64_t max);
  std::optional<WallTime> time(std::string_view name);
  std::optional<IpAddress> address(std::string_view name);
  void fail(std::string_view name, std::string message, std::string hint = {});
  Result<void> finish();

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::optional<Error> error_;
};

}  // namespace sanad::api
