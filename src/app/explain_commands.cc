#include "app/explain_commands.h"

#include <CLI/CLI.hpp>

#include "tools/explain_filed.h"
#include "tools/spam.h"

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

void add_spam_words(CLI::App& command, ExplainOptions& options) {
  command.add_option("mail", options.mail, "Its queue id or Message-ID; a file: spamd is asked")
      ->required();
}

int explain_spam(const config::Config& config, const ExplainOptions& options) {
  return tools::explain_spam(config, {.mail = options.mail, .user = {}, .json = options.json});
}

void add_filed_words(CLI::App& command, ExplainOptions& options) {
  command.add_option("mail", options.mail, "Its queue id, or its Message-ID")->required();
  command.add_option("--user", options.account, "Of this recipient or account alone");
}

void add_login_words(CLI::App& command, tools::ExplainLoginOptions& login) {
  command.add_option("user", login.user, "The name as the mail program sends it")->required();
  command
      .add_option("--service", login.service,
                  "What the login is for (default: imap, and smtp where paths.smtp_users is set)")
      ->check(CLI::IsMember({"imap", "pop3", "smtp", "managesieve"}));
  command.add_option("--ip", login.ip,
                     "The address that the login comes from: bans and allow_nets");
  command.add_flag("--password-stdin", login.password_stdin,
                   "Check the password that is read from standard input, too; no login is counted");
  command.add_flag("--json", login.json, "As JSON");
}

constexpr const char* kStatuses =
    "Exit status: 0 it is taken; 1 it is refused; 75 it is put off, or something could not be "
    "asked.";

// Each question: its words, and what answers it.
struct Question {
  const char* name;
  const char* about;
  const char* statuses;
  void (*add_words)(CLI::App& command, ExplainOptions& options);
  int (*run)(const config::Config& config, const ExplainOptions& options);
};
constexpr Question kQuestions[] = {
    {"rcpt", "Mail of a stranger to an address: is it taken, and whose is it?", kStatuses,
     add_recipient_words, tools::explain_recipient},
    {"send", "Mail of a user: may it be sent so, and where does it go?", kStatuses,
     add_submission_words, tools::explain_submission},
    {"relay", "By which way mail for an address leaves",
     "Exit status: 0 it goes on; 1 it comes back; 75 it is put off, or something could not be "
     "asked.",
     add_relay_words, tools::explain_relay},
    {"spam", "What the spam filter said of a mail that came, and what was done because of it",
     tools::kSpamStatuses, add_spam_words, explain_spam},
    {"filed", "Where a mail lies, which line of which script put it there, or why it is nowhere",
     "Exit status: 0 it is told; 1 nothing is known of such a mail; 75 the trail could not be "
     "asked.",
     add_filed_words, tools::explain_filed},
};

}  // namespace

void add_explain_commands(CLI::App& program, ExplainOptions& options,
                          tools::ExplainLoginOptions& login, const AddCommand& add_command) {
  CLI::App* explain = program.add_subcommand(
      "explain", "What the server would do, step by step, and because of which line or setting");
  explain->require_subcommand(1);
  explain->footer(
      "Exit status of each: 0 yes, 1 no, 75 it could not be asked; `--help` behind it says more.");
  for (const Question& question : kQuestions) {
    CLI::App* sub = add_command(*explain, question.name, question.about,
                                [&options, run = question.run](const config::Config& config) {
                                  return run(config, options);
                                });
    sub->footer(question.statuses);
    question.add_words(*sub, options);
    sub->add_flag("--json", options.json, "As JSON");
  }
  CLI::App* sub = add_command(
      *explain, "login", "Whether a user could log in now, and how the last logins went",
      [&login](const config::Config& config) { return tools::explain_login(config, login); });
  sub->footer(
      "Exit status: 0 it logs in; 1 it is refused or banned; 75 something could not be asked.");
  add_login_words(*sub, login);
}

}  // namespace posthorn::app
