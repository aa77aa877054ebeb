#include "control/api/target.hpp"

#include <charconv>

#include "gateway/base/encoding.hpp"

namespace sanad::api {
namespace {

constexpr std::size_t kMaxValueBytes = 1024;

bool is_path_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == '~' || c == '/';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '+') {
      out.push_back(' ');
    } else if (text.front() == '%') {
      if (text.size() < 3 || hex_value(text[1]) < 0 || hex_value(text[2]) < 0) {
        return Error{Errc::invalid_argument, "the query has a % that is not followed by two hexadecimal digits"};
      }
      out.push_back(static_cast<char>(hex_value(text[1]) * 16 + hex_value(text[2])));
      text.remove_prefix(2);
    } else {
      out.push_back(text.front());
    }
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace

Result<Target> parse_target(std::string_view target) {
  Target out;
  const std::size_t question = target.find('?');
  out.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) out.query = std::string(target.substr(question + 1));
  const auto refuse = [](std::string why) { return Error{Errc::invalid_argument, "the path of the request " + std::move(why)}; };
  if (out.path.empty() || out.path.front() != '/') return refuse("must begin with \"/\"");
  for (const char c : out.path) {
    if (!is_path_character(c)) return refuse("has a character that no path here has (percent-encoding is not needed)");
  }
  std::string_view rest = out.path;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return refuse("has an empty, \".\" or \"..\" segment");
    rest.remove_prefix(segment.size());
  }
  return out;
}

Result<Query> Query::parse(std::string_view text, const std::set<std::string_view>& known) {
  Query query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = decode(pair.substr(0, equals));
    if (!name) return name.error();
    auto value = decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
    if (!value) return value.error();
    if (!is_plain_text(*name))
      return Error{Errc::invalid_argument, "the query has a parameter with control characters in its name"};
    if (name->size() > kMaxValueBytes || value->size() > kMaxValueBytes) {
      return Error{Errc::invalid_argument, "is over " + std::to_string(kMaxValueBytes) + " bytes long", name->substr(0, 64)};
    }
    if (!is_plain_text(*value)) return Error{Errc::invalid_argument, "has control characters in it", *name};
    if (!known.contains(*name)) return Error{Errc::invalid_argument, "there is no such parameter here", *name};
    if (!query.values_.emplace(*name, std::move(*value)).second)
      return Error{Errc::invalid_argument, "the parameter is there twice", *name};
  }
  return query;
}

void Query::fail(std::string_view name, std::string message, std::string hint) {
  if (!error_) error_ = Error{Errc::invalid_argument, std::move(message), std::string(name), std::move(hint)};
}

std::optional<std::string> Query::text(std::string_view name) {
  const auto it = values_.find(name);
  if (it == values_.end()) return std::nullopt;
  std::string value = std::move(it->second);
  values_.erase(it);
  return value;
}

std::optional<bool> Query::boolean(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  if (*value == "true" || *value == "false") return *value == "true";
  fail(name, "must be true or false");
  return std::nullopt;
}

std::optional<std::uint64_t> Query::integer(std::string_view name, std::uint64_t min, std::uint64_t max) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc{} || end != value->data() + value->size() || number < min || number > max) {
    fail(name, "must be a whole number between " + std::to_string(min) + " and " + std::to_string(max));
    return std::nullopt;
  }
  return number;
}

std::optional<WallTime> Query::time(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto parsed = parse_rfc3339(*value);
  if (parsed) return *parsed;
  fail(name, "is not a time: " + parsed.error().message, "Write it like 2026-11-24T09:04:11Z; a + must be sent as %2B");
  return std::nullopt;
}

std::optional<IpAddress> Query::address(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto parsed = IpAddress::parse(*value);
  if (parsed) return *parsed;
  fail(name, parsed.error().message);
  return std::nullopt;
}

Result<void> Query::finish() {
  if (error_) return *error_;
  return {};
}

}  // namespace sanad::api
