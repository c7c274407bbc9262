// How a command says what is wrong, on standard error.
#pragma once

#include <string_view>

namespace posthorn::tools {

// Gives the exit status, for the command to return.
int complain(std::string_view what, int status = 1);

}  // namespace posthorn::tools
