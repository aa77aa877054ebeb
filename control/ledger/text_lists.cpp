#include "control/ledger/text_lists.hpp"

#include <stdexcept>

namespace sanad::ledger {
namespace {

template <class Use>
void for_each_part(std::string_view text, char separator, Use use) {
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    use(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string join_prefixes(const std::vector<IpPrefix>& prefixes) {
  std::string out;
  for (const auto& prefix : prefixes) {
    if (!out.empty()) out += ' ';
    out += prefix.to_string();
  }
  return out;
}

std::vector<IpPrefix> split_prefixes(std::string_view text) {
  std::vector<IpPrefix> out;
  for_each_part(text, ' ', [&out](std::string_view part) {
    auto prefix = IpPrefix::parse(part);
    if (!prefix) throw std::runtime_error("a row of the ledger has an address block that is none");
    out.push_back(*prefix);
  });
  return out;
}

std::string join_texts(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) {
    if (!out.empty()) out += '\n';
    out += text;
  }
  return out;
}

std::vector<std::string> split_texts(std::string_view text) {
  std::vector<std::string> out;
  for_each_part(text, '\n', [&out](std::string_view part) { out.emplace_back(part); });
  return out;
}

}  // namespace sanad::ledger
