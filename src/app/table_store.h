// TableStore: a table as the tools change it, in a text file or in PostgreSQL. Text files are
// edited in place and replaced in one step; PostgreSQL's changes count together, at commit().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "maps/pgsql_schema.h"

namespace posthorn::app {

using KeyValue = std::pair<std::string, std::string>;

class TableStore {
 public:
  virtual ~TableStore() = default;
  virtual std::string place() const = 0;  // "/srv/maps/aliases", "posthorn.aliases"
  virtual bool is_text() const = 0;
  virtual Result<std::vector<KeyValue>> list() = 0;
  virtual Result<std::optional<std::string>> find(const std::string& key) = 0;
  virtual Result<> set(const std::string& key, const std::string& value) = 0;
  virtual Result<bool> remove(const std::string& key) = 0;  // false: it was not there
  virtual Result<> replace_all(const std::vector<KeyValue>& rows) = 0;
};

enum class Backend { text, pgsql };

class Stores {
 public:
  explicit Stores(const config::Config& config) : config_(config) {}
  // The backend that the configuration names for it.
  Backend backend_of(maps::Question question) const;
  Result<std::unique_ptr<TableStore>> open(maps::Question question);
  Result<std::unique_ptr<TableStore>> open(maps::Question question, Backend backend);
  // Nothing where no PostgreSQL was opened.
  Result<> commit();
  bool has_text() const { return has_text_; }

 private:
  Result<maps::PgsqlConnection*> connection();
  const config::Config& config_;
  std::unique_ptr<maps::PgsqlConnection> connection_;
  bool has_text_ = false;
};

// A connection for a tool, with the schema checked if wanted.
enum class Schema { checked, any };
Result<std::unique_ptr<maps::PgsqlConnection>> open_for_tool(const config::Config& config,
                                                             Schema schema);

}  // namespace posthorn::app
