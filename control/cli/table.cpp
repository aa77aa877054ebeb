#include "control/cli/table.hpp"

#include <algorithm>

#include "control/cli/text.hpp"

namespace sanad::cli {

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (auto& cell : cells) cell = safe(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::render() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = display_width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](auto cell_at) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (c != 0) text += "  ";
      text += columns_[c].align == Align::left ? pad_right(cell_at(c), widths[c]) : pad_left(cell_at(c), widths[c]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([this](std::size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) line([&row](std::size_t c) -> const std::string& { return row[c]; });
  return out;
}

}  // namespace sanad::cli
