#include "base/print.h"

#include <iterator>

namespace posthorn {

void print_to(std::string& out, fmt::string_view format, fmt::format_args args) {
  fmt::vformat_to(std::back_inserter(out), format, args);
}

}  // namespace posthorn
