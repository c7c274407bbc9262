#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace posthorn {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "level=error event=assertion.failed expression=\"%s\" at=%s:%d\n",
               expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace posthorn
