#pragma once
// The one table of keys. Everything that knows a key's name gets it from here: the reader, the reference, the example file,
// the comparison of two configurations and the digest.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/rule.hpp"

namespace sanad::config {

// The structs a row reads into: those of the list items on the way down are set, others null.
struct Scope {
  Config* config = nullptr;
  Interface* interface = nullptr;
  Anchor* anchor = nullptr;
  RoleGrant* grant = nullptr;
  Witness* witness = nullptr;
};

struct Key {
  std::string_view path;  // "interfaces[].nat.masquerade"
  Rule rule;
  std::string_view fallback;  // the default in words, where it is worked out from other keys; empty: what Config{} holds
  std::string_view example;   // as YAML
  std::string_view sentence;  // for the reference
  bool required = false;
  bool restart = false;  // a running daemon cannot take a new value
  std::function<void(Input&, const Scope&)> read;
  std::function<std::string(const Scope&)> show;  // canonical spelling of the effective value
};

struct Section {
  std::string_view path;  // "interfaces[]" for the items of a list
  std::string_view sentence;
  // Lists only: adds an item and returns the scope to read it into.
  std::function<Scope(const Scope&)> append;
  // Lists only: the name by which an item is known in difference(), and its scope.
  std::function<std::vector<std::pair<std::string, Scope>>(const Scope&)> items;
};

// In the order of the reference; the keys of a section stand together.
const std::vector<Key>& keys();
const std::vector<Section>& sections();

// The section a key belongs to: "interfaces[].nat".
std::string_view parent_of(std::string_view path);
std::string_view leaf_of(std::string_view path);

}  // namespace sanad::config
