#include "app/command_words.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <set>

#include "app/command_tree.h"
#include "base/edit_distance.h"
#include "config/config.h"
#include "config/config_keys.h"
#include "tools/templates.h"

namespace posthorn::app {
namespace {

constexpr tools::ExitCode kExitCodes[] = {
    {"0", "done"},
    {"1", "a fault, which is told; (status) something is red"},
    {"2", "the command line is wrong"},
    {"3", "(status) it does not run"},
    {"70", "a fault of the program itself"},
    {"75", "(explain, dns) it could not be asked"},
    {"78", "it cannot start with this configuration"},
    {"64 to 78", "as sendmail, as in sysexits(3)"},
};

// The command that was reached, "user add", and the words that lead to it.
std::pair<CLI::App*, std::string> reached(CLI::App& app) {
  CLI::App* at = &app;
  std::string words;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    words += " " + at->get_name();
  }
  return {at, words};
}

std::set<std::string> commands_of(CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (sub->get_group() != "") names.insert(sub->get_name());
  return names;
}

std::set<std::string> options_of(CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.insert("--" + name);
  return names;
}

std::string did_you_mean(const std::string& word, const std::set<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near);
}

// The sample tables that `posthorn init` writes, which say what each holds.
constexpr std::string_view kTables[] = {"maps/domains", "maps/mailboxes", "maps/aliases",
                                        "maps/senders", "maps/transport", "maps/relay-sasl",
                                        "maps/vusers",  "conf/users",     "conf/smtp_users"};

}  // namespace

std::string exit_code_text() {
  std::string out = "Exit codes:";
  std::size_t line = 0;
  for (const tools::ExitCode& code : kExitCodes) {
    const bool is_full = out.size() - line > 60;
    if (is_full) line = out.size();
    out += fmt::format("{}{} {}{}", is_full ? "\n" : " ", code.code, code.meaning,
                       &code == std::end(kExitCodes) - 1 ? "." : ";");
  }
  return out;
}

int complain(CLI::App& app, const CLI::ParseError& error) {
  const auto [at, words] = reached(app);
  const std::set<std::string> commands = commands_of(*at);
  const auto left = at->remaining();
  std::string what;
  if (!left.empty() && left.front().starts_with('-'))
    what = fmt::format("there is no option {}{}", left.front(),
                       did_you_mean(left.front(), options_of(*at)));
  else if (!left.empty() && !commands.empty())
    what = fmt::format("there is no command \"{}\"{}", left.front(),
                       did_you_mean(left.front(), commands));
  else if (!left.empty())
    what = fmt::format("\"{}\" is one word too many", left.front());
  else if (error.get_name() == "RequiredError" && !commands.empty())
    what = fmt::format("name a command: {}", fmt::join(commands, ", "));
  else
    what = fmt::format("the words do not fit: {}", error.what());
  fmt::print(stderr, "posthorn{}: {} (`posthorn help{}` tells more)\n", words, what, words);
  return kExitUsage;
}

int print_help(CLI::App& app, const std::vector<std::string>& names) {
  CLI::App* at = &app;
  std::string words = "posthorn";
  for (const std::string& word : names) {
    const auto named =
        at->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
    if (named.empty()) {
      fmt::print(stderr, "posthorn help: there is no command \"{}\"{}\n", word,
                 did_you_mean(word, commands_of(*at)));
      return kExitUsage;
    }
    if (at != &app) words += " " + at->get_name();
    at = named.front();
  }
  app.clear();  // or it would be the help on "help", the command that was reached
  fmt::print("{}", at == &app ? at->help() : at->help(words));
  return 0;
}

tools::Sources manual_sources(const CLI::App& app) {
  tools::Sources sources{.program = command_tree(app),
                         .exit_codes = kExitCodes,
                         .defaults = config::to_toml(config::Config{}),
                         .version = POSTHORN_VERSION,
                         .date = tools::manual_date()};
  for (const std::string_view file : kTables)
    sources.tables.push_back({file, tools::template_text(file.substr(file.find('/') + 1))});
  return sources;
}

}  // namespace posthorn::app
