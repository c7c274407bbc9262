// What the library that reads the command line knows of it, as values: for manual pages and
// completion. Commands and options that it hides are left out.
#pragma once

#include <CLI/App.hpp>

#include "tools/command.h"

namespace posthorn::app {

tools::Command command_tree(const CLI::App& app);

}  // namespace posthorn::app
