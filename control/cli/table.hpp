#pragma once
// Columns for people. Pure.

#include <string>
#include <string_view>
#include <vector>

namespace sanad::cli {

enum class Align { left, right };

class Table final {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // Cells are made safe to print here; missing ones are empty.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // Title line, then a line a row; two spaces between columns, none at the end of a line.
  [[nodiscard]] std::string render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sanad::cli
