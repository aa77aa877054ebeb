#pragma once
// Small YAML documents (a registrar's policy, an applicant's answers) read by a table of their keys, with every error of the file
// at once, as the configuration is. Pure.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/rule.hpp"
#include "config/value.hpp"
#include "gateway/base/result.hpp"

namespace sanad::registration {

using ReadField = std::function<void(const config::Value&, const std::string& path, std::vector<config::Problem>&)>;

struct Field {
  std::string_view name;
  ReadField read;
  bool required = false;
};

// A value that obeys `rule`, put into `out`, which outlives the reading.
template <class T>
ReadField into(config::Rule rule, T& out) {
  return [rule = std::move(rule), &out](const config::Value& value, const std::string& path,
                                        std::vector<config::Problem>& problems) {
    config::Input in(value, path, problems);
    config::assign(rule, in, out);
  };
}

// Text of at most `bytes`.
config::Rule text_rule(std::int64_t bytes);
config::Rule list_rule(config::Rule of_items, std::size_t most);

// Unknown and missing keys are problems like wrong values; repeated ones are refused before.
void read_fields(const config::Value& map, const std::string& path, const std::vector<Field>& fields,
                 std::vector<config::Problem>& problems);
// Each item of a list of mappings, at most `most`.
void read_items(const config::Value& list, const std::string& path, std::size_t most, std::vector<config::Problem>& problems,
                const std::function<void(const config::Value&, const std::string& path)>& item);

// The whole document; `fields` point into what the caller fills. invalid_argument: "file:line:column: path: message", a line
// each.
Result<void> read_fields_of(std::string_view text, std::string_view filename, const std::vector<Field>& fields);

}  // namespace sanad::registration
