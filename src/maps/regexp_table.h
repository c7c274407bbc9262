// Tables of patterns: regexp_table(5) and pcre_table(5). The matcher is RE2, whose time grows with
// the key alone: no pattern and no key, and strangers choose the keys, can make a lookup take for
// ever.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "maps/table.h"

namespace posthorn::maps {

// "/pattern/flags value" lines, in order; $1 … in the value. "!" negates; "if /pattern/flags" to
// "endif" is looked at only where the pattern holds. What RE2 does not have is a fault: back
// references, look-around, basic expressions (flag x of regexp).
class RegexpTable final : public Table {
 public:
  enum class Syntax { posix, perl };  // regexp: and pcre:
  static Syntax syntax_of(const TableName& name) {
    return name.type == "pcre" ? Syntax::perl : Syntax::posix;
  }
  static Result<std::unique_ptr<RegexpTable>> parse(std::string_view text, const std::string& path,
                                                    Syntax syntax = Syntax::posix);
  ~RegexpTable() override;
  net::Task<Found> find(std::string key) const override { co_return answer(key); }
  bool has_patterns() const override { return true; }
  std::string name() const override { return path_; }
  Found answer(std::string_view key) const;
  // The values without a group, with their lines; what the others become only a key tells.
  std::vector<Entry> constants() const;

 private:
  struct Rule;
  RegexpTable(Syntax syntax, std::string path);
  Result<> read_pattern(std::string_view& rest, Rule& rule) const;
  Syntax syntax_;
  std::string path_;
  std::vector<std::unique_ptr<Rule>> rules_;
};

}  // namespace posthorn::maps
