// imap4flags (RFC 5232): flags in the internal variable, which what is kept or filed takes, or in a
// variable with a name.
#include "sieve/extensions/flags.h"
#include "sieve/extensions/place_tags.h"
#include "sieve/extensions/table.h"
#include "sieve/extensions/variable_names.h"
#include "sieve/language/matcher.h"
#include "sieve/language/places.h"

namespace posthorn::sieve::extension {
namespace {

// Section 2: a variable's name may stand first, for scripts that have variables.
void check_variable(Checker& checker, Node& node, const syntax::Item& item) {
  if (!checker.positional(node, 0).has_value) return;
  if (!checker.has("variables"))
    checker.fault(item.at, "flags in a variable need `require [\"variables\"]`");
  check_variable_names(checker, node, item, 0);
}

void check_command(Checker& checker, Node& node, const syntax::Item& item) {
  check_variable(checker, node, item);
  check_flags(checker, checker.positional(node, 1), item);
}

template <FlagChange change>
Flow run_command(Run& run, const Call& call) {
  const std::string_view variable = call.arg(0).has_value ? call.text(run, 0) : std::string_view();
  return change_flags(run, variable, flags_in(call.list(run, 1)), change);
}

// Section 4: each flag of the variables against each of the keys; several in a text are a list.
bool holds_hasflag(Run& run, const Call& call) {
  Matcher matcher(run, call.matching(), words_of(call.list(run, 1)));
  std::vector<Flags> values;
  if (call.arg(0).has_value) {
    for (const std::string_view variable : call.list(run, 0))
      values.push_back(flags_in({run.variable(variable)}));
  } else {
    values.push_back(run.flags);
  }
  for (const Flags& flags : values)
    for (const std::string& flag : flags)
      if (matcher.value(flag)) return true;
  return matcher.finish();
}

// Section 5. It stands for the internal variable, it does not change it.
void check_tag(Checker& checker, Node& node, const syntax::Item& item) {
  check_place_tag(checker, node, item, "flags");
  check_flags(checker, *checker.find_tag(node, "flags"), item);
}

void apply_tag(Run& run, const Call& call, const Arg& arg, Action& action) {
  if (Flags* flags = flags_of(action)) *flags = flags_in(call.list(run, arg));
}

}  // namespace

Extension imap4flags() {
  const std::vector<Positional> arguments = {{"a variable's name", Kind::string},
                                             {"flags", Kind::list}};
  return {.name = "imap4flags",
          .standard = "RFC 5232",
          .commands = {{.name = "setflag",
                        .arguments = arguments,
                        .run = run_command<FlagChange::set>,
                        .check = check_command,
                        .optional = 1},
                       {.name = "addflag",
                        .arguments = arguments,
                        .run = run_command<FlagChange::add>,
                        .check = check_command,
                        .optional = 1},
                       {.name = "removeflag",
                        .arguments = arguments,
                        .run = run_command<FlagChange::remove>,
                        .check = check_command,
                        .optional = 1}},
          .tests = {{.name = "hasflag",
                     .arguments = {{"variables' names", Kind::list}, {"flags", Kind::list}},
                     .run = holds_hasflag,
                     .check = check_variable,
                     .compares = TestRow::Compares::yes,
                     .optional = 1}},
          .tags = {{.of = "keep fileinto vacation notify",
                    .name = "flags",
                    .argument = Kind::list,
                    .check = check_tag,
                    .apply = apply_tag}},
          .limits = "4000 bytes of flags",
          .excludes = "imapflags"};
}

}  // namespace posthorn::sieve::extension
