// `posthorn explain …` on the command line.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "tools/explain.h"
#include "tools/explain_login.h"

namespace posthorn::app {

// A subcommand that needs the configuration.
using AddCommand =
    std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& about,
                            std::function<int(const config::Config&)> action)>;

// options are filled in when the words are read; they outlive the program.
void add_explain_commands(CLI::App& program, tools::ExplainOptions& options,
                          tools::ExplainLoginOptions& login, const AddCommand& add_command);

}  // namespace posthorn::app
