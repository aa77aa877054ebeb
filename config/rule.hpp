#pragma once
// What a key accepts: one Rule, from which come the check, the message when it fails, the canonical spelling and the sentence in
// the reference.

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/config.hpp"
#include "config/value.hpp"
#include "gateway/base/ip.hpp"

namespace sanad::config {

struct Rule {
  enum class Kind : std::uint8_t {
    boolean,            // true, false
    integer,            // decimal; low..high
    bytes,              // decimal, or with KiB, MiB, GiB; low..high bytes
    seconds,            // "10s", "5m", "12h", "30d"; low..high seconds
    days,               // "30d"; low..high days
    mode,               // octal; one of `words`
    text,               // any plain text; at most `high` bytes
    word,               // letters, digits, '.', '_', '-'; begins with a letter or digit; at most `high` bytes
    account,            // a user or group name
    domain,             // a DNS name
    interface_name,     // what Linux and WireGuard take
    path,               // absolute, no "..", at most `high` bytes
    secret,             // a path or "credential:NAME"
    prefix,             // "10.66.0.0/16"
    address,            // "10.66.0.1"
    interface_address,  // "10.66.0.1/16"
    choice,             // one of `words`
    host_port,          // "vpn.example.com", "vpn.example.com:51820", "[2001:db8::1]:51820"
    routes,             // "full", or a list of prefixes
    url,                // "https://witness.example/sanad"
    witness_key         // "witness.example+1f2e3d4c+BK...": a C2SP verifier key of type cosignature/v1
  };
  Kind kind = Kind::text;
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::vector<std::string_view> words{};
  bool list = false;
  std::size_t min_items = 0;
  std::size_t max_items = 256;
};

// "integer, 1 to 65535", "list of prefixes (10.66.0.0/16)".
std::string describe(const Rule& rule);

// A duration in its largest whole unit ("5m"), days in days.
std::string show_seconds(std::int64_t seconds);

// Where a value is read from and where its problems go.
class Input {
 public:
  Input(const Value& value, std::string path, std::vector<Problem>& problems)
      : value_(value), path_(std::move(path)), problems_(problems) {}
  [[nodiscard]] const Value& value() const { return value_; }
  void refuse(std::string message) {
    problems_.push_back({value_.at, path_, std::move(message)});
    refused_ = true;
  }
  [[nodiscard]] bool refused() const { return refused_; }
  [[nodiscard]] Input item(std::size_t index) const {
    return {value_.items[index], path_ + "[" + std::to_string(index) + "]", problems_};
  }

 private:
  const Value& value_;
  std::string path_;
  std::vector<Problem>& problems_;
  bool refused_ = false;
};

// Each sets `out` when the value obeys the rule; otherwise refuses it and leaves `out` alone.
void assign(const Rule& rule, Input& in, bool& out);
void assign(const Rule& rule, Input& in, std::string& out);
void assign(const Rule& rule, Input& in, std::filesystem::path& out);
void assign(const Rule& rule, Input& in, SecretSource& out);  // `written` only: where credentials lie is the host's business
void assign(const Rule& rule, Input& in, IpPrefix& out);
void assign(const Rule& rule, Input& in, IpAddress& out);
void assign(const Rule& rule, Input& in, InterfaceAddress& out);

// For every kind that is a number: integer, bytes, seconds, days, mode.
std::optional<std::int64_t> read_number(const Rule& rule, Input& in);
// For choice: the index into `words`.
std::optional<std::size_t> read_choice(const Rule& rule, Input& in);
// False and refused when the value is not a list, or too short or too long a one.
bool check_list(const Rule& rule, Input& in);

std::string show(const Rule& rule, bool value);
std::string show(const Rule& rule, const std::string& value);
std::string show(const Rule& rule, const std::filesystem::path& value);
std::string show(const Rule& rule, const SecretSource& value);
std::string show(const Rule& rule, const IpPrefix& value);
std::string show(const Rule& rule, const IpAddress& value);
std::string show(const Rule& rule, const InterfaceAddress& value);
std::string show_number(const Rule& rule, std::int64_t value);

template <class E>
requires std::is_enum_v<E> std::vector<E> all_values();
template <>
std::vector<Role> all_values();
template <>
std::vector<GuardedAct> all_values();
template <>
std::vector<Backend> all_values();
template <>
std::vector<SessionEvents> all_values();
template <>
std::vector<AnchorLevel> all_values();
template <>
std::vector<StandingAction> all_values();
template <>
std::vector<LogLevel> all_values();

template <class T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) void assign(const Rule& rule, Input& in, T& out) {
  if (const auto number = read_number(rule, in)) out = static_cast<T>(*number);
}
template <class Rep, class Period>
void assign(const Rule& rule, Input& in, std::chrono::duration<Rep, Period>& out) {
  if (const auto number = read_number(rule, in)) out = std::chrono::duration<Rep, Period>{static_cast<Rep>(*number)};
}
template <class E>
requires std::is_enum_v<E>
void assign(const Rule& rule, Input& in, E& out) {
  if (const auto index = read_choice(rule, in)) out = all_values<E>()[*index];
}
template <class T>
void assign(const Rule& rule, Input& in, std::optional<T>& out) {
  T value{};
  assign(rule, in, value);
  if (!in.refused()) out = std::move(value);
}
template <class T>
void assign(const Rule& rule, Input& in, std::vector<T>& out) {
  if (!check_list(rule, in)) return;
  out.clear();
  for (std::size_t i = 0; i < in.value().items.size(); ++i) {
    Input item = in.item(i);
    T value{};
    assign(rule, item, value);
    if (!item.refused()) out.push_back(std::move(value));
  }
}

template <class T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) std::string show(const Rule& rule, T value) {
  return show_number(rule, static_cast<std::int64_t>(value));
}
template <class Rep, class Period>
std::string show(const Rule& rule, std::chrono::duration<Rep, Period> value) {
  return show_number(rule, static_cast<std::int64_t>(value.count()));
}
template <class E>
requires std::is_enum_v<E> std::string show(const Rule& /*rule*/, E value) { return std::string(to_string(value)); }
template <class T>
std::string show(const Rule& rule, const std::optional<T>& value) {
  return value ? show(rule, *value) : "unset";
}
template <class T>
std::string show(const Rule& rule, const std::vector<T>& values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += show(rule, values[i]);
  }
  return text + "]";
}

}  // namespace sanad::config
