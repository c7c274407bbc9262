#include "web/page_files.h"

#include "base/assert.h"

namespace posthorn::web {

std::string fill_page(std::string_view name, const Fields& fields) {
  auto filled = fill_template(page_file(name), fields, page_file);
  ASSERT(filled.has_value());
  return *std::move(filled);
}

}  // namespace posthorn::web
