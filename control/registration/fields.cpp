#include "control/registration/fields.hpp"

#include <algorithm>
#include <optional>

#include "config/suggest.hpp"

namespace sanad::registration {
namespace {

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string{name} : path + "." + std::string{name};
}

std::string message_of(std::string_view filename, std::vector<config::Problem> problems) {
  constexpr std::size_t kMost = 100;
  std::stable_sort(problems.begin(), problems.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  std::string text;
  for (std::size_t i = 0; i < std::min(problems.size(), kMost); ++i) {
    const config::Problem& problem = problems[i];
    if (!text.empty()) text += '\n';
    text += filename;
    if (problem.at.line > 0) text += ":" + std::to_string(problem.at.line) + ":" + std::to_string(problem.at.column);
    if (!problem.path.empty()) text += ": " + problem.path;
    text += ": " + problem.message;
  }
  if (problems.size() > kMost)
    text += "\n" + std::string{filename} + ": and " + std::to_string(problems.size() - kMost) + " more";
  return text;
}

}  // namespace

config::Rule text_rule(std::int64_t bytes) {
  config::Rule rule;
  rule.kind = config::Rule::Kind::text;
  rule.high = bytes;
  return rule;
}

config::Rule list_rule(config::Rule of_items, std::size_t most) {
  of_items.list = true;
  of_items.max_items = most;
  return of_items;
}

void read_fields(const config::Value& map, const std::string& path, const std::vector<Field>& fields,
                 std::vector<config::Problem>& problems) {
  if (map.kind != config::Value::Kind::map) {
    problems.push_back({map.at, path, "expected a mapping (key: value)"});
    return;
  }
  for (std::size_t i = 0; i < map.names.size(); ++i) {
    const config::Value::Name& name = map.names[i];
    const auto field = std::find_if(fields.begin(), fields.end(), [&name](const Field& f) { return f.name == name.key; });
    if (field == fields.end()) {
      std::vector<std::string_view> known;
      for (const Field& f : fields) known.push_back(f.name);
      const auto near = config::nearest(name.key, known);
      problems.push_back(
          {name.at, join(path, name.key), near ? "unknown key; did you mean " + std::string{*near} + "?" : "unknown key"});
    } else if (map.items[i].kind == config::Value::Kind::null) {
      problems.push_back({name.at, join(path, name.key), "has no value; leave the key out if there is none"});
    } else {
      field->read(map.items[i], join(path, name.key), problems);
    }
  }
  for (const Field& field : fields) {
    const bool there =
        std::any_of(map.names.begin(), map.names.end(), [&field](const auto& name) { return name.key == field.name; });
    if (field.required && !there) problems.push_back({map.at, join(path, field.name), "missing"});
  }
}

void read_items(const config::Value& list, const std::string& path, std::size_t most, std::vector<config::Problem>& problems,
                const std::function<void(const config::Value&, const std::string& path)>& item) {
  if (list.kind != config::Value::Kind::list) {
    problems.push_back({list.at, path, "expected a list (each item begins with \"- \")"});
    return;
  }
  if (list.items.size() > most) {
    problems.push_back({list.at, path, "more than " + std::to_string(most) + " items"});
    return;
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) item(list.items[i], path + "[" + std::to_string(i) + "]");
}

Result<void> read_fields_of(std::string_view text, std::string_view filename, const std::vector<Field>& fields) {
  std::vector<config::Problem> problems;
  const config::Document document = config::read_document(text, problems);
  if (document.usable) read_fields(document.root, "", fields, problems);
  if (problems.empty()) return {};
  return Error{Errc::invalid_argument, message_of(filename, std::move(problems))};
}

}  // namespace sanad::registration
