#include "control/audit/leaf_read.hpp"

#include <array>

#include "control/audit/canonical.hpp"
#include "control/audit/decimal.hpp"
#include "control/audit/utf8.hpp"

namespace sanad::audit {
namespace {

constexpr std::size_t kDigestChars = 43;  // base64url of 32 bytes
constexpr std::size_t kSaltChars = 22;    // base64url of 16 bytes
constexpr std::size_t kMaxDepth = 64;

constexpr std::array<bool, 256> kBase64Url = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

// Without stopping at the first that is not: nearly all are.
bool is_base64url(std::string_view text) {
  bool good = true;
  for (const char c : text) good &= kBase64Url[static_cast<unsigned char>(c)];
  return good;
}

// Reads from the front; once anything is not as expected, `good` stays false.
class Scanner final {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  void expect(std::string_view text) {
    if (!good_ || !rest_.starts_with(text)) return fail();
    rest_.remove_prefix(text.size());
  }

  std::uint64_t number() {
    std::size_t digits = 0;
    while (digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9') ++digits;
    const auto value = parse_decimal(rest_.substr(0, digits), static_cast<std::uint64_t>(kMaxExactInteger));
    if (!good_ || !value) return fail(), 0;
    rest_.remove_prefix(digits);
    return *value;
  }

  // A quoted string of exactly `size` base64url characters.
  void word(std::size_t size) {
    expect("\"");
    if (!good_ || rest_.size() < size || !is_base64url(rest_.substr(0, size))) return fail();
    rest_.remove_prefix(size);
    expect("\"");
  }

  // One JSON object without whitespace or fractions.
  std::string_view object() {
    const std::string_view from = rest_;
    if (!rest_.starts_with('{')) return fail(), std::string_view{};
    value();
    return good_ ? from.substr(0, from.size() - rest_.size()) : std::string_view{};
  }

 private:
  void fail() { good_ = false; }

  void string() {
    expect("\"");
    while (good_) {
      rest_.remove_prefix(plain_prefix(rest_));
      if (rest_.empty()) return fail();
      const auto c = static_cast<unsigned char>(rest_[0]);
      if (c == '"') return rest_.remove_prefix(1);
      if (c == '\\') {
        escape();
      } else if (c < 0x20) {
        fail();
      } else if (const std::size_t length = utf8_length(rest_); length != 0) {
        rest_.remove_prefix(length);
      } else {
        fail();
      }
    }
  }

  // The escapes RFC 8785 section 3.2.2.2 leaves: control characters, the quote, the backslash.
  void escape() {
    constexpr std::string_view kShort = "\"\\bfnrt";
    if (rest_.size() < 2) return fail();
    if (kShort.find(rest_[1]) != std::string_view::npos) return rest_.remove_prefix(2);
    if (rest_.size() < 6 || !rest_.starts_with("\\u00") || (rest_[4] != '0' && rest_[4] != '1')) return fail();
    const char last = rest_[5];
    if (!((last >= '0' && last <= '9') || (last >= 'a' && last <= 'f'))) return fail();
    rest_.remove_prefix(6);
  }

  void scalar() {
    if (rest_.empty()) return fail();
    switch (rest_[0]) {
      case '"':
        return string();
      case 't':
        return expect("true");
      case 'f':
        return expect("false");
      case 'n':
        return expect("null");
      case '-':
        rest_.remove_prefix(1);
        if (number() == 0) fail();
        return;
      default:
        number();
    }
  }

  // No recursion: how deep a record nests is its writer's choice.
  void value() {
    std::array<bool, kMaxDepth> is_object{};
    std::size_t depth = 0;
    do {
      // At the beginning of a value.
      if (rest_.starts_with('{') || rest_.starts_with('[')) {
        const bool object = rest_[0] == '{';
        rest_.remove_prefix(1);
        if (rest_.starts_with(object ? '}' : ']')) {
          rest_.remove_prefix(1);
        } else {
          if (depth == kMaxDepth) return fail();
          is_object[depth++] = object;
          if (object) key();
          continue;
        }
      } else {
        scalar();
      }
      // Behind a value.
      while (good_ && depth > 0) {
        if (rest_.starts_with(',')) {
          rest_.remove_prefix(1);
          if (is_object[depth - 1]) key();
          break;
        }
        expect(is_object[depth - 1] ? "}" : "]");
        --depth;
      }
    } while (good_ && depth > 0);
  }

  void key() {
    string();
    expect(":");
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

Result<LeafView> read_leaf(std::string_view bytes) {
  const auto refused = [](const char* why) { return Error{Errc::corrupt, std::string("not one of our records: ") + why}; };
  LeafView leaf;
  Scanner scanner(bytes);
  scanner.expect(R"({"_sd":[)");
  const std::string_view digests = scanner.rest();
  while (scanner.good() && !scanner.rest().starts_with(']')) {
    if (scanner.rest().size() != digests.size()) scanner.expect(",");
    scanner.word(kDigestChars);
  }
  if (!scanner.good()) return refused("it does not begin with its digests");
  leaf.digests = digests.substr(0, digests.size() - scanner.rest().size());
  scanner.expect(R"(],"_sd_alg":"sha-256","epoch":)");
  leaf.epoch = scanner.number();
  scanner.expect(R"(,"event":)");
  if (!scanner.good()) return refused("no epoch where it belongs");
  leaf.event = scanner.object();
  if (!scanner.good()) return refused("its event is not a JSON object as we write them");
  scanner.expect(R"(,"i":)");
  leaf.index = scanner.number();
  scanner.expect(R"(,"salt":)");
  scanner.word(kSaltChars);
  scanner.expect(R"(,"t":)");
  leaf.time_ms = static_cast<std::int64_t>(scanner.number());
  scanner.expect(R"(,"v":1})");
  if (!scanner.good()) return refused("no index, salt, time and version where they belong");
  if (!scanner.rest().empty()) return refused("bytes follow its end");
  return leaf;
}

bool holds_digest(const LeafView& leaf, std::string_view digest) {
  if (digest.size() != kDigestChars || !is_base64url(digest)) return false;
  return leaf.digests.find(digest) != std::string_view::npos;
}

}  // namespace sanad::audit
