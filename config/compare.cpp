#include "config/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/keys.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::config {
namespace {

struct Effective {
  std::string value;
  bool restart = false;
};
using Flat = std::map<std::string, Effective>;  // by the path with items named: "interfaces[wg0].mtu"

void flatten(std::string_view pattern, const std::string& path, const Scope& scope, Flat& flat) {
  // A list inside an item is reached from that item, not from here.
  const auto directly_below = [pattern](std::string_view candidate) {
    if (!candidate.starts_with(pattern)) return false;
    const std::string_view rest = candidate.substr(pattern.size());
    return pattern.empty() || rest.starts_with('.');
  };
  const auto full_path = [pattern, &path](std::string_view candidate) {
    return path + std::string(candidate.substr(pattern.size()));
  };
  for (const Key& key : keys()) {
    if (!directly_below(key.path) || key.path.substr(pattern.size()).find("[]") != std::string_view::npos) continue;
    flat[full_path(key.path)] = {key.show(scope), key.restart};
  }
  for (const Section& section : sections()) {
    if (!section.items || section.path == pattern || !directly_below(section.path)) continue;
    std::string list = full_path(section.path);
    list.resize(list.size() - 2);
    for (const auto& [name, item] : section.items(scope)) flatten(section.path, fmt::format("{}[{}]", list, name), item, flat);
  }
}

Flat flatten(Config config) {  // by value: a Scope points into something that may be written
  Flat flat;
  flatten("", "", Scope{&config, nullptr, nullptr, nullptr}, flat);
  return flat;
}

// "interfaces[wg1]" of "interfaces[wg1].mtu"; empty when there is no item in the path.
std::string item_of(const std::string& path) {
  const std::size_t bracket = path.rfind("].");
  return bracket == std::string::npos ? std::string{} : path.substr(0, bracket + 1);
}

bool has_item(const Flat& flat, const std::string& item) {
  const auto next = flat.lower_bound(item);
  return next != flat.end() && next->first.starts_with(item + ".");
}

struct Change {
  std::string key;
  bool restart = false;
  auto operator<=>(const Change&) const = default;
};

// Every path that `ours` has and `theirs` has not, or not so.
void compare(const Flat& ours, const Flat& theirs, std::vector<Change>& changes) {
  for (const auto& [path, effective] : ours) {
    const auto other = theirs.find(path);
    if (other != theirs.end()) {
      if (other->second.value != effective.value) changes.push_back({path, effective.restart});
      continue;
    }
    const std::string item = item_of(path);
    // The item as a whole came or went; interfaces do that only at a start.
    if (!has_item(theirs, item)) changes.push_back({item, item.starts_with("interfaces[")});
  }
}

std::vector<Change> changes_between(const Config& before, const Config& after) {
  const Flat old_values = flatten(before);
  const Flat new_values = flatten(after);
  std::vector<Change> changes;
  compare(old_values, new_values, changes);
  compare(new_values, old_values, changes);
  std::sort(changes.begin(), changes.end());
  changes.erase(std::unique(changes.begin(), changes.end()), changes.end());
  return changes;
}

}  // namespace

std::vector<std::string> difference(const Config& before, const Config& after) {
  std::vector<std::string> names;
  for (Change& change : changes_between(before, after)) names.push_back(std::move(change.key));
  return names;
}

std::vector<std::string> needing_restart(const Config& before, const Config& after) {
  std::vector<std::string> names;
  for (Change& change : changes_between(before, after)) {
    if (change.restart) names.push_back(std::move(change.key));
  }
  return names;
}

std::string digest(const Config& config) {
  std::string canonical;
  // Length first, so that no value can be made to look like the line after it.
  for (const auto& [path, effective] : flatten(config))
    canonical += fmt::format("{} {} {}\n", path, effective.value.size(), effective.value);
  return hex_encode(sha256(as_bytes(canonical)));
}

}  // namespace sanad::config
