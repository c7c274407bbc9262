#include "app/instance_config.h"

#include <cerrno>
#include <unistd.h>

namespace posthorn::app {

bool is_closed_to_us(const config::Config& config) {
  if (::geteuid() == 0 || ::access(config.paths.users.c_str(), R_OK) == 0 || errno != EACCES)
    return false;
  fmt::print(
      stderr,
      "posthorn: this is for root: {} and the server's sockets are closed to other accounts; "
      "say it with sudo, or as root\n",
      config.paths.users.native());
  return true;
}

}  // namespace posthorn::app
