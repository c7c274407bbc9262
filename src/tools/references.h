// References: which entries of the tables name an address that a command is about to take away, and
// those entries without it. An alias that led nowhere else goes with it, and whoever named that
// one.
#pragma once

#include <string>
#include <vector>

#include "tools/table_store.h"

namespace posthorn::tools {

struct Departure {
  std::string name;
  enum class Kind { account, alias } kind;  // an account: the login and the mailbox
};

class References {
 public:
  References(const config::Config& config, Stores& stores) : config_(config), stores_(stores) {}
  // Empties both lists, then fills them; nothing is changed yet.
  Result<> find(const Departure& departure);
  bool is_empty() const { return found_.empty() && by_hand_.empty(); }
  // An Error that names each place, and what to do.
  Result<> refuse(const std::string& name) const;
  // Changes the entries; a pattern that names it is an Error.
  Result<> take_out();
  const std::vector<std::string>& taken_out() const { return taken_out_; }  // sentences

 private:
  struct Row {
    std::string key, place;
    std::vector<std::string> names;
    bool is_changed = false;
  };
  struct Rows {
    std::unique_ptr<TableStore> store;
    std::vector<Row> rows;
  };
  Result<std::vector<Rows>> read(maps::Question question);
  bool names_it(const std::string& target, const std::string& name) const;
  bool is_alias_still(const Departure& departure) const;
  Result<> leave_aliases(const Departure& departure);
  void leave_senders(const Departure& departure);
  Result<> look_at_patterns(const std::string& name);
  enum class Match { exact, as_alias };
  void drop(Row& row, const std::string& name, Match match);

  const config::Config& config_;
  Stores& stores_;
  std::vector<Rows> aliases_, senders_;
  std::vector<std::string> gone_;  // the addresses that lead nowhere any more
  std::vector<std::string> found_, by_hand_, taken_out_;
};

}  // namespace posthorn::tools
