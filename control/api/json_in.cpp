#include "control/api/json_in.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <unordered_set>

#include "gateway/base/encoding.hpp"

namespace sanad::api {

namespace json = boost::json;

namespace {

constexpr std::size_t kMaxKeyBytes = 256;

json::parse_options strict_options() {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  return options;
}

// boost::json keeps the last of equal keys silently; two programs that read the same request must not read two requests.
struct DuplicateFinder {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = kMaxKeyBytes;
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  struct Level {
    std::unordered_set<std::string> keys;
    std::string step;         // the key being read, or empty in an array
    std::size_t element = 0;  // of an array
    bool is_array = false;
  };
  std::vector<Level> levels{};
  std::string key{};
  std::string duplicate{};  // its dotted path; empty = none

  [[nodiscard]] std::string path() const {
    std::string out;
    for (const Level& level : levels) {
      if (level.is_array) {
        out += "[" + std::to_string(level.element) + "]";
      } else {
        if (!out.empty()) out += ".";
        out += level.step;
      }
    }
    return out;
  }
  void value_done() {
    if (!levels.empty() && levels.back().is_array) ++levels.back().element;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) {
    levels.emplace_back().is_array = true;
    return true;
  }
  bool on_array_end(std::size_t, json::error_code&) {
    levels.pop_back();
    value_done();
    return true;
  }
  bool on_object_begin(json::error_code&) {
    levels.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    levels.pop_back();
    value_done();
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code& error) {
    key.append(part.data(), part.size());
    Level& level = levels.back();
    level.step = std::exchange(key, {});
    if (level.keys.insert(level.step).second) return true;
    duplicate = path();
    error = json::error::extra_data;  // any error stops the parser; `duplicate` says which it was
    return false;
  }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return scalar(); }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return scalar(); }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return scalar(); }
  bool on_double(double, json::string_view, json::error_code&) { return scalar(); }
  bool on_bool(bool, json::error_code&) { return scalar(); }
  bool on_null(json::error_code&) { return scalar(); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  bool scalar() {
    value_done();
    return true;
  }
};

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "true or false";
    case json::kind::int64:
    case json::kind::uint64:
      return "a whole number";
    case json::kind::double_:
      return "a number with a fraction";
    case json::kind::string:
      return "a text";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

std::string wrong_type(std::string_view wanted, const json::value& value) {
  return "must be " + std::string(wanted) + ", not " + std::string(kind_of(value));
}

}  // namespace

Result<json::object> parse_object(std::string_view text) {
  json::basic_parser<DuplicateFinder> finder{strict_options()};
  json::error_code error;
  const std::size_t read = finder.write_some(false, text.data(), text.size(), error);
  if (!finder.handler().duplicate.empty()) {
    return Error{Errc::invalid_argument, "the key is there twice", finder.handler().duplicate, "Leave one of them"};
  }
  if (error == json::error::too_deep) {
    return Error{Errc::invalid_argument, "the JSON is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels"};
  }
  if (error) {
    return Error{Errc::invalid_argument,
                 "the body is not well-formed JSON at byte " + std::to_string(read) + ": " + error.message()};
  }
  if (read != text.size()) {
    return Error{Errc::invalid_argument, "there is something after the end of the JSON, at byte " + std::to_string(read)};
  }
  json::value value = json::parse({text.data(), text.size()}, error, {}, strict_options());
  if (error) return Error{Errc::invalid_argument, "the body is not well-formed JSON: " + error.message()};
  if (!value.is_object()) return Error{Errc::invalid_argument, wrong_type("an object", value).insert(0, "the body ")};
  return std::move(value.as_object());
}

std::string ObjectReader::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

bool ObjectReader::is_null(std::string_view name) const {
  const json::value* value = object_->if_contains(name);
  return value != nullptr && value->is_null();
}

void ObjectReader::fail(std::string_view name, std::string message, std::string hint) {
  fail(Error{Errc::invalid_argument, std::move(message), path_of(name), std::move(hint)});
}

void ObjectReader::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void ObjectReader::require(std::string_view name) {
  if (!has(name)) fail(name, "is required");
}

const json::value* ObjectReader::take(std::string_view name) {
  known_.emplace(name);
  return object_->if_contains(name);
}

