#include "app/sieve_commands.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {

void add_sieve_commands(CLI::App& program, tools::SieveOptions& options, int& status,
                        const AddCommand& add_command) {
  CLI::App* sieve = program.add_subcommand("sieve", "Users' Sieve scripts");
  sieve->require_subcommand(1);
  using Run = int (*)(const config::Config&, const tools::SieveOptions&);
  const auto add = [&](const std::string& name, const std::string& about, Run run) {
    CLI::App* sub = add_command(*sieve, name, about, [&options, run](const config::Config& config) {
      return run(config, options);
    });
    sub->add_option("--user", options.user, "alice@example.org")->required();
    return sub;
  };
  const auto name = [&](CLI::App* sub) {
    return sub->add_option("name", options.name, "The script's name");
  };
  add("list", "A user's scripts; * marks the active one", tools::list_scripts);
  name(add("show", "A script's text; without a name that of the active one", tools::show_script));
  CLI::App* sub = add("put", "Store a script, if it has no fault", tools::put_script);
  sub->add_option("file", options.file, "The script; - is standard input")->required();
  sub->add_option("--name", options.name, "What it is called; else as the file, without .sieve");
  sub->add_flag("--activate", options.and_activate, "And make it the active one");
  name(add("activate", "Make a script the one that is run", tools::activate_script))->required();
  add("deactivate", "Run none of the user's scripts", tools::deactivate_script);
  name(add("remove", "Remove a script that is not active", tools::remove_script))->required();
  sub = sieve->add_subcommand("check", "What is wrong in scripts, as file:line:column: fault");
  sub->add_option("file", options.files, "Scripts; - is standard input")->required();
  sub->add_option("-c,--config", options.config, "posthorn.toml: scripts may ask its sieve.lists");
  sub->callback([&options, &status] { status = tools::check_scripts(options); });
  sub = add_command(
      *sieve, "test", "What a script would do with a mail; nothing is done",
      [&options](const config::Config& config) { return tools::try_sieve(config, options.trial); });
  sub->add_option("script", options.trial.script, "The script")->required();
  sub->add_option("mail", options.trial.mail, "The mail; - is standard input")->required();
  sub->add_option("--from", options.trial.from, "Its sender; <> is none; else what its fields say");
  sub->add_option("--to", options.trial.to, "Its recipient; else what its fields say");
  sub->add_flag("--trace", options.trial.with_trace, "Each test too, with the values it saw");
}

}  // namespace posthorn::app
