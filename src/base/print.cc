#include "base/print.h"

#include <iterator>

namespace posthorn {

void vprint_to(std::string& out, fmt::string_view format, fmt::format_args args) {
  fmt::vformat_to(std::back_inserter(out), format, args);
}

}  // namespace posthorn