std::optional<std::string> ObjectReader::checked(const json::value& value, const std::string& path, const TextLimits& limits) {
  const auto refuse = [&](std::string message) {
    fail(Error{Errc::invalid_argument, std::move(message), path});
    return std::nullopt;
  };
  const json::string* text = value.if_string();
  if (text == nullptr) return refuse(wrong_type("a text", value));
  if (text->size() > limits.max_bytes) {
    return refuse("is " + std::to_string(text->size()) + " bytes long; at most " + std::to_string(limits.max_bytes) +
                  " are allowed");
  }
  if (text->size() < limits.min_bytes) return refuse(text->empty() ? "must not be empty" : "is too short");
  std::string out(text->data(), text->size());
  std::string to_check = out;
  if (limits.lines) std::erase(to_check, '\n');
  if (!is_plain_text(to_check)) return refuse("has control characters (such as line breaks or NUL) in it");
  return out;
}

std::optional<std::string> ObjectReader::text(std::string_view name, TextLimits limits) {
  const json::value* value = take(name);
  if (value == nullptr) return std::nullopt;
  return checked(*value, path_of(name), limits);
}

std::optional<std::string> ObjectReader::text_or_null(std::string_view name, TextLimits limits) {
  const json::value* value = take(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return checked(*value, path_of(name), limits);
}

std::optional<bool> ObjectReader::boolean(std::string_view name) {
  const json::value* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (const bool* flag = value->if_bool()) return *flag;
  fail(name, wrong_type("true or false", *value));
  return std::nullopt;
}

std::optional<std::uint64_t> ObjectReader::integer(std::string_view name, std::uint64_t min, std::uint64_t max) {
  const json::value* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() && !value->is_uint64()) {
    fail(name, wrong_type("a whole number", *value));
    return std::nullopt;
  }
  const bool negative = value->is_int64() && value->get_int64() < 0;
  const std::uint64_t number = value->is_uint64() ? value->get_uint64() : static_cast<std::uint64_t>(value->get_int64());
  if (negative || number < min || number > max) {
    fail(name, "must be between " + std::to_string(min) + " and " + std::to_string(max));
    return std::nullopt;
  }
  return number;
}

std::optional<std::uint64_t> ObjectReader::integer_or_null(std::string_view name, std::uint64_t min, std::uint64_t max) {
  if (!is_null(name)) return integer(name, min, max);
  take(name);
  return std::nullopt;
}

std::optional<WallTime> ObjectReader::time(std::string_view name) {
  const TextLimits limits{1, 64};
  const auto written = text(name, limits);
  if (!written) return std::nullopt;
  const auto parsed = parse_rfc3339(*written);
  if (parsed) return *parsed;
  fail(name, "is not a time: " + parsed.error().message, "Write it like 2026-11-24T09:04:11Z");
  return std::nullopt;
}

std::optional<std::optional<WallTime>> ObjectReader::time_or_null(std::string_view name) {
  if (is_null(name)) {
    take(name);
    return std::optional<WallTime>{};
  }
  const auto given = time(name);
  if (!given) return std::nullopt;
  return std::optional<WallTime>{*given};
}

std::optional<std::vector<std::string>> ObjectReader::texts(std::string_view name, std::size_t max_items, TextLimits limits) {
  const json::value* value = take(name);
  if (value == nullptr) return std::nullopt;
  const json::array* list = value->if_array();
  if (list == nullptr) {
    fail(name, wrong_type("a list of texts", *value));
    return std::nullopt;
  }
  if (list->size() > max_items) {
    fail(name, "has " + std::to_string(list->size()) + " entries; at most " + std::to_string(max_items) + " are allowed");
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto item = checked((*list)[i], path_of(name) + "[" + std::to_string(i) + "]", limits);
    if (!item) return std::nullopt;
    out.push_back(std::move(*item));
  }
  return out;
}

const json::object* ObjectReader::object(std::string_view name) {
  const json::value* value = take(name);
  if (value == nullptr) return nullptr;
  if (const json::object* inner = value->if_object()) return inner;
  fail(name, wrong_type("an object", *value));
  return nullptr;
}

Result<void> ObjectReader::finish() {
  if (!error_) {
    for (const auto& field : *object_) {
      const std::string_view name{field.key().data(), field.key().size()};
      if (known_.contains(name)) continue;
      const std::string shown = is_plain_text(name) ? std::string(name) : "(unprintable)";
      fail(Error{Errc::invalid_argument, "there is no such field here", path_of(shown)});
      break;
    }
  }
  if (error_) return *error_;
  return {};
}

}  // namespace sanad::api
