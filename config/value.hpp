#pragma once
// A YAML document as a plain tree with positions: mappings keep the order of the file, a repeated key is already refused.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sanad::config {

struct Position {  // 1-based; {0, 0} = the file as a whole
  int line = 0;
  int column = 0;
  auto operator<=>(const Position&) const = default;
};

struct Problem {
  Position at;
  std::string path;  // "interfaces[0].mtu"; empty for the file as a whole
  std::string message;
};

struct Value {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  struct Name {
    std::string key;
    Position at;
  };
  Kind kind = Kind::null;
  Position at;
  std::string text{};          // scalar
  bool quoted = false;         // scalar: a quoted 1420 is text, not a number
  std::vector<Name> names{};   // map: names[i] is the key of items[i]
  std::vector<Value> items{};  // list and map
};

struct Document {
  Value root;
  bool usable = false;  // false: not a whole document, `root` means nothing; the reason is among the problems
};

// Bounded: at most 32 levels, 1,000 keys in a mapping, 100,000 values, one document, UTF-8 without control characters, no
// aliases, anchors, merge keys or tags (a file that says what it means has no need for them, and they are how a small file
// becomes a huge one).
Document read_document(std::string_view text, std::vector<Problem>& problems);

}  // namespace sanad::config
