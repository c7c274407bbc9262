// mailbox (RFC 5490 section 3): mailboxexists, and `:create` where something is filed.
#include <fmt/format.h>

#include "base/utf8.h"
#include "sieve/extensions/mailbox_names.h"
#include "sieve/extensions/place_tags.h"
#include "sieve/extensions/table.h"
#include "sieve/language/places.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check_exists(Checker& checker, Node& node, const syntax::Item& item) {
  check_mailbox_names(checker, checker.positional(node, 0), item);
}

// Section 3.1: all of them.
bool holds_exists(Run& run, const Call& call) {
  for (const std::string_view mailbox : call.list(run, 0)) {
    if (!run.spend(10)) return false;
    if (!is_mailbox_name(mailbox) || !run.ask(run.world().has_mailbox(std::string(mailbox))))
      return false;
  }
  return true;
}

void check_create(Checker& checker, Node& node, const syntax::Item& item) {
  check_place_tag(checker, node, item, "create");
}

void create(Run& /*run*/, const Call& /*call*/, const Arg& /*arg*/, Action& action) {
  if (Place* place = place_of(action)) place->create = Create::yes;
}

}  // namespace

Extension mailbox() {
  return {.name = "mailbox",
          .standard = "RFC 5490",
          .tests = {{.name = "mailboxexists",
                     .arguments = {{"mailboxes", Kind::list}},
                     .run = holds_exists,
                     .check = check_exists}},
          .tags = {{.of = "fileinto vacation notify",
                    .name = "create",
                    .check = check_create,
                    .apply = create}}};
}

}  // namespace posthorn::sieve::extension
