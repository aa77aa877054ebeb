#pragma once
// Strict reading of JSON from outside: one spelling, nothing ignored. Pure.

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"

namespace sanad::api {

constexpr std::size_t kMaxJsonDepth = 16;

// One JSON object (RFC 8259) and nothing after it. Refused, all as invalid_argument: malformed text, invalid UTF-8, comments,
// nesting beyond kMaxJsonDepth, the same key twice in one object (field = its dotted path), a top-level value that is no object.
Result<boost::json::object> parse_object(std::string_view text);

struct TextLimits {
  std::size_t min_bytes = 0;
  std::size_t max_bytes = 1024;
  bool lines = false;  // LF allowed (PEM); every other control character is refused always
};

// Takes fields out of an object by name and type. The first error is kept, later calls return defaults, and finish()
// reports it: so that a handler reads straight down and asks once at the end.
class ObjectReader {
 public:
  ObjectReader(const boost::json::object& object, std::string path = {}) : object_(&object), path_(std::move(path)) {}
  ObjectReader(boost::json::object&&, std::string = {}) = delete;  // the reader does not own

  // Unset when absent. `null` counts as absent where the name says so.
  std::optional<std::string> text(std::string_view name, TextLimits limits);
  std::optional<std::string> text_or_null(std::string_view name, TextLimits limits);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::uint64_t> integer(std::string_view name, std::uint64_t min, std::uint64_t max);
  std::optional<std::uint64_t> integer_or_null(std::string_view name, std::uint64_t min, std::uint64_t max);
  // Outer unset: absent. Inner unset: null.
  std::optional<std::optional<WallTime>> time_or_null(std::string_view name);
  std::optional<WallTime> time(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t max_items, TextLimits limits);
  // Null when absent; the result lives as long as the object.
  const boost::json::object* object(std::string_view name);

  [[nodiscard]] bool has(std::string_view name) const { return object_->contains(name); }
  [[nodiscard]] bool is_null(std::string_view name) const;
  [[nodiscard]] std::string path_of(std::string_view name) const;
  // Keeps the first.
  void fail(std::string_view name, std::string message, std::string hint = {});
  void fail(Error error);
  // `name` must be there; says so otherwise.
  void require(std::string_view name);
  [[nodiscard]] bool ok() const { return !error_; }

  // The first error; or a field nobody asked for; or fine.
  Result<void> finish();

 private:
  const boost::json::value* take(std::string_view name);
  std::optional<std::string> checked(const boost::json::value& value, const std::string& path, const TextLimits& limits);

  const boost::json::object* object_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

}  // namespace sanad::api
