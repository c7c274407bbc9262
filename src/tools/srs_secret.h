// The file srs.secret_file: made where it is not there, as only root and the lookup role may read
// it.
#pragma once

#include "config/config.h"

namespace posthorn::tools {

// What is there stays as it is. Only who is root can give it to the role's group; whoever runs the
// server as himself reads it as himself. True: it was made.
Result<bool> make_srs_secret(const config::Config& config);

}  // namespace posthorn::tools
