#include "maps/pgsql_connection.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

namespace posthorn::maps {
namespace {

constexpr std::uint64_t kPasswordMax = 4096;

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, FreeResult>;

// nullptr: libpq does not understand it. What it says is not passed on: it may quote a password.
Options parse_conninfo(const config::Pgsql& config) {
  char* error = nullptr;
  Options options(PQconninfoParse(config.conninfo.c_str(), &error));
  PQfreemem(error);
  return options;
}

std::string find_option(const PQconninfoOption* options, std::string_view name) {
  for (const PQconninfoOption* o = options; o != nullptr && o->keyword != nullptr; ++o)
    if (name == o->keyword && o->val != nullptr) return o->val;
  return {};
}

Result<std::string> read_password(const config::Pgsql& config) {
  if (config.password_file.empty()) return std::string();
  TRY(const auto text, read_file(config.password_file, kPasswordMax));
  if (!text)
    return fail(ErrorKind::temporary,
                fmt::format("{}: there is no such file", config.password_file.native()));
  return text->substr(0, text->find_first_of("\r\n"));
}

// One line: the server's text may have several.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != '\n' && c != '\r')
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  while (out.ends_with(' ')) out.pop_back();
  return out.substr(0, 500);
}

// COPY's text form.
void add_column(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
}

}  // namespace

std::optional<std::string> find_conninfo_fault(const config::Pgsql& config) {
  const Options options = parse_conninfo(config);
  if (!options) return "this is no connection string (libpq's: \"host=… dbname=… user=…\")";
  if (!find_option(options.get(), "password").empty())
    return "a password does not belong here, where everybody reads it; use pgsql.password_file";
  return std::nullopt;
}

bool is_pgsql_local(const config::Pgsql& config) {
  const Options options = parse_conninfo(config);
  if (!options || !find_option(options.get(), "hostaddr").empty() ||
      !find_option(options.get(), "service").empty())
    return false;
  std::string hosts = find_option(options.get(), "host");
  if (hosts.empty() && std::getenv("PGHOST") != nullptr) hosts = std::getenv("PGHOST");
  if (hosts.empty()) return std::getenv("PGHOSTADDR") == nullptr;  // libpq's default is a socket
  while (true) {
    if (!hosts.starts_with('/')) return false;
    const std::size_t comma = hosts.find(',');
    if (comma == std::string::npos) return true;
    hosts.erase(0, comma + 1);
  }
}

std::vector<Path> find_pgsql_files(const config::Pgsql& config) {
  std::vector<Path> files;
  const auto add = [&](const std::string& path) {
    if (path.starts_with('/')) files.emplace_back(path);
  };
  add(config.password_file.native());
  const Options options = parse_conninfo(config);
  for (const char* name :
       {"passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "servicefile"})
    add(find_option(options.get(), name));
  for (const char* name : {"PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"})
    if (const char* value = std::getenv(name)) add(value);
  return files;
}

Result<std::unique_ptr<PgsqlConnection>> PgsqlConnection::open(const config::Pgsql& config,
                                                               std::chrono::milliseconds time,
                                                               PgsqlSession session) {
  std::unique_ptr<PgsqlConnection> made(new PgsqlConnection(time));
  TRY_OK(made->connect(config, session));
  return made;
}

PgsqlConnection::~PgsqlConnection() {
  if (connection_ != nullptr) PQfinish(connection_);
}

Result<> PgsqlConnection::connect(const config::Pgsql& config, PgsqlSession session) {
  const SteadyTime deadline = Clock::system().steady_now() + time_;
  if (auto why = find_conninfo_fault(config)) return fail(ErrorKind::config, *std::move(why));
  TRY(const std::string password, read_password(config));
  std::vector<const char*> keys = {"dbname", "client_encoding", "application_name"};
  std::vector<const char*> values = {config.conninfo.c_str(), "UTF8", "posthorn"};
  if (!password.empty()) {
    keys.push_back("password");
    values.push_back(password.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  connection_ = PQconnectStartParams(keys.data(), values.data(), 1);
  if (connection_ == nullptr) return fail(ErrorKind::temporary, "libpq: out of memory");
  if (PQstatus(connection_) == CONNECTION_BAD) return fault();
  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    TRY_OK(wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline));
    state = PQconnectPoll(connection_);
    if (state == PGRES_POLLING_FAILED) return fault();
  }
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
  if (PQsetnonblocking(connection_, 1) != 0) return fault();
  // What this side gives up waiting for, the server gives up working at. An own query that is slow
  // is given up by the server first: the connection goes on.
  TRY_OK(execute(
      session == PgsqlSession::schema
          ? fmt::format("SET statement_timeout = {}; SET search_path = pg_catalog", time_.count())
          : fmt::format("SET statement_timeout = {}; "
                        "SET default_transaction_read_only = on",
                        time_.count() - time_.count() / 10)));
  used_ = false;
  return {};
}

std::unexpected<Error> PgsqlConnection::fault() {
  if (PQstatus(connection_) == CONNECTION_BAD) broken_ = true;
  return fail(ErrorKind::temporary, "PostgreSQL: " + one_line(PQerrorMessage(connection_)));
}

int PgsqlConnection::socket() const {
  return PQsocket(connection_);
}

bool PgsqlConnection::is_broken() const {
  return broken_ || connection_ == nullptr || PQstatus(connection_) != CONNECTION_OK;
}

Result<> PgsqlConnection::wait(short events, SteadyTime deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::system().steady_now());
    pollfd item{.fd = PQsocket(connection_), .events = events, .revents = 0};
    const int ready = left.count() > 0
                          ? ::poll(&item, 1,
                                   static_cast<int>(std::min<long long>(
                                       left.count(), std::chrono::milliseconds(1h).count())))
                          : 0;
    if (ready > 0) return {};
    if (ready < 0 && errno == EINTR) continue;
    broken_ = true;  // the answer may still come, and would be taken for another's
    if (ready < 0) return fail_errno("poll", "PostgreSQL", errno);
    return fail(ErrorKind::timeout,
                fmt::format("PostgreSQL: no answer within {} ms", time_.count()));
  }
}

