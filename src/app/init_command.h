// The words of `posthorn init`: its folder, where things lie, and what it would ask for otherwise.
#pragma once

#include <string>

#include "tools/init.h"

namespace CLI {
class App;
}

namespace posthorn::app {

// config: what -c says, which init has no use for.
void add_init_command(CLI::App& program, tools::InitOptions& init, std::string& config,
                      int& status);

}  // namespace posthorn::app
