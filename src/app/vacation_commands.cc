#include "app/vacation_commands.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {

void add_vacation_commands(CLI::App& program, tools::VacationOptions& options,
                           const AddCommand& add_command) {
  CLI::App* vacation =
      program.add_subcommand("vacation", "Answer a user's mail while the user is away");
  vacation->require_subcommand(1);
  using Run = int (*)(const config::Config&, const tools::VacationOptions&);
  const auto add = [&](const std::string& name, const std::string& about, Run run) {
    CLI::App* sub =
        add_command(*vacation, name, about,
                    [&options, run](const config::Config& config) { return run(config, options); });
    sub->add_option("--user", options.user, "alice@example.org")->required();
    return sub;
  };
  CLI::App* on =
      add("on", "Answer, once in some days each; scripts stay as they are", tools::set_vacation);
  on->add_option("--text", options.text, "A file with the answer, UTF-8; - is standard input")
      ->required();
  on->add_option("--subject", options.subject, "Else \"Auto: \" and that of the message");
  on->add_option("--from", options.from, "The first day, as 2026-12-01; else from now on");
  on->add_option("--to", options.to, "The last day; else until it is switched off");
  on->add_option("--days", options.days, "How often the same sender is answered: once in so many");
  add("show", "What is answered, and when", tools::show_vacation);
  add("off", "Answer no more", tools::end_vacation);
}

}  // namespace posthorn::app