Result<> PgsqlConnection::flush(SteadyTime deadline) {
  while (true) {
    const int left = PQflush(connection_);
    if (left < 0) return fault();
    if (left == 0) return {};
    // The server may have to be read from before it takes more.
    TRY_OK(wait(POLLIN | POLLOUT, deadline));
    if (PQconsumeInput(connection_) == 0) return fault();
  }
}

Result<PGresult*> PgsqlConnection::next_result(SteadyTime deadline) {
  while (PQisBusy(connection_) != 0) {
    TRY_OK(wait(POLLIN, deadline));
    if (PQconsumeInput(connection_) == 0) return fault();
  }
  return PQgetResult(connection_);
}

// Row after row: an answer larger than asked for is never held.
Result<PgsqlRows> PgsqlConnection::read_rows(std::size_t rows_max, SteadyTime deadline) {
  PgsqlRows rows;
  std::optional<Error> error;
  while (true) {
    TRY(PGresult * taken, next_result(deadline));
    const ResultPtr result(taken);
    if (!result) break;
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      broken_ = true;
      return fail(ErrorKind::temporary, "PostgreSQL: a COPY where none was expected");
    }
    if (status == PGRES_FATAL_ERROR && !error) {
      error = Error{ErrorKind::temporary,
                    "PostgreSQL: " + one_line(PQresultErrorMessage(result.get()))};
      const char* code = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      last_code_ = code == nullptr ? "" : code;
    }
    const int count = PQntuples(result.get());
    for (int i = 0; i < count && !error; ++i) {
      if (rows.size() == rows_max) {
        broken_ = true;
        return fail(ErrorKind::temporary,
                    fmt::format("PostgreSQL: an answer has more than {} rows", rows_max));
      }
      PgsqlRow& row = rows.emplace_back();
      for (int column = 0; column < PQnfields(result.get()); ++column)
        row.emplace_back(PQgetvalue(result.get(), i, column),
                         static_cast<std::size_t>(PQgetlength(result.get(), i, column)));
    }
  }
  if (PQstatus(connection_) == CONNECTION_BAD) broken_ = true;
  if (error) return std::unexpected(*std::move(error));
  return rows;
}

Result<std::string> PgsqlConnection::prepare(const PgsqlQuery& query, SteadyTime deadline) {
  if (const auto found = prepared_.find(query.sql); found != prepared_.end()) return found->second;
  std::string name = fmt::format("s{}", ++named_);
  if (PQsendPrepare(connection_, name.c_str(), query.sql.c_str(),
                    static_cast<int>(query.types.size()),
                    query.types.empty() ? nullptr : query.types.data()) == 0)
    return fault();
  TRY_OK(flush(deadline));
  TRY_OK(read_rows(0, deadline));
  prepared_[query.sql] = name;
  return name;
}

void PgsqlConnection::forget(const std::string& sql) {
  const auto found = prepared_.find(sql);
  if (found == prepared_.end()) return;
  const std::string code = last_code_;
  if (!execute("DEALLOCATE " + found->second)) broken_ = true;
  last_code_ = code;
  prepared_.erase(found);
}

