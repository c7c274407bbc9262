// special-use (RFC 8579): mailboxes by what they are for. Which one it is when the message is
// filed, the host finds out: the name behind it serves where none has the use.
#include <algorithm>
#include <fmt/format.h>

#include "sieve/extensions/mailbox_names.h"
#include "sieve/extensions/place_tags.h"
#include "sieve/extensions/table.h"
#include "sieve/language/places.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 6154 section 6: a backslash and an atom.
bool is_use(std::string_view text) {
  if (!text.starts_with('\\') || text.size() < 2) return false;
  return std::ranges::all_of(text.substr(1), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

void check_uses(Checker& checker, const Arg& uses, const syntax::Item& item) {
  for (const std::string_view use : checker.constants(uses))
    if (!is_use(use))
      checker.fault(item.at, fmt::format("\"{}\" is no use of a mailbox: they are written like "
                                         "\"\\\\Sent\"",
                                         use));
}

void check_exists(Checker& checker, Node& node, const syntax::Item& item) {
  check_mailbox_names(checker, checker.positional(node, 0), item);
  check_uses(checker, checker.positional(node, 1), item);
}

// Section 3: each use is had by the mailbox; where none is named, by any.
bool holds_exists(Run& run, const Call& call) {
  const bool is_of_one = call.arg(0).has_value;
  const std::string mailbox(is_of_one ? call.text(run, 0) : std::string_view());
  if (is_of_one && !is_mailbox_name(mailbox)) return false;
  for (const std::string_view text : call.list(run, 1)) {
    const std::string use(text);
    if (!run.spend(10) || !is_use(use)) return false;
    const bool has = is_of_one ? run.ask(run.world().has_special_use(mailbox, use))
                               : !run.ask(run.world().find_special_use(use)).empty();
    if (!has) return false;
  }
  return true;
}

void check_tag(Checker& checker, Node& node, const syntax::Item& item) {
  check_place_tag(checker, node, item, "specialuse");
  check_uses(checker, *checker.find_tag(node, "specialuse"), item);
}

// Section 4.
void apply_tag(Run& run, const Call& call, const Arg& arg, Action& action) {
  const std::string_view use = call.text(run, arg);
  if (!is_use(use)) {
    run.doubt(fmt::format("\"{}\" is no use of a mailbox and was left out", use));
  } else if (Place* place = place_of(action)) {
    place->special_use = use;
  }
}

}  // namespace

Extension special_use() {
  return {.name = "special-use",
          .standard = "RFC 8579",
          .tests = {{.name = "specialuse_exists",
                     .arguments = {{"a mailbox", Kind::string}, {"uses", Kind::list}},
                     .run = holds_exists,
                     .check = check_exists,
                     .optional = 1}},
          .tags = {{.of = "fileinto vacation notify",
                    .name = "specialuse",
                    .argument = Kind::string,
                    .group = "which mailbox",
                    .check = check_tag,
                    .apply = apply_tag}}};
}

}  // namespace posthorn::sieve::extension
