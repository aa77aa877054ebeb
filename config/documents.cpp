#include "config/documents.hpp"

#include <fmt/format.h>

#include "config/keys.hpp"

namespace sanad::config {
namespace {

constexpr std::size_t kLineWidth = 120;

// The default as it would be written; what Config{} holds when it does not follow from other keys.
std::string default_of(const Key& key) {
  if (key.required) return "none: it must be given";
  if (!key.fallback.empty()) return std::string(key.fallback);
  Config config;
  Interface interface;
  Anchor anchor;
  RoleGrant grant;
  return key.show(Scope{&config, &interface, &anchor, &grant});
}

std::string type_of(const Key& key) {
  if (!key.rule.list) return describe(key.rule);
  const std::string count = key.rule.min_items > 0 ? fmt::format("{} to {}", key.rule.min_items, key.rule.max_items)
                                                   : fmt::format("up to {}", key.rule.max_items);
  return fmt::format("list of {}, each {}", count, describe(key.rule));
}

// A table cell: '|' would end it, and '<' begin a tag.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    if (c == '<') {
      escaped += "&lt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

class Example {
 public:
  std::string make() {
    text_ =
        "# Sanad's configuration. Every key there is, most of them commented out; the defaults are what most gateways want.\n"
        "# Check it with: sanadd --check --config /etc/sanad/sanad.yaml. Long form of all this: config/reference.md.\n";
    for (const Section& section : sections()) {
      if (parent_of(section.path).empty()) emit(section, 0, false);
    }
    return std::move(text_);
  }

 private:
  void emit(const Section& section, std::size_t indent, bool commented) {
    const bool list = section.path.ends_with("[]");
    std::string_view name = leaf_of(section.path);
    if (list) name.remove_suffix(2);
    // A list is written out only where the file must have one; otherwise the example is not to become a fact.
    const bool hidden = commented || (list && section.path != "interfaces[]");
    if (indent == 0) text_ += '\n';
    remark(section.sentence, indent);
    line(fmt::format("{}:", name), indent, hidden);
    std::size_t inner = indent + 2;
    if (list) {
      line("-", inner, hidden);
      inner += 2;
    }
    for (const Key& key : keys()) {
      if (parent_of(key.path) != section.path) continue;
      const bool needed = key.required && !hidden;
      std::string sentence(key.sentence);
      if (!key.required) sentence += fmt::format(" Default: {}.", default_of(key));
      remark(sentence, inner);
      line(fmt::format("{}: {}", leaf_of(key.path), key.example), inner, !needed);
    }
    for (const Section& child : sections()) {
      if (parent_of(child.path) == section.path) emit(child, inner, hidden);
    }
  }

  void line(std::string_view content, std::size_t indent, bool commented) {
    text_ += fmt::format("{:{}}{}{}\n", "", indent, commented ? "#" : "", content);
  }

  // Comments begin with "# ", keys that are commented out with "#": removing one '#' from such a line gives the key.
  void remark(std::string_view sentence, std::size_t indent) {
    std::string current;
    while (!sentence.empty()) {
      const std::size_t space = sentence.find(' ');
      const std::string_view next = sentence.substr(0, space);
      if (!current.empty() && indent + 3 + current.size() + next.size() > kLineWidth) {
        line("# " + current, indent, false);
        current.clear();
      }
      if (!current.empty()) current += ' ';
      current += next;
      sentence.remove_prefix(space == std::string_view::npos ? sentence.size() : space + 1);
    }
    line("# " + current, indent, false);
  }

  std::string text_;
};

}  // namespace

std::string reference_markdown() {
  std::string text =
      "# /etc/sanad/sanad.yaml\n\n"
      "Made from the table of keys (`config/keys.cpp`) by `ninja config_documents`; a test fails when it is out of date.\n\n"
      "YAML, UTF-8, at most 1 MiB, one document, without anchors, aliases and tags. Unknown and repeated keys are errors; all "
      "errors\n"
      "are reported at once as `file:line:column: path: message`. `sanadd --check` reads a file and changes nothing. A key "
      "marked\n"
      "*restart* cannot change under a running daemon: a reload that changes one is refused as a whole. Secrets are never in "
      "this\n"
      "file, only where they lie; `credential:NAME` means the systemd credential of that name.\n";
  for (const Section& section : sections()) {
    text += fmt::format("\n## `{}`\n\n{}\n\n| key | value | default | |\n|---|---|---|---|\n", section.path, section.sentence);
    for (const Key& key : keys()) {
      if (parent_of(key.path) != section.path) continue;
      text += fmt::format("| `{}` | {} | {} | {}{} |\n", leaf_of(key.path), cell(type_of(key)), cell(default_of(key)),
                          cell(key.sentence), key.restart ? " *(restart)*" : "");
    }
  }
  return text;
}

std::string example_yaml() { return Example{}.make(); }

}  // namespace sanad::config
