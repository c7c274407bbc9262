#include "maps/pgsql_schema.h"

#include <charconv>
#include <fmt/format.h>

#include "base/ascii.h"
#include "maps/text_lines.h"

namespace posthorn::maps {
namespace {

// Any number that no other program takes: the letters of "posthorn".
constexpr long long kLock = 0x706f7374686f726e;
constexpr std::size_t kMigrationsMax = 100'000;

struct Applied {
  int number;
  std::string name;
};

// Empty also where the schema is not there at all.
Result<std::vector<Applied>> read_applied(PgsqlConnection& connection) {
  TRY(const auto there,
      connection.ask({"SELECT to_regclass('posthorn.migrations') IS NOT NULL", {}, 1}));
  std::vector<Applied> applied;
  if (there.empty() || there.front().front() != "t") return applied;
  TRY(const auto rows, connection.ask({"SELECT number, name FROM posthorn.migrations "
                                       "ORDER BY number",
                                       {},
                                       kMigrationsMax}));
  for (const PgsqlRow& row : rows) {
    int number = 0;
    std::from_chars(row[0].data(), row[0].data() + row[0].size(), number);
    applied.push_back({number, row[1]});
  }
  return applied;
}

// What is applied must be where the list begins.
std::optional<std::string> find_strange(const std::vector<Applied>& applied,
                                        std::span<const Migration> migrations) {
  for (std::size_t i = 0; i < applied.size(); ++i) {
    if (i >= migrations.size())
      return fmt::format(
          "the database's schema is newer ({}) than this program; run the program "
          "that made it",
          applied.back().name);
    if (applied[i].number != migrations[i].number || applied[i].name != migrations[i].name)
      return fmt::format("the database has the migration {}, where this program has {}",
                         applied[i].name, migrations[i].name);
  }
  return std::nullopt;
}

Result<> apply(PgsqlConnection& connection, const Migration& migration) {
  TRY_OK(connection.execute("BEGIN"));
  Result<> done = connection.execute(std::string(migration.sql));
  if (done) {
    const auto noted =
        connection.ask({"INSERT INTO posthorn.migrations (number, name) VALUES ($1::int, $2)",
                        {std::to_string(migration.number), std::string(migration.name)},
                        0});
    if (!noted) done = std::unexpected(noted.error());
  }
  if (done) done = connection.execute("COMMIT");
  if (done) return {};
  if (!connection.is_broken()) (void)connection.execute("ROLLBACK");
  return fail(done.error().kind, fmt::format("the migration {} was taken back: {}", migration.name,
                                             done.error().what));
}

}  // namespace

std::optional<Question> find_question(std::string_view table) {
  for (const PgsqlTableShape& shape : kPgsqlTables)
    if (shape.name == table || shape.file == table) return shape.question;
  return std::nullopt;
}

PgsqlQuery find_query(Question question, std::string key) {
  const PgsqlTableShape& shape = shape_of(question);
  // A view of the administrator's own may have no id.
  return {fmt::format("SELECT left({1}, {3}), to_jsonb(row_) ->> 'id' FROM posthorn.{0} row_ "
                      "WHERE {2} = $1 LIMIT 1",
                      shape.name, shape.value, shape.key, kPgsqlValueMax + 1),
          {std::move(key)},
          1};
}

Result<std::optional<RowFound>> read_found(Question question, const PgsqlRows& rows) {
  if (rows.empty()) return std::nullopt;
  if (rows.front().size() != 2 || rows.front().front().size() > kPgsqlValueMax)
    return fail(ErrorKind::temporary, fmt::format("PostgreSQL: a value in posthorn.{} is too long",
                                                  shape_of(question).name));
  // A login's hash stands in a file of another form, where a blank may be part of it.
  const std::string& value = rows.front().front();
  return RowFound{question == Question::users ? value : as_line(value),
                  to_number<std::uint64_t>(rows.front()[1]).value_or(0)};
}

PgsqlQuery first_query(Question question, std::size_t count) {
  const PgsqlTableShape& shape = shape_of(question);
  return {fmt::format("SELECT left({1}, 1000), id FROM posthorn.{0} ORDER BY id LIMIT {2}",
                      shape.name, shape.key, count),
          {},
          count};
}

Result<std::optional<std::string>> find_schema_fault(PgsqlConnection& connection,
                                                     std::span<const Migration> migrations) {
  TRY(const auto applied, read_applied(connection));
  if (auto strange = find_strange(applied, migrations)) return strange;
  if (applied.size() < migrations.size())
    return fmt::format("the database's schema lacks {}; run: posthorn migrate",
                       migrations[applied.size()].name);
  return std::nullopt;
}

Result<> migrate(PgsqlConnection& connection, std::span<const Migration> migrations,
                 const std::function<void(const Migration&)>& told) {
  // Held until the connection ends, so also when this program is killed.
  TRY_OK(connection.execute(fmt::format("SELECT pg_advisory_lock({})", kLock)));
  // Who may not make a schema may have been given one.
  TRY(const auto schema, connection.ask({"SELECT to_regnamespace('posthorn') IS NOT NULL", {}, 1}));
  if (schema.empty() || schema.front().front() != "t")
    TRY_OK(connection.execute("CREATE SCHEMA posthorn"));
  TRY_OK(
      connection.execute("SET client_min_messages = warning;"
                         "CREATE TABLE IF NOT EXISTS posthorn.migrations (number int PRIMARY KEY, "
                         "name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"));
  TRY(const auto applied, read_applied(connection));
  if (auto strange = find_strange(applied, migrations))
    return fail(ErrorKind::permanent, *std::move(strange));
  for (const Migration& migration : migrations.subspan(applied.size())) {
    TRY_OK(apply(connection, migration));
    told(migration);
  }
  return connection.execute(fmt::format("SELECT pg_advisory_unlock({})", kLock));
}

}  // namespace posthorn::maps
