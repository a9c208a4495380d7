#include "bitloss/store/sqlite.h"

#include <cstring>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

// How long a statement waits for another process's transaction before it gives up.
constexpr int kBusyMilliseconds = 5000;

std::string Uri(const std::filesystem::path& path, DatabaseMode mode) {
  // Everything but unreserved characters is escaped: a folder may be called "what?#100%".
  std::string uri = "file:";
  for (const char c : path.string()) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::strchr("/._-~", c) != nullptr;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  switch (mode) {
    case DatabaseMode::kReadWrite:
      return uri + "?mode=rwc";
    case DatabaseMode::kReadOnly:
      return uri + "?mode=ro";
    case DatabaseMode::kReadOnlyUnchanging:
      return uri + "?immutable=1&mode=ro";
  }
  BITLOSS_CHECK(false);
}

Error Explain(const std::filesystem::path& path, sqlite3* connection, int code) {
  const std::string file = path.string();
  const char* what = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  const int system_code = connection != nullptr ? sqlite3_system_errno(connection) : 0;
  const std::string system =
      system_code != 0 ? fmt::format(" ({})", std::strerror(system_code)) : "";
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return IoError("'{}': the disk is full; free some space and run the same command again",
                     file);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return IoError("'{}': locked by another process; wait for it, or use another folder", file);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return IoError("'{}': cannot be opened or written{}; check the folder's permissions", file,
                     system);
    case SQLITE_IOERR:
      return IoError("'{}': reading or writing failed{}", file, system);
    case SQLITE_NOTADB:
      return BadInput("'{}': not a bitloss study (not an SQLite database)", file);
    case SQLITE_CORRUPT:
      return BadInput("'{}': the study is damaged; restore the file, or begin in another folder",
                      file);
    default:
      return BadInput("'{}': {}", file, what);
  }
}

}  // namespace

Query& Query::Bind(uint64_t value) {
  const int code =
      sqlite3_bind_int64(statement_.get(), ++num_bound_, static_cast<sqlite3_int64>(value));
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Query& Query::Bind(double value) {
  const int code = sqlite3_bind_double(statement_.get(), ++num_bound_, value);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Query& Query::Bind(std::string_view value) {
  // A null pointer would bind NULL instead of the empty string.
  const char* data = value.empty() ? "" : value.data();
  const int code = sqlite3_bind_text64(statement_.get(), ++num_bound_, data, value.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Query& Query::Bind(std::span<const std::byte> value) {
  const void* data = value.empty() ? static_cast<const void*>("") : value.data();
  const int code =
      sqlite3_bind_blob64(statement_.get(), ++num_bound_, data, value.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Query& Query::BindNull() {
  const int code = sqlite3_bind_null(statement_.get(), ++num_bound_);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

void Query::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  num_bound_ = 0;
  bind_error_ = SQLITE_OK;
}

Result<bool> Query::Next() {
  if (bind_error_ != SQLITE_OK) return database_->LastError(bind_error_);
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->LastError(code);
}

Status Query::Run() {
  BITLOSS_TRY(const bool row, Next());
  BITLOSS_CHECK(!row);
  return Ok();
}

uint64_t Query::Integer(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

double Query::Real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string Query::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::span<const std::byte> Query::Blob(int column) const {
  const auto* blob = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  if (blob == nullptr) return {};
  return {blob, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Query::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Result<Database> Database::Open(const std::filesystem::path& path, DatabaseMode mode) {
  // Relative paths of a file: URI are read differently by different versions.
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return IoError("'{}': {}", path.string(), error.message());

  sqlite3* connection = nullptr;
  const int flags = (mode == DatabaseMode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                      : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(Uri(absolute, mode).c_str(), &connection, flags, nullptr);
  Database database;
  database.connection_.reset(connection);
  database.path_ = path;
  if (code != SQLITE_OK) return database.LastError(code);
  sqlite3_busy_timeout(connection, kBusyMilliseconds);
  return database;
}

Result<Query> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      &statement, nullptr);
  if (code != SQLITE_OK) return LastError(code);
  return Query(this, statement);
}

Status Database::Run(const char* sql) const {
  const int code = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return LastError(code);
  return Ok();
}

Result<uint64_t> Database::ReadInteger(std::string_view sql) const {
  BITLOSS_TRY(Query query, Prepare(sql));
  BITLOSS_TRY(const bool row, query.Next());
  BITLOSS_CHECK(row);
  return query.Integer(0);
}

Error Database::LastError(int code) const { return Explain(path_, connection_.get(), code); }

Result<Transaction> Transaction::Begin(const Database& database) {
  BITLOSS_DO(database.Run("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  // A failed rollback leaves an unfinished transaction, which nobody will ever see.
  if (database_ != nullptr) static_cast<void>(database_->Run("ROLLBACK").ok());
}

Status Transaction::Commit() {
  BITLOSS_DO(database_->Run("COMMIT"));
  database_ = nullptr;
  return Ok();
}

}  // namespace bitloss
