// `posthorn trace` and `posthorn tap`: what became of mails, and what sessions say now.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "tools/tap.h"
#include "tools/trace.h"

namespace posthorn::app {

// A subcommand that needs the configuration.
using AddCommand =
    std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& about,
                            std::function<int(const config::Config&)> action)>;

// The options are filled in when the words are read; they outlive the program.
void add_trace_command(CLI::App& program, tools::TraceOptions& options,
                       const AddCommand& add_command);
void add_tap_command(CLI::App& program, tools::TapOptions& options, const AddCommand& add_command);

}  // namespace posthorn::app
