// A thin layer over SQLite: a connection, prepared statements that stay prepared, transactions that
// roll back unless committed. Used on one thread at a time. Errors are temporary; is_corrupt()
// tells a database that is of no more use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/file.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace posthorn::sqlite {

class Database;

// A prepared statement in use; reset when it dies. Text that column_* gives is valid until the next
// step.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Parameters are bound from the left; bytes must live until the last step.
  template <class... Values>
  Statement& bind(const Values&... values) {
    int at = 0;
    (bind_one(++at, values), ...);
    return *this;
  }
  Result<bool> step();  // true: a row is there
  Result<> run();       // to the end, then ready for the next bind
  void reset();

  std::int64_t integer(int column) const;
  template <class T>
  T number(int column) const {
    return static_cast<T>(integer(column));
  }
  std::string_view bytes(int column) const;
  bool is_blob(int column) const;
  using NumberOrBytes = std::variant<std::int64_t, std::string_view>;

 private:
  friend class Database;
  Statement(Database& database, sqlite3_stmt* statement);
  void bind_one(int at, std::int64_t value);
  void bind_one(int at, std::uint64_t value) { bind_one(at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, std::uint32_t value) { bind_one(at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, std::uint8_t value) { bind_one(at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, int value) { bind_one(at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, bool value) { bind_one(at, std::int64_t{value ? 1 : 0}); }
  void bind_one(int at, std::string_view value);
  void bind_one(int at, const NumberOrBytes& value) {
    std::visit([&](const auto& one) { bind_one(at, one); }, value);
  }
  void bind_one(int at, const std::string& value) { bind_one(at, std::string_view(value)); }
  void bind_one(int at, const char* value) { bind_one(at, std::string_view(value)); }

  Database* database_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  Database() = default;
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<> open(const Path& file);
  void close();
  bool is_open() const { return handle_ != nullptr; }
  bool is_corrupt() const { return corrupt_; }
  bool is_in_transaction() const { return depth_ > 0; }
  // All of it into another, which is open and loses what it had.
  Result<> copy_to(Database& other);
  void swap(Database& other);    // outside of transactions, without statements in use
  std::int64_t changes() const;  // rows written by this connection, triggers' too; 0: it is closed

  Result<> execute(const char* sql);
  // sql must be a literal: its address is the key of the cache.
  Result<Statement> prepare(const char* sql);

  class Transaction {
   public:
    explicit Transaction(Database& database) : database_(&database) {}
    Transaction(Transaction&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Result<> commit();

   private:
    Database* database_;
  };
  // Nested ones are part of the outermost.
  Result<Transaction> begin();

 private:
  friend class Statement;
  std::unexpected<Error> error(int code, std::string_view what);

  sqlite3* handle_ = nullptr;
  Path file_;
  bool corrupt_ = false;
  int depth_ = 0;
  bool failed_ = false;  // an inner transaction was given up: the outermost must not commit
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace posthorn::sqlite
