// `posthorn queue …` and `posthorn relay …` on the command line.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "tools/queue.h"
#include "tools/relay.h"

namespace posthorn::app {

// A subcommand that needs the configuration.
using AddCommand =
    std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& about,
                            std::function<int(const config::Config&)> action)>;

// options are filled in when the words are read; they outlive the program.
void add_queue_commands(CLI::App& program, tools::QueueOptions& options,
                        const AddCommand& add_command);
void add_relay_commands(CLI::App& program, tools::RelayOptions& options,
                        const AddCommand& add_command);

}  // namespace posthorn::app
