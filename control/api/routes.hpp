#pragma once
// The one table of routes. A handler runs only after the caller was found to have the row's permission.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/access/role.hpp"
#include "control/api/call.hpp"

namespace sanad::api {

// No default constructor: a row without a permission does not compile.
class Needs {
 public:
  constexpr Needs(access::Permission permission)
      : permission_(permission) {}  // NOLINT(google-explicit-constructor): reads as a table
  [[nodiscard]] constexpr access::Permission permission() const { return permission_; }

 private:
  access::Permission permission_;
};

// `none` still takes `{}`: clients that always send JSON need not be special.
enum class BodyKind : std::uint8_t { none, json, ndjson };

using Handler = void (*)(const Context& context, Call call, Reply reply);

struct Route {
  std::string_view method;
  std::string_view pattern;  // "/v1/peers/{id}"
  Needs needs;
  std::string_view reads;       // evidence it shows: the read is on record before the answer begins; empty = shows none
  std::string_view parameters;  // of the query, separated by spaces; any other is refused
  BodyKind body;
  Handler handler;

  [[nodiscard]] std::string operation() const { return std::string(method) + " " + std::string(pattern); }
  [[nodiscard]] std::size_t body_limit() const;
};

// Sorted by pattern, then method.
std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;           // null: no such path, or not this method
  std::string id;                         // text in place of {id}
  std::vector<std::string_view> allowed;  // methods the path takes; empty = no such path
};

// A literal segment wins over {id}: "/v1/peers/import" is never a peer.
Match find_route(std::string_view method, std::string_view path);

}  // namespace sanad::api
