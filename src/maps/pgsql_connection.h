// PgsqlConnection: one connection to PostgreSQL. Its calls block, each with a deadline, so on a
// role they run on a thread of their own; tools call them as they are. Values reach the server as
// bound parameters of prepared statements only, never inside a statement's text. Every failure is
// temporary: a database that cannot be asked has not said "no". A password is never part of an
// Error.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/config.h"

struct pg_conn;
struct pg_result;

namespace posthorn::maps {

using PgsqlRow = std::vector<std::string>;  // NULL is ""
using PgsqlRows = std::vector<PgsqlRow>;

struct PgsqlQuery {
  std::string sql;  // with $1, $2 …
  std::vector<std::string> values;
  std::size_t rows_max = 1;  // an answer with more is an Error
  // Of the parameters, as PostgreSQL numbers them; 0, or none: as it infers them.
  std::vector<unsigned> types = {};
  // ours: once one has failed, the connection is of no more use. own: an administrator's, which
  // may fail for a reason of its own beside others that do not.
  enum class Of { ours, own };
  Of of = Of::ours;
};
constexpr unsigned kPgsqlText = 25;  // the type's number in every PostgreSQL

// What a connection is for.
enum class PgsqlSession {
  schema,       // names are written with their schema, and found nowhere else
  own_queries,  // the administrator's statements: in the role's own search_path, READ ONLY
};

// What PostgreSQL says of a statement before it is asked.
struct PgsqlShape {
  struct Column {
    std::string name, type;  // "goto", "character varying"
    char category = 'X';     // pg_type.typcategory: S a text, B boolean, N a number
  };
  std::vector<Column> parameters, columns;
};

class PgsqlConnection {
 public:
  // The time holds for opening and then for each statement.
  static Result<std::unique_ptr<PgsqlConnection>> open(const config::Pgsql& config,
                                                       std::chrono::milliseconds time,
                                                       PgsqlSession session = PgsqlSession::schema);
  ~PgsqlConnection();
  PgsqlConnection(const PgsqlConnection&) = delete;
  PgsqlConnection& operator=(const PgsqlConnection&) = delete;

  Result<PgsqlRows> ask(const PgsqlQuery& query);
  Result<PgsqlShape> describe(const PgsqlQuery& query);
  // The code of the last Error that PostgreSQL itself gave (SQLSTATE, "42703"); "": none did.
  const std::string& last_code() const { return last_code_; }
  Result<> execute(const std::string& script);  // several statements, whose rows are thrown away
  // COPY … FROM STDIN: two columns a row.
  Result<> copy_in(const std::string& sql,
                   std::span<const std::pair<std::string, std::string>> rows);
  // What was sent to the channels listened to, without waiting.
  Result<std::vector<std::string>> take_notifications();
  int socket() const;
  // Of no more use: the server went away, or an answer came too late to be told from the next.
  bool is_broken() const;
  bool is_used() const { return used_; }
  void set_time(std::chrono::milliseconds time) { time_ = time; }

 private:
  explicit PgsqlConnection(std::chrono::milliseconds time) : time_(time) {}
  Result<> connect(const config::Pgsql& config, PgsqlSession session);
  Result<> wait(short events, SteadyTime deadline);
  Result<> flush(SteadyTime deadline);
  Result<pg_result*> next_result(SteadyTime deadline);  // nullptr: that was the last
  Result<PgsqlRows> read_rows(std::size_t rows_max, SteadyTime deadline);
  Result<std::string> prepare(const PgsqlQuery& query, SteadyTime deadline);
  void forget(const std::string& sql);
  Result<> name_types(std::vector<PgsqlShape::Column>& columns);
  std::unexpected<Error> fault();

  pg_conn* connection_ = nullptr;
  std::chrono::milliseconds time_;
  std::unordered_map<std::string, std::string> prepared_;  // statement, then its name
  std::size_t named_ = 0;                                  // so many names were given
  std::string last_code_;
  bool broken_ = false;
  bool used_ = false;
};

// nullopt: all well, else what is wrong with pgsql.conninfo.
std::optional<std::string> find_conninfo_fault(const config::Pgsql& config);
// Is it reached by Unix sockets alone?
bool is_pgsql_local(const config::Pgsql& config);
// The files that libpq reads: password, certificates.
std::vector<Path> find_pgsql_files(const config::Pgsql& config);

}  // namespace posthorn::maps