Result<PgsqlRows> PgsqlConnection::ask(const PgsqlQuery& query) {
  const SteadyTime deadline = Clock::system().steady_now() + time_;
  if (is_broken()) return fault();
  last_code_.clear();
  TRY(const std::string name, prepare(query, deadline));
  std::vector<const char*> values;
  for (const std::string& value : query.values) {
    if (value.find('\0') != std::string::npos)
      return fail(ErrorKind::permanent, "PostgreSQL: a text with a NUL cannot be kept there");
    values.push_back(value.c_str());
  }
  if (PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(values.size()), values.data(),
                          nullptr, nullptr, 0) == 0 ||
      PQsetSingleRowMode(connection_) == 0)
    return fault();
  TRY_OK(flush(deadline));
  auto rows = read_rows(query.rows_max, deadline);
  used_ = true;
  // It may have been prepared before the schema changed, and would fail for ever.
  if (!rows && query.of == PgsqlQuery::Of::own && !last_code_.empty() && !is_broken())
    forget(query.sql);
  else if (!rows)
    broken_ = true;
  return rows;
}

Result<PgsqlShape> PgsqlConnection::describe(const PgsqlQuery& query) {
  const SteadyTime deadline = Clock::system().steady_now() + time_;
  if (is_broken()) return fault();
  last_code_.clear();
  TRY(const std::string name, prepare(query, deadline));
  if (PQsendDescribePrepared(connection_, name.c_str()) == 0) return fault();
  TRY_OK(flush(deadline));
  PgsqlShape shape;
  {
    TRY(PGresult * taken, next_result(deadline));
    const ResultPtr result(taken);
    if (!result || PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
      broken_ = true;
      return fault();
    }
    for (int i = 0; i < PQnparams(result.get()); ++i)
      shape.parameters.push_back({"", std::to_string(PQparamtype(result.get(), i))});
    for (int i = 0; i < PQnfields(result.get()); ++i)
      shape.columns.push_back({PQfname(result.get(), i), std::to_string(PQftype(result.get(), i))});
  }
  TRY_OK(read_rows(0, deadline));
  TRY_OK(name_types(shape.parameters));
  TRY_OK(name_types(shape.columns));
  return shape;
}

// Their numbers become names.
Result<> PgsqlConnection::name_types(std::vector<PgsqlShape::Column>& columns) {
  for (PgsqlShape::Column& column : columns) {
    TRY(const auto rows,
        ask({"SELECT pg_catalog.format_type(oid, NULL), typcategory FROM pg_catalog.pg_type "
             "WHERE oid = $1::pg_catalog.oid",
             {column.type},
             1}));
    if (rows.empty()) continue;
    column.type = rows.front()[0];
    column.category = rows.front()[1].empty() ? 'X' : rows.front()[1].front();
  }
  return {};
}

Result<> PgsqlConnection::execute(const std::string& script) {
  const SteadyTime deadline = Clock::system().steady_now() + time_;
  if (PQsendQuery(connection_, script.c_str()) == 0 || PQsetSingleRowMode(connection_) == 0)
    return fault();
  TRY_OK(flush(deadline));
  TRY_OK(read_rows(1'000'000, deadline));
  return {};
}

Result<> PgsqlConnection::copy_in(const std::string& sql,
                                  std::span<const std::pair<std::string, std::string>> rows) {
  const SteadyTime deadline = Clock::system().steady_now() + time_;
  if (PQsendQuery(connection_, sql.c_str()) == 0) return fault();
  TRY_OK(flush(deadline));
  {
    TRY(PGresult * taken, next_result(deadline));
    const ResultPtr result(taken);
    if (!result || PQresultStatus(result.get()) != PGRES_COPY_IN) {
      const std::string why = one_line(PQresultErrorMessage(result.get()));
      TRY_OK(read_rows(0, deadline));
      return fail(ErrorKind::temporary, "PostgreSQL: " + why);
    }
  }
  std::string line;
  const auto put = [&](auto send) -> Result<> {
    for (int sent = 0; (sent = send()) != 1;) {
      if (sent < 0) return fault();
      TRY_OK(flush(deadline));
    }
    return {};
  };
  for (const auto& [key, value] : rows) {
    line.clear();
    add_column(line, key);
    line += '\t';
    add_column(line, value);
    line += '\n';
    TRY_OK(put(
        [&] { return PQputCopyData(connection_, line.data(), static_cast<int>(line.size())); }));
  }
  TRY_OK(put([&] { return PQputCopyEnd(connection_, nullptr); }));
  TRY_OK(flush(deadline));
  TRY_OK(read_rows(0, deadline));
  return {};
}

Result<std::vector<std::string>> PgsqlConnection::take_notifications() {
  if (PQconsumeInput(connection_) == 0) return fault();
  std::vector<std::string> texts;
  while (PGnotify* notice = PQnotifies(connection_)) {
    texts.emplace_back(notice->extra);
    PQfreemem(notice);
  }
  if (PQstatus(connection_) == CONNECTION_BAD) return fault();
  return texts;
}

}  // namespace posthorn::maps
