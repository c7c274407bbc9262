// What the command line says of itself: help, exit codes, its manual, and in a sentence of ours
// what is wrong with words that do not fit.
#pragma once

#include <string>
#include <vector>

#include "tools/manual.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace posthorn::app {

inline constexpr int kExitUsage = 2;
std::string exit_code_text();

// What is wrong with the words, in a sentence of ours: the library's text says neither where nor
// what to do.
int complain(CLI::App& app, const CLI::ParseError& error);

// What the manual pages are made of.
tools::Sources manual_sources(const CLI::App& app);

// `posthorn help`, `posthorn help user add`. An exit code.
int print_help(CLI::App& app, const std::vector<std::string>& names);

}  // namespace posthorn::app
