#include "tools/postmap.h"

#include <algorithm>
#include <fmt/format.h>
#include <iostream>

#include "maps/regexp_table.h"
#include "message/mailbox_address.h"
#include "process/instance.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

// The answer to each key asked for, or with "-" to each line of the input, as postmap -q prints it:
// 1 when there was none. find: Result<std::optional<std::string>>(key in lower case).
int answer(const std::string& query, const auto& find) {
  int status = 1;
  const auto ask = [&](const std::string& key, std::string_view front) -> Result<> {
    TRY(const auto value, find(message::to_lower(key)));
    if (!value) return {};
    fmt::print("{}{}\n", front, *value);
    status = 0;
    return {};
  };
  Result<> done;
  if (query != "-") {
    done = ask(query, "");
  } else {
    for (std::string line; done && std::getline(std::cin, line);) done = ask(line, line + "\t");
  }
  return done ? status : complain(done.error().what);
}

Result<std::optional<std::string>> find_in(const maps::TextFile& file, std::string_view key) {
  const auto found = std::ranges::find(file.entries, key, &maps::Entry::key);
  if (found == file.entries.end()) return std::nullopt;
  return found->value;
}

// "pgsql:aliases".
int query_pgsql(const config::Config& config, std::string_view name, const std::string& query) {
  const auto question = maps::find_question(name);
  if (!question) return complain("name a table: pgsql:domains, pgsql:aliases …");
  Stores stores(config);
  const auto table = stores.open(*question, Backend::pgsql);
  if (!table) return complain(table.error().what);
  if (query.empty()) {
    fmt::print("{}: its changes are live without a command\n", (*table)->place());
    return 0;
  }
  return answer(query, [&](const std::string& key) { return (*table)->find(key); });
}

// 0, or 1 after it was told what is wrong; a query's answer is printed.
int check_table(const config::Config& config, const std::string& table,
                const std::string& question) {
  if (table.starts_with("pgsql:"))
    return query_pgsql(config, std::string_view(table).substr(6), question);
  const auto name = maps::parse_table_name(table);
  if (!name) return complain(name.error().what);
  // As postmap does: the path as given; a bare name that is not here is looked for among the
  // instance's tables.
  Path path = name->rest;
  const auto here = find_file_info(path);
  if (here && !*here && path.is_relative()) path = config.paths.maps / path;
  const auto text = read_file(path);
  if (!text) return complain(text.error().what);
  if (!*text) return complain(fmt::format("{}: there is no such file", path.native()));
  if (name->has_patterns()) {
    const auto patterns =
        maps::RegexpTable::parse(**text, path.native(), maps::RegexpTable::syntax_of(*name));
    if (!patterns) return complain(patterns.error().what);
    if (question.empty()) return 0;
    return answer(question, [&](const std::string& key) {
      return Result<std::optional<std::string>>((*patterns)->answer(key).value);
    });
  }
  const maps::TextFile file = maps::parse_text(**text, path.native());
  for (const maps::Finding& warning : file.warnings)
    fmt::print(stderr, "warning: {}\n", warning.text());
  for (const maps::Finding& fault : file.faults) fmt::print(stderr, "{}\n", fault.text());
  if (!file.faults.empty()) return 1;
  if (!question.empty())
    return answer(question, [&](const std::string& key) { return find_in(file, key); });
  if (const auto running = process::find_instance(config); !running || !*running)
    fmt::print("{}: {} entries, no faults; the server is not running\n", path.native(),
               file.entries.size());
  return 0;
}

}  // namespace

int run_postmap(const config::Config& config, const PostmapOptions& options) {
  int status = 0;
  for (const std::string& table : options.tables)
    status = std::max(status, check_table(config, table, options.query));
  if (status != 0 || !options.query.empty()) return status;
  const auto running = process::find_instance(config);
  return running && *running ? reload_server(config) : 0;
}

}  // namespace posthorn::tools
