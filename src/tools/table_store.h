// TableStore: a table as the tools change it, in a text file or in PostgreSQL. Nothing is written
// before commit(), which checks the tables that would be, writes the text files in the order in
// which they were first changed, and then commits PostgreSQL's transaction.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "maps/pgsql_queries.h"
#include "maps/text_edit.h"
#include "tools/table_edits.h"

namespace posthorn::tools {

using KeyValue = std::pair<std::string, std::string>;

struct Placed {
  std::string key, value, place;  // "/srv/maps/aliases:3", "posthorn.aliases"
};

class TableStore {
 public:
  virtual ~TableStore() = default;
  virtual std::string place() const = 0;  // "/srv/maps/aliases", "posthorn.aliases"
  virtual bool is_text() const = 0;
  virtual bool can_list() const { return true; }
  virtual Result<std::vector<KeyValue>> list() = 0;
  virtual Result<std::vector<Placed>> list_places();
  virtual Result<std::optional<std::string>> find(const std::string& key) = 0;
  virtual Result<> change(const std::vector<maps::TextChange>& changes) = 0;
  Result<> set(const std::string& key, const std::string& value) { return change({{key, value}}); }
  Result<bool> remove(const std::string& key);  // false: it was not there
  virtual Result<> replace_all(const std::vector<KeyValue>& rows) = 0;
};

enum class Backend { text, pgsql };

class Stores {
 public:
  explicit Stores(const config::Config& config)
      : config_(config), edits_(config), queries_(config) {}
  // The backend that the configuration names for it.
  Backend backend_of(maps::Question question) const;
  Result<std::unique_ptr<TableStore>> open(maps::Question question);
  Result<std::unique_ptr<TableStore>> open(maps::Question question, Backend backend);
  // Every table of the question that the configuration names, but patterns: the first is open()'s.
  Result<std::vector<std::unique_ptr<TableStore>>> open_all(maps::Question question);
  // The files with patterns.
  std::vector<Path> pattern_files(maps::Question question) const;
  // An Error: nothing was changed, or it says what was.
  Result<> commit();
  bool has_text() const { return has_text_; }
  const maps::PgsqlQueries& queries() const { return queries_; }

 private:
  Result<maps::PgsqlConnection*> connection();
  Result<maps::PgsqlConnection*> own_connection();
  const config::Config& config_;
  TableEdits edits_;
  const maps::PgsqlQueries queries_;
  std::unique_ptr<maps::PgsqlConnection> connection_, own_connection_;  // of ours, of own queries
  bool has_text_ = false;
};

// A connection for a tool; with the schema checked, where some table needs it, if wanted.
enum class Schema { checked, any };
Result<std::unique_ptr<maps::PgsqlConnection>> open_for_tool(
    const config::Config& config, Schema schema,
    maps::PgsqlSession session = maps::PgsqlSession::schema);

}  // namespace posthorn::tools
