// index (RFC 5260 section 6): `:index` picks one of the fields of a name, `:last` counts from the
// end. The reading is in field_values.cc.
#include "sieve/extensions/field_values.h"
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {

Extension index() {
  Extension row{.name = "index", .standard = "RFC 5260 section 6"};
  add_index_tags(row, "header address date");
  return row;
}

}  // namespace posthorn::sieve::extension
