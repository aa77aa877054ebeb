#include "config/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "config/checks.hpp"
#include "config/keys.hpp"
#include "config/suggest.hpp"
#include "config/value.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::config {
namespace {

std::string join(std::string_view parent, std::string_view leaf) {
  return parent.empty() ? std::string(leaf) : fmt::format("{}.{}", parent, leaf);
}

const Key* find_key(std::string_view pattern) {
  const auto found = std::find_if(keys().begin(), keys().end(), [pattern](const Key& key) { return key.path == pattern; });
  return found == keys().end() ? nullptr : &*found;
}

const Section* find_section(std::string_view pattern) {
  const auto found =
      std::find_if(sections().begin(), sections().end(), [pattern](const Section& section) { return section.path == pattern; });
  return found == sections().end() ? nullptr : &*found;
}

// Names that may stand in the mapping at `pattern`: its keys, its sections, its lists of sections.
std::vector<std::string_view> names_in(std::string_view pattern) {
  std::vector<std::string_view> names;
  for (const Key& key : keys()) {
    if (parent_of(key.path) == pattern) names.push_back(leaf_of(key.path));
  }
  for (const Section& section : sections()) {
    if (parent_of(section.path) != pattern) continue;
    std::string_view name = leaf_of(section.path);
    if (name.ends_with("[]")) name.remove_suffix(2);
    names.push_back(name);
  }
  return names;
}

// Walks the tree along the table, once; what it cannot place is a problem.
class Walk {
 public:
  Walk(Places& places, std::vector<Problem>& problems) : places_(places), problems_(problems) {}

  void map(const Value& value, const std::string& pattern, const std::string& path, const Scope& scope) {
    // A section with all its keys commented out reads as nothing, and means the defaults.
    if (value.kind != Value::Kind::map && value.kind != Value::Kind::null) {
      problems_.push_back({value.at, path, "expected a mapping (key: value)"});
      return;
    }
    for (std::size_t i = 0; i < value.names.size(); ++i) {
      const Value::Name& name = value.names[i];
      const Value& content = value.items[i];
      const std::string child_pattern = join(pattern, name.key);
      const std::string child_path = join(path, name.key);
      if (const Key* key = find_key(child_pattern)) {
        places_[child_path] = name.at;
        note_items(content, child_path);
        Input in(content, child_path, problems_);
        if (content.kind == Value::Kind::null) {
          // Nothing follows the key, so the key is the place to look at.
          problems_.push_back({name.at, child_path, "has no value; leave the key out to get the default"});
        } else {
          key->read(in, scope);
        }
      } else if (find_section(child_pattern) != nullptr) {
        places_[child_path] = name.at;
        map(content, child_pattern, child_path, scope);
      } else if (const Section* section = find_section(child_pattern + "[]")) {
        places_[child_path] = name.at;
        list(content, *section, child_path, scope);
      } else {
        unknown(name, pattern, child_path);
      }
    }
  }

  // Required keys directly in or below the list item or document `pattern` whose path in the file is `path`.
  void require(const std::string& pattern, const std::string& path, Position at) {
    for (const Key& key : keys()) {
      if (!key.required || !key.path.starts_with(pattern)) continue;
      std::string_view rest = key.path.substr(pattern.size());
      if (rest.find("[]") != std::string_view::npos) continue;
      if (rest.starts_with('.')) rest.remove_prefix(1);
      const std::string full = join(path, rest);
      if (!places_.contains(full)) {
        problems_.push_back({at, full, fmt::format("missing: {} is needed, like {}", describe(key.rule), key.example)});
      }
    }
  }

 private:
  void list(const Value& value, const Section& section, const std::string& path, const Scope& scope) {
    constexpr std::size_t kMaxItems = 256;
    if (value.kind == Value::Kind::null) return;
    if (value.kind != Value::Kind::list) {
      problems_.push_back({value.at, path, "expected a list (each item begins with \"- \")"});
      return;
    }
    if (value.items.size() > kMaxItems) {
      problems_.push_back({value.at, path, fmt::format("{} items, at most {} are accepted", value.items.size(), kMaxItems)});
      return;
    }
    const std::string pattern(section.path);
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const Value& item = value.items[i];
      const std::string item_path = fmt::format("{}[{}]", path, i);
      places_[item_path] = item.at;
      map(item, pattern, item_path, section.append(scope));
      require(pattern, item_path, item.at);
    }
  }

