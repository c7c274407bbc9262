#include "base/result.h"

#include <fmt/format.h>
#include <system_error>

namespace posthorn {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::temporary:
      return "temporary";
    case ErrorKind::permanent:
      return "permanent";
    case ErrorKind::protocol:
      return "protocol";
    case ErrorKind::closed:
      return "closed";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::config:
      return "config";
  }
  return "temporary";
}

std::unexpected<Error> fail_errno(std::string_view call, std::string_view subject, int error) {
  return fail(ErrorKind::temporary,
              fmt::format("{} {}: {}", call, subject, std::generic_category().message(error)));
}

}  // namespace posthorn
