#include "config/rule.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"
#include "gateway/base/url.hpp"

namespace sanad::config {
namespace {

constexpr std::string_view kCredentialPrefix = "credential:";

bool is_ascii_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_word(std::string_view text, std::string_view also) {
  return !text.empty() && is_ascii_alnum(text.front()) && std::all_of(text.begin(), text.end(), [also](char c) {
    return is_ascii_alnum(c) || also.find(c) != std::string_view::npos;
  });
}

// RFC 1035 section 2.3.4: 63 bytes a label, 253 in all as text.
bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.size() > 63 || !is_word(label, "-") || label.ends_with('-')) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// What Linux accepts for a device (dev_valid_name) and every WireGuard tool too, which is less.
bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() < IFNAMSIZ && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_ascii_alnum(c) || std::string_view("_=+.-").find(c) != std::string_view::npos; });
}

std::string_view kind_name(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::null:
      return "nothing";
    case Value::Kind::scalar:
      return "a single value";
    case Value::Kind::list:
      return "a list";
    case Value::Kind::map:
      return "a mapping";
  }
  return "something else";
}

// What was written, shortened and quoted, so that a message never carries a page or an escape sequence.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  if (!is_plain_text(text)) return "text with control characters";
  if (text.size() <= kLongest) return fmt::format("\"{}\"", text);
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;  // not inside a UTF-8 character
  return fmt::format("\"{}...\"", text.substr(0, end));
}

bool want_scalar(const Rule& rule, Input& in) {
  if (in.value().kind == Value::Kind::scalar) return true;
  if (in.value().kind == Value::Kind::null) {
    in.refuse(fmt::format("has no value; expected {} (leave the key out to get the default)", describe(rule)));
  } else {
    in.refuse(fmt::format("expected {}, found {}", describe(rule), kind_name(in.value().kind)));
  }
  return false;
}

void refuse_as(const Rule& rule, Input& in, std::string_view reason = {}) {
  in.refuse(
      fmt::format("expected {}, found {}{}{}", describe(rule), in_quotes(in.value().text), reason.empty() ? "" : ": ", reason));
}

struct Unit {
  std::string_view suffix;
  std::int64_t factor;
};
constexpr std::array<Unit, 4> kTimeUnits{{{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}}};
constexpr std::array<Unit, 1> kDayUnits{{{"d", 1}}};
constexpr std::array<Unit, 3> kByteUnits{{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}};

// Digits and a unit. One spelling: no sign, no leading zero, no space. Saturates on overflow, which every range refuses.
std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units, bool unit_required) {
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::size_t digits = static_cast<std::size_t>(rest - text.data());
  if (digits == 0 || text.front() == '-' || (text.front() == '0' && digits > 1)) return std::nullopt;
  if (error == std::errc::result_out_of_range) number = std::numeric_limits<std::int64_t>::max();
  const std::string_view suffix = text.substr(digits);
  if (suffix.empty() && !unit_required) return number;
  for (const Unit& unit : units) {
    if (suffix != unit.suffix) continue;
    std::int64_t product = 0;
    if (__builtin_mul_overflow(number, unit.factor, &product)) return std::numeric_limits<std::int64_t>::max();
    return product;
  }
  return std::nullopt;
}

std::string show_quantity(std::int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.suffix);
  }
  return std::to_string(value);
}

std::string path_problem(std::string_view text, std::int64_t longest) {
  if (!text.starts_with('/')) return "a path must be absolute";
  if (!is_plain_text(text)) return "control characters";
  if (static_cast<std::int64_t>(text.size()) > longest) return fmt::format("longer than {} bytes", longest);
  if (text == "/") return "the root directory itself";
  const std::filesystem::path path(text);
  if (std::find(path.begin(), path.end(), "..") != path.end()) return "\"..\" in a path";
  return {};
}

// c2sp.org/signed-note, verifier keys: name, the first four bytes of SHA-256(name, newline, type and key), type and key.
std::string witness_key_problem(std::string_view text) {
  constexpr std::uint8_t kCosignature = 0x04;
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos || first == 0) return "three parts with \"+\" between them are needed";
  const std::string_view name = text.substr(0, first);
  if (!is_plain_text(name) || name.find(' ') != std::string_view::npos) return "its name has spaces or control characters";
  const auto id = hex_decode(text.substr(first + 1, second - first - 1));
  const auto material = base64_decode(text.substr(second + 1));
  if (!id || id->size() != 4 || !material || material->empty()) return "an id of 8 hex digits and a key in base64 are needed";
  if (material->front() != kCosignature || material->size() != 33) return "the key is not a witness's (type 4)";
  Bytes input(name.begin(), name.end());
  input.push_back('\n');
  input.insert(input.end(), material->begin(), material->end());
  const Sha256 digest = sha256(input);
  if (!std::equal(id->begin(), id->end(), digest.begin())) return "its id is not that of its key: it was changed or mistyped";
  return {};
}