  void note_items(const Value& value, const std::string& path) {
    if (value.kind != Value::Kind::list) return;
    for (std::size_t i = 0; i < value.items.size(); ++i) places_[fmt::format("{}[{}]", path, i)] = value.items[i].at;
  }

  void unknown(const Value::Name& name, const std::string& pattern, const std::string& path) {
    std::string message = "unknown key";
    if (const auto near = nearest(name.key, names_in(pattern))) {
      message += fmt::format("; did you mean {}?", *near);
    } else if (const auto elsewhere =
                   std::find_if(keys().begin(), keys().end(), [&name](const Key& key) { return leaf_of(key.path) == name.key; });
               elsewhere != keys().end()) {
      message += fmt::format("; there is {}", elsewhere->path);
    }
    problems_.push_back({name.at, path, std::move(message)});
  }

  Places& places_;
  std::vector<Problem>& problems_;
};

std::string render(std::string_view filename, const Problem& problem) {
  std::string text(filename);
  if (problem.at.line > 0) text += fmt::format(":{}:{}", problem.at.line, problem.at.column);
  if (!problem.path.empty()) text += ": " + problem.path;
  return text + ": " + problem.message;
}

ReadOutcome refuse(std::string_view filename, std::vector<Problem>& problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) { return a.at < b.at; });
  ReadOutcome outcome;
  for (const Problem& problem : problems) {
    if (outcome.errors.size() == kMaxErrors) {
      outcome.errors.push_back(fmt::format("{}: and {} more", filename, problems.size() - kMaxErrors));
      break;
    }
    outcome.errors.push_back(render(filename, problem));
  }
  return outcome;
}

class HostFiles final : public FileAccess {
 public:
  Result<std::string> read_secret(const std::filesystem::path& path) override { return read_secret_file(path, kMaxKeyFileBytes); }
  Result<void> readable(const std::filesystem::path& path) override {
    constexpr std::size_t kLongest = 64 << 20;  // a revocation list of a whole country
    if (auto content = read_file(path, kLongest); !content) return std::move(content).error();
    return {};
  }
  std::optional<std::filesystem::path> credentials() override {
    const char* directory =
        std::getenv("CREDENTIALS_DIRECTORY");  // read while the configuration is, before other threads set any
    if (directory == nullptr || *directory == '\0') return std::nullopt;
    return directory;
  }
};

}  // namespace

ReadOutcome parse(std::string_view text, std::string_view filename, FileAccess& files) {
  std::vector<Problem> problems;
  if (text.size() > kMaxFileBytes) {
    problems.push_back({{}, "", fmt::format("larger than {} bytes: this is not a configuration", kMaxFileBytes)});
    return refuse(filename, problems);
  }
  const Document document = read_document(text, problems);
  if (!document.usable) return refuse(filename, problems);

  Config config;
  Places places;
  Walk walk(places, problems);
  const Scope scope{&config, nullptr, nullptr, nullptr};
  walk.map(document.root, "", "", scope);
  walk.require("", "", {1, 1});
  if (config.interfaces.empty()) {
    const auto at = places.find("interfaces");
    problems.push_back(
        {at == places.end() ? Position{1, 1} : at->second, "interfaces", "missing: at least one interface is needed"});
  }
  complete(config);
  // Collisions between values of which some were refused would only confuse.
  if (problems.empty()) check_whole(config, places, problems);
  check_files(config, places, files, problems);
  if (!problems.empty()) return refuse(filename, problems);
  return {std::move(config), {}};
}

ReadOutcome read(const std::filesystem::path& path) {
  Result<std::string> text = read_file(path, kMaxFileBytes);
  if (!text) {
    std::string message = text.error().message;
    if (!text.error().hint.empty()) message += fmt::format(" ({})", text.error().hint);
    return {std::nullopt, {fmt::format("{}: {}", path.string(), message)}};
  }
  HostFiles files;
  return parse(*text, path.string(), files);
}

Result<Config> load(const std::filesystem::path& path) {
  ReadOutcome outcome = read(path);
  if (outcome.config) return std::move(*outcome.config);
  return Error{Errc::invalid_argument, fmt::format("{}", fmt::join(outcome.errors, "\n"))};
}

}  // namespace sanad::config
