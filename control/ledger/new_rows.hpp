#pragma once
// Rows that jobs insert one by one, kept until something looks at the table and then put in by one statement. Starting and ending
// a statement, and finding the end of each index anew, costs SQLite as much as the row itself: a session with its endpoint and
// disclosures takes half as long in a run of hundreds as alone. SQLite reads the run as a table of its own: "INSERT INTO
// sessions(...) SELECT * FROM new_sessions".
//
// Storage thread only. Store decides when they are put in; who asks through Store need not know of them.

#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gateway/base/clock.hpp"

struct sqlite3;

namespace sanad::ledger {

// Hands `value` to the sink as one of SQLite's kinds: put_integer, put_text, put_blob or put_null.
template <class Sink, class Value>
void put_value(Sink& sink, const Value& value) {
  if constexpr (std::same_as<Value, std::nullptr_t>) {
    sink.put_null();
  } else if constexpr (std::integral<Value>) {
    sink.put_integer(static_cast<std::int64_t>(value));
  } else if constexpr (std::same_as<Value, WallTime>) {
    sink.put_integer(value.ns);
  } else if constexpr (std::same_as<Value, std::optional<WallTime>>) {
    value ? sink.put_integer(value->ns) : sink.put_null();
  } else if constexpr (std::same_as<Value, std::string>) {
    sink.put_text(value);
  } else {
    sink.put_blob(std::span<const std::uint8_t>(value));
  }
}

class NewRows final {
 public:
  // All three live as long as the program. `name`: of the table SQLite reads them as. `insert`: takes the columns in order.
  NewRows(const char* name, std::size_t columns, const char* insert) : name_(name), columns_(columns), insert_(insert) {}
  NewRows(const NewRows&) = delete;
  NewRows& operator=(const NewRows&) = delete;

  // Makes the table known to a database, which must not outlive this. SQLite's code.
  [[nodiscard]] int attach(sqlite3* database);

  // As many values as there are columns; text and bytes are copied.
  template <class... Values>
  void add(const Values&... values) {
    assert(sizeof...(values) == columns_);
    (put_value(*this, values), ...);
  }
  void clear() {
    cells_.clear();
    bytes_.clear();
  }

  [[nodiscard]] const char* insert() const { return insert_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] std::size_t size() const { return cells_.size() / columns_; }

  struct Cell {
    enum class Kind : std::uint8_t { null, integer, text, blob };
    Kind kind = Kind::null;
    std::uint32_t size = 0;
    std::int64_t value = 0;  // the number, or where in the bytes the text begins
  };
  [[nodiscard]] const Cell& cell(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }
  [[nodiscard]] std::int64_t integer(std::size_t row, std::size_t column) const { return cell(row, column).value; }
  [[nodiscard]] std::string_view bytes(const Cell& cell) const {
    return std::string_view(bytes_).substr(static_cast<std::size_t>(cell.value), cell.size);
  }

  void put_null() { cells_.emplace_back(); }
  void put_integer(std::int64_t value) { cells_.push_back({Cell::Kind::integer, 0, value}); }
  void put_text(std::string_view text) { put_bytes(Cell::Kind::text, text); }
  void put_blob(std::span<const std::uint8_t> blob) {
    put_bytes(Cell::Kind::blob, {reinterpret_cast<const char*>(blob.data()), blob.size()});
  }

 private:
  void put_bytes(Cell::Kind kind, std::string_view bytes) {
    cells_.push_back({kind, static_cast<std::uint32_t>(bytes.size()), static_cast<std::int64_t>(bytes_.size())});
    bytes_ += bytes;
  }

  const char* const name_;
  const std::size_t columns_;
  const char* const insert_;
  std::vector<Cell> cells_;  // row by row
  std::string bytes_;
};

}  // namespace sanad::ledger
