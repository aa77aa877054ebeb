#include "control/cli/json_view.hpp"

#include <boost/json.hpp>

#include "control/cli/text.hpp"

namespace sanad::cli {

std::optional<json::value> parse_json(std::string_view text) {
  boost::system::error_code ec;
  json::value value = json::parse(text, ec);
  if (ec) return std::nullopt;
  return value;
}

const json::value* find(const json::value& root, std::string_view path) {
  const json::value* at = &root;
  while (!path.empty()) {
    const std::string_view key = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), key.size() + 1));
    if (!at->is_object()) return nullptr;
    at = at->get_object().if_contains(key);
    if (at == nullptr) return nullptr;
  }
  return at->is_null() ? nullptr : at;
}

std::string text_at(const json::value& root, std::string_view path) {
  const json::value* at = find(root, path);
  return at != nullptr && at->is_string() ? std::string(at->get_string()) : std::string();
}

std::string shown(const json::value& root, std::string_view path) {
  const json::value* at = find(root, path);
  if (at == nullptr) return "-";
  std::string text = at->is_string() ? safe(std::string_view(at->get_string())) : to_line(*at);
  return text.empty() ? "-" : text;
}

std::int64_t int_at(const json::value& root, std::string_view path) {
  const json::value* at = find(root, path);
  if (at == nullptr) return 0;
  boost::system::error_code ec;
  const auto number = at->to_number<std::int64_t>(ec);
  return ec ? 0 : number;
}

std::optional<double> number_at(const json::value& root, std::string_view path) {
  const json::value* at = find(root, path);
  if (at == nullptr || !at->is_number()) return std::nullopt;
  return at->to_number<double>();
}

bool bool_at(const json::value& root, std::string_view path) {
  const json::value* at = find(root, path);
  return at != nullptr && at->is_bool() && at->get_bool();
}

std::optional<WallTime> time_at(const json::value& root, std::string_view path) {
  const std::string text = text_at(root, path);
  if (text.empty()) return std::nullopt;
  const auto time = parse_rfc3339(text);
  if (!time) return std::nullopt;
  return *time;
}

const json::array& array_at(const json::value& root, std::string_view path) {
  static const json::array none;
  const json::value* at = find(root, path);
  return at != nullptr && at->is_array() ? at->get_array() : none;
}

std::string erased_text(const json::value& root) {
  const auto at = time_at(root, "owner.erased.at");
  if (!at) return {};
  return "erased on " + to_rfc3339(*at).substr(0, 10) + " (record #" + std::to_string(int_at(root, "owner.erased.evidence")) +
         ")";
}

std::string joined_at(const json::value& root, std::string_view path, std::string_view separator) {
  std::string text;
  for (const auto& item : array_at(root, path)) {
    if (!item.is_string()) continue;
    if (!text.empty()) text += separator;
    text += safe(std::string_view(item.get_string()));
  }
  return text;
}

std::string to_line(const json::value& value) {
  const std::string text = json::serialize(value);
  std::string line;
  line.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    constexpr char kHex[] = "0123456789abcdef";
    if (byte == 0x7F) {
      line += "\\u007f";
    } else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {
      line += std::string("\\u00") + kHex[next >> 4] + kHex[next & 0xF];
      ++i;
    } else {
      line += text[i];
    }
  }
  return line;
}

}  // namespace sanad::cli
