// Completion of the command line for bash, zsh and fish: scripts that know every command, option
// and choice, made of the command line's own description. Where a value is free, files complete.
#pragma once

#include <string>
#include <string_view>

#include "tools/command.h"

namespace posthorn::tools {

std::string complete_bash(const Command& program);
std::string complete_zsh(const Command& program);
std::string complete_fish(const Command& program);

// Prints the script of "bash", "zsh" or "fish"; the exit status.
int print_completion(const Command& program, std::string_view shell);

}  // namespace posthorn::tools