template <class T>
void assign_parsed(const Rule& rule, Input& in, T& out) {
  if (!want_scalar(rule, in)) return;
  Result<T> parsed = T::parse(in.value().text);
  if (!parsed) return refuse_as(rule, in, parsed.error().message);
  out = *parsed;
}

}  // namespace

std::string show_seconds(std::int64_t seconds) { return seconds == 0 ? "0s" : show_quantity(seconds, kTimeUnits); }

std::string show_number(const Rule& rule, std::int64_t value) {
  switch (rule.kind) {
    case Rule::Kind::seconds:
      return show_seconds(value);
    case Rule::Kind::days:
      return fmt::format("{}d", value);
    case Rule::Kind::bytes:
      return show_quantity(value, kByteUnits);
    case Rule::Kind::mode:
      return fmt::format("{:04o}", value);
    default:
      return std::to_string(value);
  }
}

std::string describe(const Rule& rule) {
  const auto range = [&rule](std::string_view what) {
    return fmt::format("{} from {} to {}", what, show_number(rule, rule.low), show_number(rule, rule.high));
  };
  switch (rule.kind) {
    case Rule::Kind::boolean:
      return "true or false";
    case Rule::Kind::integer:
      return range("a whole number");
    case Rule::Kind::bytes:
      return range("a size");
    case Rule::Kind::seconds:
      return range("a duration like 10s, 5m, 12h, 30d");
    case Rule::Kind::days:
      return range("a number of days like 30d,");
    case Rule::Kind::mode:
      return fmt::format("an octal file mode, {}", fmt::join(rule.words, " or "));
    case Rule::Kind::text:
      return fmt::format("text of 1 to {} bytes without control characters", rule.high);
    case Rule::Kind::word:
      return fmt::format("1 to {} of letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit", rule.high);
    case Rule::Kind::account:
      return "a user or group name";
    case Rule::Kind::domain:
      return "a DNS name";
    case Rule::Kind::interface_name:
      return "an interface name (1 to 15 of letters, digits and \"_=+.-\")";
    case Rule::Kind::path:
      return "an absolute path";
    case Rule::Kind::secret:
      return "an absolute path, or credential:NAME";
    case Rule::Kind::prefix:
      return "a prefix like 10.66.0.0/16 or fd66::/64";
    case Rule::Kind::address:
      return "an address like 10.66.0.1 or fd66::1";
    case Rule::Kind::interface_address:
      return "an address with its prefix length like 10.66.0.1/16 or fd66::1/64";
    case Rule::Kind::choice:
      return fmt::format("one of {}", fmt::join(rule.words, ", "));
    case Rule::Kind::host_port:
      return "HOST or HOST:PORT (an IPv6 address in brackets)";
    case Rule::Kind::routes:
      return "\"full\", or a list of prefixes like [10.66.0.0/16]";
    case Rule::Kind::url:
      return "a URL like https://witness.example";
    case Rule::Kind::witness_key:
      return "the line that \"sanad witness key\" prints";
  }
  return {};
}

bool check_list(const Rule& rule, Input& in) {
  if (in.value().kind != Value::Kind::list) {
    in.refuse(fmt::format("expected a list, each item {}; found {}", describe(rule), kind_name(in.value().kind)));
    return false;
  }
  const std::size_t count = in.value().items.size();
  if (count < rule.min_items) {
    in.refuse(fmt::format("at least {} needed", rule.min_items));
    return false;
  }
  if (count > rule.max_items) {
    in.refuse(fmt::format("{} items, at most {} are accepted", count, rule.max_items));
    return false;
  }
  return true;
}

void assign(const Rule& rule, Input& in, bool& out) {
  if (!want_scalar(rule, in)) return;
  const std::string& text = in.value().text;
  // YAML 1.1 had "yes", "on" and twenty more; a file with one spelling cannot be misread.
  if (in.value().quoted) return refuse_as(rule, in, "quotation marks make it text");
  if (text != "true" && text != "false") return refuse_as(rule, in);
  out = text == "true";
}

std::optional<std::int64_t> read_number(const Rule& rule, Input& in) {
  if (!want_scalar(rule, in)) return std::nullopt;
  const std::string& text = in.value().text;
  std::optional<std::int64_t> number;
  switch (rule.kind) {
    case Rule::Kind::seconds:
      number = parse_quantity(text, kTimeUnits, true);
      break;
    case Rule::Kind::days:
      number = parse_quantity(text, kDayUnits, true);
      break;
    case Rule::Kind::bytes:
      number = parse_quantity(text, kByteUnits, false);
      break;
    case Rule::Kind::mode: {
      if (std::find(rule.words.begin(), rule.words.end(), text) == rule.words.end()) {
        refuse_as(rule, in);
        return std::nullopt;
      }
      std::int64_t mode = 0;
      std::from_chars(text.data(), text.data() + text.size(), mode, 8);
      return mode;
    }
    default:
      if (!in.value().quoted) number = parse_quantity(text, {}, false);
  }
  if (!number || *number < rule.low || *number > rule.high) {
    const bool only_quoted = rule.kind == Rule::Kind::integer && in.value().quoted;
    refuse_as(rule, in, only_quoted ? "quotation marks make it text" : "");
    return std::nullopt;
  }
  return number;
}

