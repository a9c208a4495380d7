#include "bitloss/store/side_file.h"

#include <system_error>

namespace bitloss {
namespace {

// What is lost can be computed again, so nothing waits for the disk.
constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = OFF;";
constexpr const char* kIdentityTable =
    "CREATE TABLE IF NOT EXISTS identity (identity TEXT NOT NULL);";

// The file as it is, if it is whole and of this identity; a new one gets its tables.
Result<Database> OpenOf(const std::filesystem::path& path, const std::string& identity,
                        const char* tables) {
  BITLOSS_TRY(Database database, Database::Open(path, DatabaseMode::kReadWrite));
  BITLOSS_DO(database.Run(kSettings));
  BITLOSS_DO(database.Run(kIdentityTable));
  BITLOSS_DO(database.Run(tables));
  {
    BITLOSS_TRY(Query query, database.Prepare("SELECT identity FROM identity"));
    BITLOSS_TRY(const bool found, query.Next());
    if (found) {
      if (query.Text(0) == identity) return database;
      return BadInput("'{}': of another study", path.string());
    }
  }
  {
    BITLOSS_TRY(Query insert, database.Prepare("INSERT INTO identity VALUES (?)"));
    BITLOSS_DO(insert.Bind(identity).Run());
  }
  return database;
}

void RemoveFile(const std::filesystem::path& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path.string() + suffix, ignored);
  }
}

}  // namespace

Result<Database> OpenSideFile(const std::filesystem::path& path, const std::string& identity,
                              const char* tables) {
  Result<Database> database = OpenOf(path, identity, tables);
  if (database.ok() || database.error().kind != ErrorKind::kBadInput) return database;
  RemoveFile(path);
  return OpenOf(path, identity, tables);
}

}  // namespace bitloss
