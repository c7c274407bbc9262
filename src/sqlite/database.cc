#include "sqlite/database.h"

#include <sqlite3.h>

#include "base/assert.h"

namespace posthorn::sqlite {

Statement::Statement(Database& database, sqlite3_stmt* statement)
    : database_(&database), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() {
  if (statement_ != nullptr) reset();
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->error(code, sqlite3_sql(statement_));
}

Result<> Statement::run() {
  for (;;) {
    TRY(const bool more, step());
    if (!more) break;
  }
  reset();
  return {};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_blob(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_BLOB;
}

void Statement::bind_one(int at, std::int64_t value) {
  sqlite3_bind_int64(statement_, at, value);
}

void Statement::bind_one(int at, std::string_view value) {
  // Names on disk are bytes of any kind: blobs, never converted. An empty view may have no address.
  sqlite3_bind_blob64(statement_, at, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_STATIC);
}

Database::~Database() {
  close();
}

std::unexpected<Error> Database::error(int code, std::string_view what) {
  if ((code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB) corrupt_ = true;
  std::string text = "database " + file_.native() + ": ";
  text += handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  text += " (";
  text += what;
  text += ")";
  return fail(ErrorKind::temporary, std::move(text));
}

Result<> Database::open(const Path& file) {
  ASSERT(handle_ == nullptr);
  file_ = file;
  corrupt_ = false;
  depth_ = 0;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  const int code = sqlite3_open_v2(file.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) {
    auto failed = error(code, "open");
    close();
    return failed;
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, 5000);
  return {};
}

void Database::close() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  if (handle_ != nullptr) sqlite3_close(std::exchange(handle_, nullptr));
}

Result<> Database::copy_to(Database& other) {
  sqlite3_backup* copy = sqlite3_backup_init(other.handle_, "main", handle_, "main");
  if (copy == nullptr) return other.error(sqlite3_errcode(other.handle_), "copy");
  (void)sqlite3_backup_step(copy, -1);
  const int code = sqlite3_backup_finish(copy);
  if (code != SQLITE_OK) return other.error(code, "copy");
  return {};
}

void Database::swap(Database& other) {
  ASSERT(depth_ == 0 && other.depth_ == 0);
  std::swap(handle_, other.handle_);
  std::swap(file_, other.file_);
  std::swap(corrupt_, other.corrupt_);
  std::swap(failed_, other.failed_);
  statements_.swap(other.statements_);
}

std::int64_t Database::changes() const {
  return handle_ == nullptr ? 0 : sqlite3_total_changes64(handle_);
}

Result<> Database::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code, sql);
  return {};
}

Result<Statement> Database::prepare(const char* sql) {
  auto& statement = statements_[sql];
  if (statement == nullptr) {
    const int code =
        sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return error(code, sql);
  }
  return Statement(*this, statement);
}

Result<Database::Transaction> Database::begin() {
  if (depth_ == 0) {
    TRY_OK(execute("BEGIN IMMEDIATE"));
    failed_ = false;
  }
  ++depth_;
  return Transaction(*this);
}

Database::Transaction::~Transaction() {
  if (database_ == nullptr || database_->handle_ == nullptr) return;
  database_->failed_ = true;
  if (--database_->depth_ == 0) (void)database_->execute("ROLLBACK");
}

Result<> Database::Transaction::commit() {
  Database* database = std::exchange(database_, nullptr);
  ASSERT(database != nullptr);
  if (--database->depth_ > 0) return {};
  if (database->failed_) {
    (void)database->execute("ROLLBACK");
    return fail(ErrorKind::temporary,
                "database " + database->file_.native() + ": a part was given up");
  }
  auto committed = database->execute("COMMIT");
  if (!committed) (void)database->execute("ROLLBACK");
  return committed;
}

}  // namespace posthorn::sqlite