std::optional<std::size_t> read_choice(const Rule& rule, Input& in) {
  if (!want_scalar(rule, in)) return std::nullopt;
  const auto word = std::find(rule.words.begin(), rule.words.end(), in.value().text);
  if (word == rule.words.end()) {
    refuse_as(rule, in);
    return std::nullopt;
  }
  return static_cast<std::size_t>(word - rule.words.begin());
}

void assign(const Rule& rule, Input& in, std::string& out) {
  if (!want_scalar(rule, in)) return;
  const std::string& text = in.value().text;
  const auto fits = [&rule, &text] { return static_cast<std::int64_t>(text.size()) <= rule.high; };
  bool good = false;
  switch (rule.kind) {
    case Rule::Kind::word:
      good = fits() && is_word(text, "._-");
      break;
    case Rule::Kind::account:
      good = text.size() <= 256 && is_word(text.starts_with('_') ? text.substr(1) : text, "._-@\\ ");
      break;
    case Rule::Kind::domain:
      good = is_domain(text);
      break;
    case Rule::Kind::interface_name:
      good = is_interface_name(text);
      break;
    case Rule::Kind::url:
      if (const auto url = parse_http_url(text); !url) return refuse_as(rule, in, url.error().message);
      good = true;
      break;
    case Rule::Kind::witness_key:
      if (const std::string problem = witness_key_problem(text); !problem.empty()) return refuse_as(rule, in, problem);
      good = true;
      break;
    default:
      good = !text.empty() && fits() && is_plain_text(text);
  }
  if (!good) return refuse_as(rule, in);
  out = text;
}

void assign(const Rule& rule, Input& in, std::filesystem::path& out) {
  if (!want_scalar(rule, in)) return;
  const std::string problem = path_problem(in.value().text, rule.high);
  if (!problem.empty()) return refuse_as(rule, in, problem);
  out = std::filesystem::path(in.value().text).lexically_normal();
}

void assign(const Rule& rule, Input& in, SecretSource& out) {
  if (!want_scalar(rule, in)) return;
  const std::string& text = in.value().text;
  if (text.starts_with(kCredentialPrefix)) {
    const std::string_view name = std::string_view(text).substr(kCredentialPrefix.size());
    if (name.size() > 255 || !is_word(name, "._-")) return refuse_as(rule, in, "not a credential's name");
  } else if (const std::string problem = path_problem(text, rule.high); !problem.empty()) {
    // A key pasted in place of its path must not travel on into a log.
    return in.refuse(fmt::format("expected {}: {}", describe(rule), problem));
  }
  out.written = text;
}

void assign(const Rule& rule, Input& in, IpPrefix& out) { assign_parsed(rule, in, out); }
void assign(const Rule& rule, Input& in, IpAddress& out) { assign_parsed(rule, in, out); }
void assign(const Rule& rule, Input& in, InterfaceAddress& out) { assign_parsed(rule, in, out); }

std::string show(const Rule& /*rule*/, bool value) { return value ? "true" : "false"; }
std::string show(const Rule& rule, const std::string& value) {
  if (rule.kind != Rule::Kind::text) return value;
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}
std::string show(const Rule& /*rule*/, const std::filesystem::path& value) { return value.string(); }
std::string show(const Rule& /*rule*/, const SecretSource& value) { return value.written; }
std::string show(const Rule& /*rule*/, const IpPrefix& value) { return value.to_string(); }
std::string show(const Rule& /*rule*/, const IpAddress& value) { return value.to_string(); }
std::string show(const Rule& /*rule*/, const InterfaceAddress& value) { return value.to_string(); }

template <>
std::vector<Role> all_values() {
  return {Role::monitor, Role::auditor, Role::operator_, Role::admin};
}
template <>
std::vector<GuardedAct> all_values() {
  return {GuardedAct::erasure, GuardedAct::retention, GuardedAct::hold_release};
}
template <>
std::vector<Backend> all_values() {
  return {Backend::automatic, Backend::kernel, Backend::userspace};
}
template <>
std::vector<SessionEvents> all_values() {
  return {SessionEvents::automatic, SessionEvents::off};
}
template <>
std::vector<AnchorLevel> all_values() {
  return {AnchorLevel::self, AnchorLevel::company, AnchorLevel::association, AnchorLevel::regulator};
}
template <>
std::vector<StandingAction> all_values() {
  return {StandingAction::warn, StandingAction::refuse_new, StandingAction::suspend};
}
template <>
std::vector<LogLevel> all_values() {
  return {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error};
}

}  // namespace sanad::config
