#include "control/ledger/new_rows.hpp"

#include <sqlite3.h>

namespace sanad::ledger {
namespace {

// SQLite's own part comes first and is freed by us: https://sqlite.org/vtab.html
struct Table : sqlite3_vtab {
  explicit Table(const NewRows& run) : sqlite3_vtab{}, rows(run) {}
  const NewRows& rows;
};

struct Cursor : sqlite3_vtab_cursor {
  explicit Cursor(const NewRows& run) : sqlite3_vtab_cursor{}, rows(run) {}
  const NewRows& rows;
  std::size_t row = 0;
};

Cursor& cursor_of(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }

int connect(sqlite3* database, void* rows, int /*argc*/, const char* const* /*argv*/, sqlite3_vtab** out, char** /*error*/) {
  const auto& run = *static_cast<const NewRows*>(rows);
  std::string declaration = "CREATE TABLE new_rows(";
  for (std::size_t i = 0; i < run.columns(); ++i) declaration += (i == 0 ? "c" : ", c") + std::to_string(i);
  const int rc = sqlite3_declare_vtab(database, (declaration + ")").c_str());
  if (rc == SQLITE_OK) *out = new Table(run);
  return rc;
}

int disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

int best_index(sqlite3_vtab* /*table*/, sqlite3_index_info* /*info*/) { return SQLITE_OK; }

int open(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
  *out = new Cursor(static_cast<Table*>(table)->rows);
  return SQLITE_OK;
}

int close(sqlite3_vtab_cursor* cursor) {
  delete &cursor_of(cursor);
  return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* cursor, int /*index*/, const char* /*name*/, int /*argc*/, sqlite3_value** /*argv*/) {
  cursor_of(cursor).row = 0;
  return SQLITE_OK;
}

int next(sqlite3_vtab_cursor* cursor) {
  ++cursor_of(cursor).row;
  return SQLITE_OK;
}

int at_end(sqlite3_vtab_cursor* cursor) { return cursor_of(cursor).row >= cursor_of(cursor).rows.size() ? 1 : 0; }

int column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int number) {
  const NewRows& rows = cursor_of(cursor).rows;
  const auto& cell = rows.cell(cursor_of(cursor).row, static_cast<std::size_t>(number));
  // Static: they stay where they are until the statement has ended.
  switch (cell.kind) {
    case NewRows::Cell::Kind::null:
      sqlite3_result_null(context);
      break;
    case NewRows::Cell::Kind::integer:
      sqlite3_result_int64(context, cell.value);
      break;
    case NewRows::Cell::Kind::text:
      sqlite3_result_text(context, rows.bytes(cell).data(), static_cast<int>(cell.size), SQLITE_STATIC);
      break;
    case NewRows::Cell::Kind::blob:
      sqlite3_result_blob(context, rows.bytes(cell).data(), static_cast<int>(cell.size), SQLITE_STATIC);
      break;
  }
  return SQLITE_OK;
}

int row_number(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = static_cast<sqlite3_int64>(cursor_of(cursor).row);
  return SQLITE_OK;
}

// Without xCreate it is there under its own name, and nowhere in the database's schema.
constexpr sqlite3_module module_of_rows() {
  sqlite3_module module{};
  module.iVersion = 0;
  module.xConnect = connect;
  module.xDisconnect = disconnect;
  module.xBestIndex = best_index;
  module.xOpen = open;
  module.xClose = close;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = row_number;
  return module;
}

}  // namespace

int NewRows::attach(sqlite3* database) {
  static constexpr sqlite3_module kModule = module_of_rows();
  return sqlite3_create_module_v2(database, name_, &kModule, this, nullptr);
}

}  // namespace sanad::ledger
