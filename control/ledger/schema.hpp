#pragma once
// The tables, as numbered steps from one version of the schema to the next.

#include <SQLiteCpp/Database.h>

#include "gateway/base/result.hpp"

namespace sanad::ledger {

// Brings the database to this program's version, each step in a transaction of its own. Errors: unsupported (written by a newer
// Sanad), corrupt (a database that is not ours). Throws SQLite::Exception on storage trouble.
Result<void> migrate(SQLite::Database& database);

}  // namespace sanad::ledger
