// Variables that people know from other mail containers (docker-mailserver's names): which setting
// of this server each makes, or why it makes none. Whoever moves in keeps their file of variables;
// what it cannot mean here is said by `posthorn check`, never passed over in silence.
#pragma once

#include <string>
#include <vector>

#include "config/environment.h"

namespace posthorn::config {

// In the order in which they are to be applied.
std::vector<Override> find_other_names(const Variables& variables);
// Those that are set and change nothing: "SA_KILL changes nothing: …". One that is off is no news.
std::vector<std::string> find_idle_names(const Variables& variables);

}  // namespace posthorn::config
