#include "config/value.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "gateway/base/encoding.hpp"

namespace sanad::config {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxKeyBytes = 64;
constexpr std::size_t kMaxMembers = 1'000;  // keeps the search for duplicates short
constexpr std::size_t kMaxValues = 100'000;

Position position(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

// A stop that unwinds yaml-cpp's parser from inside an event; caught in read_document only.
struct Refused {
  Position at;
  std::string message;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<Problem>& problems) : problems_(problems) {}

  Value take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add({Value::Kind::null, position(mark)}, anchor, ""); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Refused{position(mark), "aliases (*name) are not accepted: write the value out"};
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    Value value{Value::Kind::scalar, position(mark)};
    value.text = text;
    value.quoted = tag == "!";
    // The three other spellings of "nothing here"; OnNull only comes for an empty place.
    if (!value.quoted && (text == "~" || text == "null")) value = {Value::Kind::null, position(mark)};
    add(std::move(value), anchor, tag);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open({Value::Kind::list, position(mark)}, anchor, tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open({Value::Kind::map, position(mark)}, anchor, tag);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Value value;
    std::string path;
    bool expects_key = true;  // maps only
    std::string key;
    Position key_at;
    bool repeated = false;
  };

  void check(const Value& value, YAML::anchor_t anchor, const std::string& tag) {
    if (anchor != 0) throw Refused{value.at, "anchors (&name) are not accepted: write the value out where it is needed"};
    if (!tag.empty() && tag != "?" && tag != "!") throw Refused{value.at, "tags (!name) are not accepted"};
    if (++values_ > kMaxValues) throw Refused{value.at, "more than 100000 values"};
  }

  void add(Value value, YAML::anchor_t anchor, const std::string& tag) {
    check(value, anchor, tag);
    place(std::move(value));
  }

  void open(Value value, YAML::anchor_t anchor, const std::string& tag) {
    check(value, anchor, tag);
    if (stack_.size() >= kMaxDepth) throw Refused{value.at, "nested deeper than 32 levels"};
    if (!stack_.empty() && stack_.back().value.kind == Value::Kind::map && stack_.back().expects_key) {
      throw Refused{value.at, "a key must be a word, not a list or a mapping"};
    }
    std::string path = next_path();
    stack_.push_back({std::move(value), std::move(path), true, {}, {}, false});
  }

  void close() {
    Value value = std::move(stack_.back().value);
    stack_.pop_back();
    place(std::move(value));
  }

  [[nodiscard]] std::string next_path() const {
    if (stack_.empty()) return {};
    const Open& top = stack_.back();
    if (top.value.kind == Value::Kind::list) return top.path + "[" + std::to_string(top.value.items.size()) + "]";
    return top.path.empty() ? top.key : top.path + "." + top.key;
  }

  void place(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& top = stack_.back();
    if (top.value.kind == Value::Kind::list) {
      top.value.items.push_back(std::move(value));
    } else if (top.expects_key) {
      begin_member(top, value);
    } else {
      top.expects_key = true;
      // The first one stays, so that what else is wrong with it is still reported.
      if (top.repeated) return;
      top.value.names.push_back({std::move(top.key), top.key_at});
      top.value.items.push_back(std::move(value));
    }
  }

  void begin_member(Open& top, const Value& key) {
    // Keys end up in messages: their escapes ("\\x1b") must not.
    if (key.kind != Value::Kind::scalar || key.text.size() > kMaxKeyBytes || !is_plain_text(key.text)) {
      throw Refused{key.at, "a key must be a word of at most 64 bytes"};
    }
    if (top.value.names.size() >= kMaxMembers) throw Refused{key.at, "more than 1000 keys in one mapping"};
    top.expects_key = false;
    top.key = key.text;
    top.key_at = key.at;
    const auto& names = top.value.names;
    const auto same = std::find_if(names.begin(), names.end(), [&top](const Value::Name& name) { return name.key == top.key; });
    top.repeated = same != names.end();
    if (top.repeated) {
      problems_.push_back({key.at, next_path(), "duplicate key, already given at line " + std::to_string(same->at.line)});
    }
  }

  std::vector<Problem>& problems_;
  Value root_;
  std::vector<Open> stack_;
  std::size_t values_ = 0;
};

// yaml-cpp would replace what is not UTF-8 and accept UTF-16; both make a file that reads differently from how it looks.
bool check_characters(std::string_view text, std::vector<Problem>& problems) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  int line = 1;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string content(text.substr(0, end));
    if (content.ends_with('\r')) content.pop_back();
    std::replace(content.begin(), content.end(), '\t', ' ');
    if (!is_plain_text(content)) {
      const std::size_t nul = content.find('\0');
      const int column = nul == std::string::npos ? 1 : static_cast<int>(nul) + 1;
      problems.push_back({{line, column},
                          "",
                          nul == std::string::npos ? "not UTF-8 text, or a control character in this line"
                                                   : "a NUL byte: this is not a text file"});
      return false;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    ++line;
  }
  return true;
}

}  // namespace

Document read_document(std::string_view text, std::vector<Problem>& problems) {
  Document document;
  if (!check_characters(text, problems)) return document;
  // yaml-cpp takes a quoted value that the end of the file cuts short for a whole one; not when a document end follows.
  std::istringstream stream(std::string(text) + "\n...\n");
  const auto last_line = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  TreeBuilder builder(problems);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    document.root = builder.take();
    TreeBuilder second(problems);
    if (parser.HandleNextDocument(second)) {
      problems.push_back({second.take().at, "", "a second document (after ---) is not accepted: one file, one configuration"});
      return document;
    }
    document.usable = true;
  } catch (const Refused& refused) {
    problems.push_back({refused.at, "", refused.message});
  } catch (const YAML::Exception& error) {
    const bool cut_short = error.mark.line > last_line;
    problems.push_back({position(error.mark), "",
                        "not valid YAML: " + (cut_short ? "something is not closed before the end of the file" : error.msg)});
  }
  return document;
}

}  // namespace sanad::config
