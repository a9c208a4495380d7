// A thin owner of an SQLite connection: statements with typed binds and columns, transactions, and
// errors as one line that names the file and says what to do.
#ifndef BITLOSS_STORE_SQLITE_H_
#define BITLOSS_STORE_SQLITE_H_

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "bitloss/base/result.h"

namespace bitloss {

class Database;

// A prepared statement. Parameters are bound in order; a failed bind shows in the next step.
class Query {
 public:
  Query& Bind(uint64_t value);
  Query& Bind(double value);
  Query& Bind(std::string_view value);
  Query& Bind(std::span<const std::byte> value);
  template <class T>
  Query& Bind(const std::optional<T>& value) {
    return value ? Bind(*value) : BindNull();
  }
  Query& BindNull();

  // Ready to be bound and run again.
  void Reset();

  // Moves to the next row; false when there is none.
  Result<bool> Next();
  // For a statement without rows: runs it.
  Status Run();

  // Columns of the current row, from 0. Spans live until the next step.
  uint64_t Integer(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::span<const std::byte> Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Query(const Database* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int num_bound_ = 0;
  int bind_error_ = SQLITE_OK;
};

enum class DatabaseMode {
  kReadWrite,          // created if missing
  kReadOnly,           // may still build the shared-memory index of a WAL file
  kReadOnlyUnchanging  // for read-only media: takes no locks and expects no writer
};

class Database {
 public:
  static Result<Database> Open(const std::filesystem::path& path, DatabaseMode mode);

  Result<Query> Prepare(std::string_view sql) const;
  // Several statements without parameters.
  Status Run(const char* sql) const;
  // The first column of the first row of `sql`. Requires: it has a row.
  Result<uint64_t> ReadInteger(std::string_view sql) const;

  // The connection's last failure in one line.
  Error LastError(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  };
  std::unique_ptr<sqlite3, Close> connection_;
  std::filesystem::path path_;
};

// Everything between Begin and Commit happens or nothing does; rolled back when it goes out of
// scope uncommitted.
class Transaction {
 public:
  static Result<Transaction> Begin(const Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;

  Status Commit();

 private:
  explicit Transaction(const Database* database) : database_(database) {}
  const Database* database_;  // none once committed
};

}  // namespace bitloss

#endif  // BITLOSS_STORE_SQLITE_H_
