#include "app/command_tree.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {
namespace {

// The library writes what a check allows behind the type: "INT:{2048,4096}",
// "INT:INT in [0 - 61345]".
void take_type(const CLI::Option& option, tools::Argument& argument) {
  const std::string type = option.get_type_name();
  const std::size_t colon = type.find(':');
  argument.value = type.substr(0, colon);
  if (colon == type.npos) return;
  const std::size_t open = type.find_first_of("{[", colon);
  if (open == type.npos) return;
  const std::string inside = type.substr(open + 1, type.find_last_of("}]") - open - 1);
  if (type[open] == '[')
    argument.bounds = inside;
  else
    argument.choices = CLI::detail::split(inside, ',');
}

tools::Argument describe(const CLI::Option& option) {
  tools::Argument argument;
  argument.about = option.get_description();
  argument.is_required = option.get_required();
  const int values = option.get_items_expected_max();
  if (values != 0) take_type(option, argument);
  argument.may_repeat = values > 1;
  for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
  if (option.get_positional()) argument.names = {option.get_name(true)};
  return argument;
}

}  // namespace

tools::Command command_tree(const CLI::App& app) {
  tools::Command command{.name = app.get_name(), .about = app.get_description()};
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty())
      (option->get_positional() ? command.places : command.options).push_back(describe(*option));
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!sub->get_group().empty()) command.commands.push_back(command_tree(*sub));
  return command;
}

}  // namespace posthorn::app
