// imapflags, the draft before RFC 5232: the internal variable alone, and `mark` and `unmark`. Old
// scripts of CMU Sieve and Dovecot have it.
#include "sieve/extensions/flags.h"
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {
namespace {

void check(Checker& checker, Node& node, const syntax::Item& item) {
  check_flags(checker, checker.positional(node, 0), item);
}

template <FlagChange change>
Flow run_command(Run& run, const Call& call) {
  return change_flags(run, {}, flags_in(call.list(run, 0)), change);
}

template <FlagChange change>
Flow run_mark(Run& run, const Call& /*call*/) {
  return change_flags(run, {}, {"\\Flagged"}, change);
}

}  // namespace

Extension imapflags() {
  const std::vector<Positional> arguments = {{"flags", Kind::list}};
  return {.name = "imapflags",
          .standard = "draft-melnikov-sieve-imapflags-03",
          .commands = {{.name = "setflag",
                        .arguments = arguments,
                        .run = run_command<FlagChange::set>,
                        .check = check},
                       {.name = "addflag",
                        .arguments = arguments,
                        .run = run_command<FlagChange::add>,
                        .check = check},
                       {.name = "removeflag",
                        .arguments = arguments,
                        .run = run_command<FlagChange::remove>,
                        .check = check},
                       {.name = "mark", .run = run_mark<FlagChange::add>},
                       {.name = "unmark", .run = run_mark<FlagChange::remove>}},
          .limits = "4000 bytes of flags",
          .doubt = "`imapflags` is an old draft: `imap4flags` took its place (RFC 5232)",
          .excludes = "imap4flags"};
}

}  // namespace posthorn::sieve::extension
