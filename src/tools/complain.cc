#include "tools/complain.h"

#include <fmt/format.h>

namespace posthorn::tools {

int complain(std::string_view what, int status) {
  fmt::print(stderr, "posthorn: {}\n", what);
  return status;
}

}  // namespace posthorn::tools
