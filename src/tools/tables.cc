#include "tools/tables.h"

#include <fmt/format.h>
#include <map>

#include "maps/migrations.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

using maps::Question;

Backend backend_named(const std::string& name) {
  return name == "pgsql" ? Backend::pgsql : Backend::text;
}

struct Tables {
  std::unique_ptr<TableStore> from, to;
  std::vector<KeyValue> wanted;
  const maps::PgsqlTableShape* shape = nullptr;
};

// All are opened and read before the first is written.
Result<std::vector<Tables>> open_all(Stores& stores, const TablesOptions& options) {
  if (options.from == options.to)
    return fail(ErrorKind::permanent, "name text and pgsql, in the order from, to");
  std::vector<Tables> all;
  for (const maps::PgsqlTableShape& shape : maps::kPgsqlTables) {
    if (!stores.queries().is_there(shape.question)) continue;
    Tables tables;
    tables.shape = &shape;
    TRY(tables.from, stores.open(shape.question, backend_named(options.from)));
    TRY(tables.to, stores.open(shape.question, backend_named(options.to)));
    TRY(tables.wanted, tables.from->list());
    all.push_back(std::move(tables));
  }
  return all;
}

Result<> copy_all(const config::Config& config, const TablesOptions& options) {
  Stores stores(config);
  TRY(const auto all, open_all(stores, options));
  for (const Tables& tables : all) {
    if (const auto done = tables.to->replace_all(tables.wanted); !done)
      return fail(done.error().kind, fmt::format("{}: {}", tables.to->place(), done.error().what));
  }
  TRY_OK(stores.commit());
  for (const Tables& tables : all)
    fmt::print("{} -> {}: {} entries\n", tables.from->place(), tables.to->place(),
               tables.wanted.size());
  return {};
}

// How many rows differ.
Result<std::size_t> print_difference(const Tables& tables) {
  const maps::PgsqlTableShape& shape = *tables.shape;
  TRY(const auto rows, tables.to->list());
  std::map<std::string, std::string> there(rows.begin(), rows.end());
  const bool is_secret =
      shape.question == Question::users || shape.question == Question::relay_sasl;
  const auto print = [&](char sign, const KeyValue& row) {
    fmt::print("{}{} {} {}\n", sign, shape.file, row.first, is_secret ? "(hidden)" : row.second);
  };
  std::size_t count = 0;
  for (const KeyValue& row : tables.wanted) {
    const auto found = there.find(row.first);
    const bool same = found != there.end() && found->second == row.second;
    if (found != there.end()) {
      if (!same) print('-', *found);
      there.erase(found);
    }
    if (same) continue;
    print('+', row);
    ++count;
  }
  for (const auto& [key, value] : there) print('-', {key, value});
  return count + there.size();
}

}  // namespace

int run_migrate(const config::Config& config) {
  const auto connection = open_for_tool(config, Schema::any);
  if (!connection) return complain(connection.error().what);
  std::size_t count = 0;
  const auto done =
      maps::migrate(**connection, maps::migrations(), [&](const maps::Migration& applied) {
        fmt::print("applied {}\n", applied.name);
        ++count;
      });
  if (!done) return complain(done.error().what);
  if (count == 0) fmt::print("nothing to do: {} is applied\n", maps::migrations().back().name);
  return 0;
}

int copy_tables(const config::Config& config, const TablesOptions& options) {
  if (const auto done = copy_all(config, options); !done) return complain(done.error().what);
  if (options.to == "pgsql") return 0;
  return make_live(config);
}

int diff_tables(const config::Config& config, const TablesOptions& options) {
  Stores stores(config);
  const auto all = open_all(stores, options);
  if (!all) return complain(all.error().what);
  std::size_t count = 0;
  for (const Tables& tables : *all) {
    const auto differ = print_difference(tables);
    if (!differ) return complain(differ.error().what);
    count += *differ;
  }
  return count == 0 ? 0 : 1;
}

}  // namespace posthorn::tools
