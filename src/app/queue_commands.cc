#include "app/queue_commands.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {
namespace {

void add_filters(CLI::App& sub, tools::QueueFilters& filters) {
  const auto add = [&](const std::string& name, std::optional<std::string>& value,
                       const std::string& about) {
    sub.add_option(name, value, about)->group("Filters (all that are given must hold)");
  };
  add("--from", filters.from, "The sender; <> is none, @example.org all of a domain");
  add("--to", filters.to, "A recipient that waits; @example.org all of a domain");
  add("--domain", filters.domain, "The domain of a recipient that waits");
  add("--relay", filters.relay, "Where its mail was last taken or is to go: a host, or local");
  add("--reason", filters.reason, "A part of what was last said of it, in either case");
  add("--state", filters.state, "incoming, active, deferred or hold");
  add("--older", filters.older, "Here for longer than 30m, 12h or 2d");
}

}  // namespace

void add_queue_commands(CLI::App& program, tools::QueueOptions& options,
                        const AddCommand& add_command) {
  using tools::QueueAction;
  CLI::App* queue = program.add_subcommand("queue", "What waits to be delivered");
  queue->require_subcommand(1);
  const auto add = [&](const std::string& name, const std::string& about, QueueAction action) {
    return add_command(*queue, name, about, [&options, action](const config::Config& config) {
      options.action = action;
      return tools::run_queue_tool(config, options);
    });
  };
  CLI::App* list =
      add("list", "Every message, or those that filters name: its state and the last reason",
          QueueAction::list);
  list->add_flag("--json", options.json, "As JSON, a message a line");
  add_filters(*list, options.filters);
  CLI::App* show = add("show", "One message: envelope, attempts, text", QueueAction::show);
  show->add_option("id", options.ids, "Queue id")->required()->expected(1);
  show->add_flag("--json", options.json, "As JSON");
  const auto add_deed = [&](const std::string& name, const std::string& about, QueueAction action) {
    CLI::App* sub = add(name, about, action);
    sub->add_option("id", options.ids, "Queue ids; -: from standard input, one a line");
    sub->add_flag("--all", options.all, "Every message");
    sub->add_flag("--json", options.json, "Tell as JSON how many it was");
    add_filters(*sub, options.filters);
    return sub;
  };
  add_deed("retry", "Try now", QueueAction::retry);
  add_deed("hold", "Do not try until it is released", QueueAction::hold);
  add_deed("release", "Try again what was held", QueueAction::release);
  add_deed("delete",
           "Throw messages away, for all their recipients, without a bounce; what filters or "
           "--all mean is shown and asked for first",
           QueueAction::remove)
      ->add_flag("-y,--yes", options.yes, "Do not ask");
}

void add_relay_commands(CLI::App& program, tools::RelayOptions& options,
                        const AddCommand& add_command) {
  CLI::App* relay = program.add_subcommand("relay", "The smarthosts by which mail leaves");
  relay->require_subcommand(1);
  CLI::App* test = add_command(
      *relay, "test",
      "The conversation that the queue would have with a smarthost, without a message, and what "
      "to change; exit status 75: it may work later, 1: it does not",
      [&options](const config::Config& config) { return tools::test_relay(config, options); });
  test->add_option("name", options.name,
                   "[smtp.example.org]:587, or an address whose relay is meant; else all there "
                   "are");
  test->add_option("--to", options.to, "Name this recipient, too, and take it back");
  test->add_option("--from", options.from,
                   "The sender: its relay and login, and for --to (default: postmaster)");
  test->add_flag("--json", options.json, "As JSON, a relay a line");
}

}  // namespace posthorn::app
