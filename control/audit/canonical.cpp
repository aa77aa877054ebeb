#include "control/audit/canonical.hpp"

#include <algorithm>
#include <bit>
#include <boost/container/small_vector.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "control/audit/utf8.hpp"

namespace sanad::audit {
namespace {

void append_escaped(std::string& out, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += "\\u00";
      out += kHex[(static_cast<unsigned char>(c) >> 4) & 0xF];
      out += kHex[static_cast<unsigned char>(c) & 0xF];
  }
}

// UTF-8 sorts as UTF-16 does, but for one case: code points above U+FFFF are surrogates (0xD800...) in UTF-16 and so come before
// U+E000..U+FFFF, which UTF-8 puts first (lead bytes 0xEE, 0xEF against 0xF0...).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at_b == b.end()) return false;
  if (at_a == a.end()) return true;
  const auto x = static_cast<unsigned char>(*at_a);
  const auto y = static_cast<unsigned char>(*at_b);
  if (x >= 0xF0 && (y == 0xEE || y == 0xEF)) return true;
  if (y >= 0xF0 && (x == 0xEE || x == 0xEF)) return false;
  return x < y;
}

template <class Integer>
Result<void> append_integer(std::string& out, Integer value) {
  char text[24];
  const auto end = std::to_chars(std::begin(text), std::end(text), value);
  out.append(std::begin(text), end.ptr);
  return {};
}

Error too_large() {
  return {Errc::invalid_argument, "an integer is beyond 2^53 - 1, where JSON readers no longer agree; write it as a string"};
}

Result<void> append_array(std::string& out, const boost::json::array& array) {
  out += '[';
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i != 0) out += ',';
    if (auto done = append_canonical(out, array[i]); !done) {
      Error error = std::move(done).error();
      error.field = "[" + std::to_string(i) + "]" + (error.field.empty() || error.field[0] == '[' ? "" : ".") + error.field;
      return error;
    }
  }
  out += ']';
  return {};
}

}  // namespace

// Most text is plain, so eight bytes are looked at at a time. `zero_in(word ^ pattern)` has a byte's high bit set where the word
// has that byte, and perhaps falsely above such a one; a borrow in `below_space` comes from a byte that is told already. So the
// lowest high bit is always true, and it is the first byte's on machines that keep that one lowest.
std::size_t plain_prefix(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const auto zero_in = [](std::uint64_t word) { return (word - kOnes) & ~word; };
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    const std::uint64_t below_space = word - kOnes * 0x20;
    const std::uint64_t found = (below_space | word | zero_in(word ^ kOnes * '"') | zero_in(word ^ kOnes * '\\')) & kHigh;
    if (found != 0) return i + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  for (; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return i;
}

Result<void> append_canonical_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain_from = 0;
  std::size_t i = plain_prefix(text);
  while (i < text.size()) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) {
      const std::size_t length = utf8_length(text.substr(i));
      if (length == 0) return Error{Errc::invalid_argument, "text is not UTF-8"};
      i += length;
    } else {
      out.append(text, plain_from, i - plain_from);
      append_escaped(out, text[i]);
      plain_from = ++i;
    }
    i += plain_prefix(text.substr(i));
  }
  out.append(text, plain_from);
  out += '"';
  return {};
}

Result<void> append_canonical(std::string& out, const boost::json::object& object) {
  boost::container::small_vector<const boost::json::key_value_pair*, 24> members;
  members.reserve(object.size());
  for (const auto& member : object) members.push_back(&member);
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return utf16_less(a->key(), b->key()); });
  out += '{';
  bool first = true;
  for (const auto* member : members) {
    if (!first) out += ',';
    first = false;
    if (auto done = append_canonical_string(out, member->key()); !done) return done;
    out += ':';
    if (auto done = append_canonical(out, member->value()); !done) {
      Error error = std::move(done).error();
      error.field = std::string(member->key()) + (error.field.empty() || error.field[0] == '[' ? "" : ".") + error.field;
      return error;
    }
  }
  out += '}';
  return {};
}

Result<void> append_canonical(std::string& out, const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out += "null";
      return {};
    case boost::json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      return {};
    case boost::json::kind::int64:
      if (value.get_int64() > kMaxExactInteger || value.get_int64() < -kMaxExactInteger) return too_large();
      return append_integer(out, value.get_int64());
    case boost::json::kind::uint64:
      if (value.get_uint64() > static_cast<std::uint64_t>(kMaxExactInteger)) return too_large();
      return append_integer(out, value.get_uint64());
    case boost::json::kind::double_:
      return Error{Errc::invalid_argument, "a floating-point number has no place in a leaf"};
    case boost::json::kind::string:
      return append_canonical_string(out, value.get_string());
    case boost::json::kind::array:
      return append_array(out, value.get_array());
    case boost::json::kind::object:
      return append_canonical(out, value.get_object());
  }
  return Error{Errc::internal, "a JSON value of no known kind"};
}

Result<std::string> canonical_json(const boost::json::value& value) {
  std::string out;
  if (auto done = append_canonical(out, value); !done) return std::move(done).error();
  return out;
}

}  // namespace sanad::audit
