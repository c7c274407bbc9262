// Pages are files with named places, filled here. Whatever is put in is escaped, so no page can
// forget it; a place without a value and a value without a place are faults, and so the files and
// the code that fills them cannot drift apart. Sans-I/O.
//
//   {{name}}              the value, escaped for HTML and XML
//   {{#name}}…{{/name}}   once for each row of the block; names that a row does not have are those
//                         around it
//   {{^name}}…{{/name}}   once if the block has no rows
//   {{>file}}             another file as it stands (a style sheet): it has no places
//
// A line that holds a mark of the last three and nothing else leaves nothing behind.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace posthorn::web {

struct Fields;
// As a condition: one empty row, or none.
using Rows = std::vector<Fields>;

struct Fields {
  std::map<std::string, std::string, std::less<>> values;
  std::map<std::string, Rows, std::less<>> blocks = {};
};

// Gives a file by its name; empty: there is none.
using FindFile = std::string_view (*)(std::string_view name);

// An Error is a fault of the file or of the fields, never of what the values hold.
Result<std::string> fill_template(std::string_view text, const Fields& fields, FindFile find_file);

}  // namespace posthorn::web
