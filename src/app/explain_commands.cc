#include "app/explain_commands.h"

#include <CLI/CLI.hpp>

#include "tools/explain_filed.h"

namespace posthorn::app {
namespace {

using tools::ExplainOptions;

void add_recipient_words(CLI::App& command, ExplainOptions& options) {
  command.add_option("address", options.address, "To whom: info@example.org")->required();
  command.add_option("--from", options.sender, "Of which sender; <> is none");
  command.add_option("--ip", options.client, "From which client's address");
}

void add_submission_words(CLI::App& command, ExplainOptions& options) {
  command.add_option("user", options.account, "Who is logged in: alice@example.org")->required();
  command.add_option("from", options.sender, "As which address")->required();
  command.add_option("to", options.address, "To whom; none: only whether the sender is taken");
}

void add_relay_words(CLI::App& command, ExplainOptions& options) {
  command.add_option("address", options.address, "To whom: friend@example.com")->required();
  command.add_option("--from", options.sender, "Of which sender: some have a relay of their own");
}

void add_filed_words(CLI::App& command, ExplainOptions& options) {
  command.add_option("mail", options.mail, "Its queue id, or its Message-ID")->required();
  command.add_option("--user", options.account, "Of this recipient or account alone");
}

// Each question: its words, and what answers it.
struct Question {
  const char* name;
  const char* about;
  void (*add_words)(CLI::App& command, ExplainOptions& options);
  int (*run)(const config::Config& config, const ExplainOptions& options);
};
constexpr Question kQuestions[] = {
    {"rcpt", "Mail of a stranger to an address: is it taken, and whose is it?", add_recipient_words,
     tools::explain_recipient},
    {"send", "Mail of a user: may it be sent so, and where does it go?", add_submission_words,
     tools::explain_submission},
    {"relay", "By which way mail for an address leaves", add_relay_words, tools::explain_relay},
    {"filed", "Where a mail lies, which line of which script put it there, or why it is nowhere",
     add_filed_words, tools::explain_filed},
};

}  // namespace

void add_explain_commands(CLI::App& program, ExplainOptions& options,
                          const AddCommand& add_command) {
  CLI::App* explain = program.add_subcommand(
      "explain", "What the server would do, step by step, and because of which line or setting");
  explain->require_subcommand(1);
  for (const Question& question : kQuestions) {
    CLI::App* sub = add_command(*explain, question.name, question.about,
                                [&options, run = question.run](const config::Config& config) {
                                  return run(config, options);
                                });
    question.add_words(*sub, options);
    sub->add_flag("--json", options.json, "As JSON");
  }
}

}  // namespace posthorn::app
