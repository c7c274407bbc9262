#include "maps/pgsql_queries.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "base/ascii.h"
#include "base/edit_distance.h"
#include "maps/migrations.h"
#include "maps/text_lines.h"

namespace posthorn::maps {
namespace {

using config::Finding;

// Nobody has it (RFC 2606 section 2).
constexpr std::string_view kNobody = "nobody@nowhere.invalid";

// Where only the key counts.
bool is_set_of_keys(Question question) {
  return question == Question::domains || question == Question::mailboxes;
}
bool is_list_of_addresses(Question question) {
  return question == Question::aliases || question == Question::senders;
}

// PostgreSQL says it of the statement itself, whenever it is asked. The others pass: connections
// and what they cost (08, 53, 57, 58), locks and transactions (40, 55), its own faults (XX).
bool is_of_statement(std::string_view code) {
  return std::ranges::none_of(
      std::array<std::string_view, 7>{"08", "40", "53", "55", "57", "58", "XX"},
      [&](std::string_view passing) { return code.starts_with(passing); });
}

std::optional<std::string> remedy_for(std::string_view code) {
  if (code == "42501") return "GRANT SELECT on it to the user of pgsql.conninfo";
  if (code == "42P01")
    return "write its schema in front (public.mailbox), or ALTER ROLE … SET search_path";
  if (code == "25006") return "a query may only ask; take out what writes";
  if (code == "57014") return "make an index for what it compares, or raise pgsql.timeout";
  return std::nullopt;
}

// "relay-sasl" is the file's name.
std::optional<Question> find_named(std::string_view name) {
  for (const PgsqlTableShape& shape : kPgsqlTables)
    if (shape.name == name) return shape.question;
  return std::nullopt;
}

std::string remedy_for_name(std::string_view given) {
  std::set<std::string> known;
  for (const PgsqlTableShape& shape : kPgsqlTables) known.emplace(shape.name);
  if (const std::string near = nearest(given.substr(0, 40), known); !near.empty())
    return fmt::format("did you mean {}?", near);
  return fmt::format("the tables are {}", fmt::join(known, ", "));
}

struct Given {
  const config::Config& config;
  std::string_view key;  // "queries", "lists"
  const std::string& name;
  const std::string& text;
  std::string where() const {
    return fmt::format("{}: pgsql.{}.{}", config::place_of(config, "pgsql", key, name), key, name);
  }
};

// As it stands in Postfix's files.
bool has_percent(std::string_view text) {
  return std::ranges::any_of(
      std::array<std::string_view, 3>{"%s", "%u", "%d"},
      [&](std::string_view sign) { return text.find(sign) != std::string_view::npos; });
}

void look_at_text(const Given& given, config::Findings& findings) {
  const auto question = find_named(given.name);
  if (!question) {
    findings.push_back({given.where(), fmt::format("there is no table {}", given.name),
                        remedy_for_name(given.name)});
    return;
  }
  const auto statement = read_statement(given.text);
  if (!statement) {
    findings.push_back({given.where(), statement.error()});
  } else if (given.key == "queries" && statement->values() == 0) {
    findings.push_back({given.where(), "it asks for no key",
                        has_percent(given.text)
                            ? "write $1 for Postfix's '%s', $2 for '%u', $3 for '%d', no quotes"
                            : "compare a column with $1"});
  } else if (given.key == "lists" && statement->values() > 0) {
    findings.push_back({given.where(), "it lists the whole table, and is given no key",
                        "take out the comparison with $1"});
  }
  if (given.key == "lists" && !given.config.pgsql.queries.contains(given.name))
    findings.push_back({given.where(), "a list of a table that has no query of your own",
                        fmt::format("write pgsql.queries.{}, or take it out", given.name)});
}

std::string spelled(Question question) {
  return std::string(shape_of(question).name);
}

}  // namespace

PgsqlQueries::PgsqlQueries(const config::Config& config) {
  for (const auto& [name, text] : config.pgsql.queries) {
    const auto question = find_named(name);
    if (!question) continue;
    // One that is none is told of by find_faults(), and never answers "not there".
    auto statement = read_statement(text);
    Own own{.query = statement ? *std::move(statement) : PgsqlStatement{.sql = text},
            .list = "",
            .place = Given{config, "queries", name, text}.where(),
            .list_place = ""};
    if (const auto list = config.pgsql.lists.find(name); list != config.pgsql.lists.end())
      if (auto listing = read_statement(list->second); listing && listing->values() == 0) {
        own.list = std::move(listing->sql);
        own.list_place = Given{config, "lists", name, list->second}.where();
      }
    own_[static_cast<std::size_t>(*question)] = std::move(own);
    has_own_ = true;
  }
  if (!has_own_) return;
  needs_schema_ = false;
  for (const PgsqlTableShape& shape : kPgsqlTables)
    if (!is_own(shape.question) && shape.question != Question::quotas &&
        asks_pgsql(config, shape.question))
      needs_schema_ = true;
}

bool PgsqlQueries::is_there(Question question) const {
  if (is_own(question)) return true;
  // Our quotas are of our users.
  if (question == Question::quotas && is_own(Question::users)) return false;
  return needs_schema_;
}

bool PgsqlQueries::can_list(Question question) const {
  return is_own(question) ? !own_of(question)->list.empty() : is_there(question);
}

std::string PgsqlQueries::name_of(Question question) const {
  return fmt::format("pgsql {}{}", is_own(question) ? "query " : "", shape_of(question).name);
}

const std::string& PgsqlQueries::place_of(Question question) const {
  static const std::string none;
  return is_own(question) ? own_of(question)->place : none;
}

std::optional<PgsqlQuery> PgsqlQueries::find_query(Question question, std::string key) const {
  if (!is_there(question)) return std::nullopt;
  const auto& own = own_of(question);
  if (!own) return maps::find_query(question, std::move(key));
  const std::size_t at = key.rfind('@');
  const bool has_at = at != std::string::npos;
  const PgsqlStatement& statement = own->query;
  if ((statement.has_local && at == 0) ||
      (statement.has_domain && (!has_at || at + 1 == key.size())))
    return std::nullopt;
  PgsqlQuery query{.sql = statement.sql,
                   .values = {},
                   .rows_max = kRowsMax,
                   .types = {},
                   .of = PgsqlQuery::Of::own};
  // One that does not stand in the statement has no type there.
  const std::array<bool, 3> stands = {statement.has_key, statement.has_local, statement.has_domain};
  const std::array<std::string, 3> values = {key, has_at ? key.substr(0, at) : key,
                                             has_at ? key.substr(at + 1) : ""};
  for (unsigned i = 0; i < statement.values(); ++i) {
    query.values.push_back(values[i]);
    query.types.push_back(stands[i] ? 0 : kPgsqlText);
  }
  return query;
}

Result<std::optional<RowFound>> PgsqlQueries::read_found(Question question,
                                                         const PgsqlRows& rows) const {
  if (!is_own(question)) return maps::read_found(question, rows);
  std::optional<RowFound> found;
  for (const PgsqlRow& row : rows) {
    if (row.empty() || row.front().empty()) continue;
    // A key that is not active.
    if (is_set_of_keys(question) && row.front() == "f") continue;
    const std::string value = question == Question::users ? row.front() : as_line(row.front());
    if (!found) {
      found = RowFound{value, row.size() > 1 ? to_number<std::uint64_t>(row[1]).value_or(0) : 0};
    } else if (is_list_of_addresses(question)) {
      found->value += ", " + value;
      found->id = 0;
    } else if (!is_set_of_keys(question) && found->value != value) {
      return fail(ErrorKind::temporary,
                  fmt::format("{}: several rows for one key, and they say different things",
                              own_of(question)->place));
    }
    if (found->value.size() > kPgsqlValueMax)
      return fail(ErrorKind::temporary,
                  fmt::format("{}: an answer is too long", own_of(question)->place));
  }
  return found;
}

std::string PgsqlQueries::list_of(Question question) const {
  const PgsqlTableShape& shape = shape_of(question);
  const auto& own = own_of(question);
  if (!is_there(question) || (own && own->list.empty())) return "";
  if (!own)
    return fmt::format("SELECT {1}, {2} FROM posthorn.{0}", shape.name, shape.key, shape.value);
  if (is_set_of_keys(question))
    return fmt::format("SELECT key::text AS key, '.'::text AS value FROM (\n{}\n) AS listed (key)",
                       own->list);
  return fmt::format(
      "SELECT key::text AS key, value::text AS value FROM (\n{}\n) AS listed (key, value) "
      "WHERE value IS NOT NULL",
      own->list);
}

std::optional<PgsqlQuery> PgsqlQueries::first_query(Question question, std::size_t count) const {
  if (!can_list(question)) return std::nullopt;
  if (!is_own(question)) return maps::first_query(question, count);
  return PgsqlQuery{.sql = fmt::format("SELECT left(key, 1000), '0' FROM ({}) AS keys "
                                       "WHERE key <> '' LIMIT {}",
                                       list_of(question), count),
                    .values = {},
                    .rows_max = count,
                    .types = {},
                    .of = PgsqlQuery::Of::own};
}

config::Findings PgsqlQueries::find_faults(const config::Config& config) {
  config::Findings findings;
  for (const auto& [name, text] : config.pgsql.queries) {
    look_at_text({config, "queries", name, text}, findings);
    const auto question = find_named(name);
    if (question && !asks_pgsql(config, *question))
      findings.push_back({Given{config, "queries", name, text}.where(), "nothing asks it",
                          *question == Question::users || *question == Question::quotas
                              ? "auth.users = \"pgsql\" does"
                              : fmt::format("maps.{} = [\"pgsql:\"] does", name),
                          config::Weight::warning});
  }
  for (const auto& [name, text] : config.pgsql.lists)
    look_at_text({config, "lists", name, text}, findings);
  return findings;
}

namespace {

struct Look {
  const std::string& where;
  std::vector<PgsqlQueries::Trouble>& found;
  void tell(std::string reason, std::string remedy = "") const {
    found.push_back({{where, std::move(reason), std::move(remedy)}, false});
  }
  // An Error where nothing could be asked at all.
  Result<> take(const Error& error, const PgsqlConnection& connection) const {
    const std::string code = connection.last_code();
    if (code.empty() && error.kind != ErrorKind::timeout) return std::unexpected(error);
    const bool may_pass = code.empty() || !is_of_statement(code);
    found.push_back(
        {{where, error.what, remedy_for(code.empty() ? "57014" : code).value_or("")}, may_pass});
    return {};
  }
};

void look_at_parameters(const Look& look, const PgsqlShape& shape) {
  for (std::size_t i = 0; i < shape.parameters.size(); ++i)
    if (shape.parameters[i].category != 'S')
      look.tell(fmt::format("${} is a text, and stands where a value of type {} must", i + 1,
                            shape.parameters[i].type),
                fmt::format("cast the column: …::text = ${}", i + 1));
}

void look_at_value(const Look& look, Question question, const PgsqlShape::Column& column) {
  if (is_set_of_keys(question) || column.category == 'S' || column.type == "unknown") return;
  look.tell(
      fmt::format("its first column, {}, is of type {}: {} must have a text there", column.name,
                  column.type, spelled(question)),
      fmt::format("write what stands beside the key in maps/README.md, or {}::text", column.name));
}

void look_at_columns(const Look& look, Question question, const PgsqlShape& shape) {
  if (shape.columns.empty()) return look.tell("it gives no column", "SELECT the value");
  look_at_value(look, question, shape.columns.front());
  const bool has_id = shape.columns.size() == 2 && shape.columns[1].name == "id";
  if (shape.columns.size() > 1 && !has_id)
    look.tell(fmt::format("it gives {} columns, the second {}; the value is the first, and beside "
                          "it may only stand one named id",
                          shape.columns.size(), shape.columns[1].name),
              "take the others out, or join them to one text with ||");
}

void look_at_list(const Look& look, Question question, const PgsqlShape& shape) {
  const std::size_t wanted = is_set_of_keys(question) ? 1 : 2;
  if (shape.columns.size() != wanted)
    return look.tell(fmt::format("it gives {} columns; a list of {} has {}", shape.columns.size(),
                                 spelled(question), wanted),
                     wanted == 1 ? "SELECT the key alone" : "SELECT the key, then the value");
  if (wanted == 2) look_at_value(look, question, shape.columns[1]);
}

}  // namespace

Result<> PgsqlQueries::look_at(const config::Pgsql& config, Question question,
                               std::vector<Trouble>& found) const {
  const Own& own = *own_of(question);
  const auto open = [&] {
    return PgsqlConnection::open(config, config.timeout, PgsqlSession::own_queries);
  };
  const auto query = find_query(question, std::string(kNobody));
  if (!query) return {};
  TRY(auto connection, open());
  {
    const Look look{own.place, found};
    const std::size_t before = found.size();
    const auto shape = connection->describe(*query);
    if (!shape) {
      TRY_OK(look.take(shape.error(), *connection));
    } else {
      look_at_parameters(look, *shape);
      look_at_columns(look, question, *shape);
      if (found.size() == before)
        if (const auto asked = connection->ask(*query); !asked)
          TRY_OK(look.take(asked.error(), *connection));
    }
  }
  if (own.list.empty()) return {};
  TRY(connection, open());
  const Look look{own.list_place, found};
  const std::size_t before = found.size();
  const auto shape = connection->describe({own.list, {}, 0, {}, PgsqlQuery::Of::own});
  if (!shape) return look.take(shape.error(), *connection);
  look_at_list(look, question, *shape);
  if (found.size() > before) return {};
  if (const auto asked = connection->ask(*first_query(question, 1)); !asked)
    return look.take(asked.error(), *connection);
  return {};
}

Result<std::vector<PgsqlQueries::Trouble>> PgsqlQueries::look(const config::Pgsql& config) const {
  std::vector<Trouble> found;
  for (const PgsqlTableShape& shape : kPgsqlTables)
    if (is_own(shape.question)) TRY_OK(look_at(config, shape.question, found));
  return found;
}

}  // namespace posthorn::maps
