// fcc (RFC 8580): a copy of what vacation and notify send is filed. The tags that say more of the
// place (`:flags`, `:create`, `:specialuse`, `:mailboxid`) are their extensions' own.
#include <fmt/format.h>

#include "sieve/extensions/mailbox_names.h"
#include "sieve/extensions/table.h"
#include "sieve/language/places.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view mailbox : checker.constants(*checker.find_tag(node, "fcc")))
    if (!is_mailbox_name(mailbox))
      checker.fault(item.at, fmt::format("`:fcc` needs a mailbox, found \"{}\"", mailbox));
}

void apply(Run& run, const Call& call, const Arg& arg, Action& action) {
  if (Place* place = place_of(action)) place->mailbox = call.text(run, arg);
}

}  // namespace

Extension fcc() {
  return {.name = "fcc",
          .standard = "RFC 8580",
          .tags = {{.of = "vacation notify",
                    .name = "fcc",
                    .argument = Kind::string,
                    .check = check,
                    .apply = apply}}};
}

}  // namespace posthorn::sieve::extension
