#include "app/trace_commands.h"

#include <CLI/CLI.hpp>

namespace posthorn::app {

void add_trace_command(CLI::App& program, tools::TraceOptions& options,
                       const AddCommand& add_command) {
  CLI::App* sub = add_command(
      program, "trace", "A mail's life as a story: how it came, what was decided, where it is",
      [&options](const config::Config& config) { return tools::trace_mail(config, options); });
  sub->add_option("what", options.what,
                  "A queue id, a Message-ID, an address (sender, recipient, account or a client's "
                  "IP address) or a session; none: all mails that the options choose");
  sub->add_option("--from", options.sender, "Only from this sender");
  sub->add_option("--to", options.recipient, "Only to this recipient");
  sub->add_option("--since", options.since,
                  "Only since 2d, 3h, 30m ago, or since a day, 2026-11-30");
  sub->add_flag("--refused", options.refused,
                "Only what was refused, or could not be delivered for good");
  sub->add_flag("--json", options.json, "As JSON");
  sub->add_option("--max", options.max, "How many at most (default: 20)")
      ->check(CLI::Range(1, 200));
}

void add_tap_command(CLI::App& program, tools::TapOptions& options, const AddCommand& add_command) {
  CLI::App* sub = add_command(
      program, "tap", "Live dialogs of the server's connections, without their secrets",
      [&options](const config::Config& config) { return tools::run_tap(config, options); });
  sub->add_option("session", options.session,
                  "Only this session or queue id (s= or q= in the log)");
  sub->add_flag("--all", options.all, "Every session");
  sub->add_option("--user", options.user, "Only this account's sessions and what it sends");
  sub->add_flag("--bodies", options.with_bodies, "Messages too, not only their size");
}

}  // namespace posthorn::app
