// mailboxid (RFC 9042): mailboxes by the id that renaming leaves alone (RFC 8474). The name behind
// it serves where no mailbox has the id any more.
#include <algorithm>

#include "sieve/extensions/place_tags.h"
#include "sieve/extensions/table.h"
#include "sieve/language/places.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 8474 section 7: 1 to 255 letters, digits, `-` and `_`.
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// Section 5: each of them is there.
bool holds_exists(Run& run, const Call& call) {
  for (const std::string_view id : call.list(run, 0)) {
    if (!run.spend(10)) return false;
    if (!is_id(id) || run.ask(run.world().find_mailbox_id(std::string(id))).empty()) return false;
  }
  return true;
}

void check_tag(Checker& checker, Node& node, const syntax::Item& item) {
  check_place_tag(checker, node, item, "mailboxid");
}

// Section 4. What can be no id is one that no mailbox has.
void apply_tag(Run& run, const Call& call, const Arg& arg, Action& action) {
  const std::string_view id = call.text(run, arg);
  if (Place* place = place_of(action); place != nullptr && is_id(id)) place->mailbox_id = id;
}

}  // namespace

Extension mailboxid() {
  return {.name = "mailboxid",
          .standard = "RFC 9042",
          .tests = {{.name = "mailboxidexists",
                     .arguments = {{"ids of mailboxes", Kind::list}},
                     .run = holds_exists}},
          // Section 4.3: not beside `:specialuse`.
          .tags = {{.of = "fileinto vacation notify",
                    .name = "mailboxid",
                    .argument = Kind::string,
                    .group = "which mailbox",
                    .check = check_tag,
                    .apply = apply_tag}}};
}

}  // namespace posthorn::sieve::extension
