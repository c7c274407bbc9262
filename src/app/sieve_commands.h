// `posthorn sieve …` on the command line.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "tools/sieve.h"

namespace posthorn::app {

// A subcommand that needs the configuration.
using AddCommand =
    std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& about,
                            std::function<int(const config::Config&)> action)>;

// options and status are filled in when the words are read; they outlive the program.
void add_sieve_commands(CLI::App& program, tools::SieveOptions& options, int& status,
                        const AddCommand& add_command);

}  // namespace posthorn::app
