// Postfix's lookup tables (DATABASE_README): what a setting names, and what of it can be read and
// asked here. All calls block.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "maps/table.h"

namespace posthorn::takeover {

// "hash:/etc/postfix/virtual", "proxy:pgsql:/etc/postfix/x.cf" (without the proxy).
struct TableSpec {
  std::string type, name;
  std::string text() const { return type.empty() ? name : type + ":" + name; }
};
// Of a setting's value that is expanded already.
std::vector<TableSpec> parse_tables(std::string_view value);

// What a table is here.
struct OldTable {
  TableSpec spec;
  enum class Kind {
    lines,     // keys and values, in `entries`
    patterns,  // a file of ours, too: `text`
    one,       // the same value for each key: `value`
    pgsql,     // a file with a query
    unread     // `why`
  };
  Kind kind = Kind::unread;
  Path file;
  std::vector<maps::Entry> entries;
  std::string text, value;
  std::string why;  // unread: what to do about it, too
};
OldTable read_table(const TableSpec& spec);

// aliases(5): local names, ":" and a list, quotes around what has blanks.
OldTable read_local_aliases(const TableSpec& spec);

}  // namespace posthorn::takeover
